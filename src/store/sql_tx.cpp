#include "store/sql_tx.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <utility>

#include "store/fingerprint_codec.h"
#include "store/queries.h"
#include "store/records.h"

namespace lictor::store {
namespace {

constexpr UnixSeconds kUsageKeySeconds = 24 * 3600;
constexpr std::size_t kAllIndexed = 7;             // see sql::kUpdateLicense
constexpr std::size_t kForgottenKeysPerUsage = 8;  // more than come in, so that the table can't grow for ever

// SQLite writes the index entries of each column that a statement names, whether its value changes or not.
std::size_t changed_indexed(const licensing::License& before, const licensing::License& after) noexcept {
  return (before.status != after.status ? 1U : 0U) | (before.expires_at != after.expires_at ? 2U : 0U) |
         (before.next_lease_end != after.next_lease_end ? 4U : 0U);
}

}  // namespace

SqlTx::Statements::Statements(Connection& connection)
    : license_by_id(connection, sql::kLicenseById),
      license_by_key(connection, sql::kLicenseByKey),
      activation(connection, sql::kActivation),
      upsert_activation(connection, sql::kUpsertActivation),
      ended_leases(connection, sql::kEndedLeases),
      release_ended_leases(connection, sql::kReleaseEndedLeases),
      correct_seats(connection, sql::kCorrectSeats),
      next_lease_end(connection, sql::kNextLeaseEnd),
      usage_total(connection, sql::kUsageTotal),
      upsert_usage(connection, sql::kUpsertUsage),
      usage_key(connection, sql::kUsageKey),
      replace_usage_key(connection, sql::kReplaceUsageKey),
      old_usage_keys(connection, sql::kOldUsageKeys),
      delete_usage_key(connection, sql::kDeleteUsageKey),
      insert_event(connection, sql::kInsertEvent),
      audit_head(connection, sql::kAuditHead),
      update_audit_head(connection, sql::kUpdateAuditHead),
      add_totals(connection, sql::kAddTotals) {}

SqlTx::SqlTx(Connection& connection)
    : connection_(connection),
      statements_(connection),
      change_license_(connection, sql::kChangeLicense),
      held_clients_(connection, sql::kHeldClients),
      client_by_id_(connection, sql::kClientById),
      statistics_(connection) {}

void SqlTx::begin() noexcept {
  locked_.clear();
  change_ = {};
}

void SqlTx::finish() {
  if (change_.licenses == 0 && change_.active_licenses == 0 && change_.seats_held == 0) return;
  add_totals(change_);
}

void SqlTx::add_totals(const Totals& change) {
  statements_.add_totals.run(change.licenses, change.active_licenses, change.seats_held);
  expect_one("the record of totals");
}

std::vector<std::optional<LicenseRow>> SqlTx::lock(std::span<const LicenseRef> refs) {
  std::vector<std::optional<LicenseRow>> licenses;
  licenses.reserve(refs.size());
  for (const LicenseRef& ref : refs) {
    Statement& statement = ref.by == LicenseRef::By::id ? statements_.license_by_id : statements_.license_by_key;
    auto rows = statement.rows(ref.value);
    licenses.push_back(rows.next() ? std::optional(read_license(rows)) : std::nullopt);
    if (licenses.back()) note_locked(*licenses.back());
  }
  return licenses;
}

void SqlTx::note_locked(const LicenseRow& license) { locked_[license.row] = license.state; }

const licensing::License* SqlTx::locked(Row license) const {
  const auto found = locked_.find(license);
  return found == locked_.end() ? nullptr : &found->second;
}

void SqlTx::collect_ended(Row license, UnixSeconds now, std::vector<EndedLease>& ended) {
  auto rows = statements_.ended_leases.rows(license, now);
  while (rows.next()) ended.push_back({license, rows.bytes16(0), std::string(rows.text(1)), rows.number(2)});
}

std::vector<EndedLease> SqlTx::reclaim(std::span<const Row> licenses, UnixSeconds now) {
  std::vector<EndedLease> ended;
  for (const Row license : licenses) {
    const std::size_t before = ended.size();
    collect_ended(license, now, ended);
    const auto count = static_cast<std::uint32_t>(ended.size() - before);
    if (count > 0) statements_.release_ended_leases.run(license, now);
    const UnixSeconds next_end = next_lease_end_after(license, now);
    statements_.correct_seats.run(license, count, EndTime{next_end});
    expect_one("the license of an activation");
    licensing::License& state = locked_[license];
    state.seats_held -= count;
    state.next_lease_end = next_end;
    change_.seats_held -= count;
  }
  return ended;
}

UnixSeconds SqlTx::next_lease_end_after(Row license, UnixSeconds time) {
  auto rows = statements_.next_lease_end.rows(license, time);
  return rows.next() ? rows.number(0) : licensing::kNever;
}

UnixSeconds SqlTx::next_lease_end(Row license) {
  return next_lease_end_after(license, std::numeric_limits<UnixSeconds>::min());
}

std::vector<std::optional<licensing::Activation>> SqlTx::activations(std::span<const SeatQuery> queries) {
  std::vector<std::optional<licensing::Activation>> activations;
  activations.reserve(queries.size());
  for (const SeatQuery& query : queries) {
    auto rows = statements_.activation.rows(query.license, query.client_id);
    activations.push_back(rows.next() ? std::optional(read_activation(rows)) : std::nullopt);
  }
  return activations;
}

std::vector<UsageState> SqlTx::usage(std::span<const UsageQuery> queries) {
  std::vector<UsageState> states(queries.size());
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const UsageQuery& query = queries[i];
    auto total = statements_.usage_total.rows(query.license, query.metric, query.period_start);
    if (total.next()) states[i].total = total.number(0);
    if (query.idempotency_key.empty()) continue;
    auto key = statements_.usage_key.rows(query.license, query.idempotency_key);
    if (key.next()) states[i].earlier = {key.bytes16(0), key.bytes16(1), std::string(key.text(2)), key.number(3)};
  }
  return states;
}

void SqlTx::apply(const Changes& changes) {
  for (const LicenseUpdate& update : changes.licenses) update_license(update);
  for (const ActivationUpdate& update : changes.activations) store_activation(update);
  if (!changes.usage.empty()) store_usage(changes.usage);
  if (!changes.events.empty()) append_events(changes.events);
}

// An update that hits nothing would lose what was promised.
void SqlTx::expect_one(std::string_view missing) const {
  if (connection_.changed_rows() != 1) connection_.fail_corrupt(std::string(missing) + " is missing");
}

void SqlTx::update_license(const LicenseUpdate& update) {
  const licensing::License* const before = locked(update.row);
  const licensing::License& state = update.state;
  update_statement(before == nullptr ? kAllIndexed : changed_indexed(*before, state))
      .run(update.row, static_cast<std::int64_t>(state.status), EndTime{state.expires_at},
           EndTime{state.next_lease_end}, state.issued_at, state.starts_at, state.first_activated_at,
           state.last_check_in_at, state.seats_held, state.vacant_seats, state.transfers, state.transfers_in_period,
           state.transfer_period_start);
  expect_one("a license");
  note_changed(update);
}

void SqlTx::note_changed(const LicenseUpdate& update) {
  const auto locked = locked_.find(update.row);
  if (locked == locked_.end()) connection_.fail_corrupt("a license is missing, or was changed before it was locked");
  licensing::License& before = locked->second;
  constexpr auto kActive = licensing::LicenseStatus::active;
  change_.active_licenses +=
      static_cast<int>(update.state.status == kActive) - static_cast<int>(before.status == kActive);
  change_.seats_held += std::int64_t{update.state.seats_held} - before.seats_held;
  before = update.state;
}

void SqlTx::note_inserted(const licensing::License& state) {
  ++change_.licenses;
  change_.active_licenses += state.status == licensing::LicenseStatus::active ? 1 : 0;
  change_.seats_held += state.seats_held;
}

Statement& SqlTx::update_statement(std::size_t indexed) {
  std::optional<Statement>& statement = update_license_[indexed];
  if (!statement) statement.emplace(connection_, sql::kUpdateLicense[indexed]);
  return *statement;
}

void SqlTx::store_activation(const ActivationUpdate& update) {
  const licensing::Activation& state = update.state;
  FingerprintBuffer buffer;
  statements_.upsert_activation.run(update.license, update.client_id, state.client, state.held, state.blocked,
                                    state.over_limit, state.activated_at, EndTime{state.lease_expires_at},
                                    state.released_at, state.vacated, state.vacated_at_transfer,
                                    encode_fingerprint(state.fingerprint, buffer), state.version, update.last_seen_at);
}

void SqlTx::store_usage(std::span<const UsageUpdate> updates) {
  UnixSeconds newest = 0;
  for (const UsageUpdate& update : updates) {
    statements_.upsert_usage.run(update.license, update.metric, update.period_start, update.total);
    newest = std::max(newest, update.key.created_at);
    if (update.idempotency_key.empty()) continue;
    statements_.replace_usage_key.run(update.license, update.idempotency_key, update.key.request, update.key.signature,
                                      update.key.answer, update.key.created_at);
  }
  statistics_.count_usage(updates);
  forget_usage_keys(newest - kUsageKeySeconds, kForgottenKeysPerUsage * updates.size());
}

void SqlTx::forget_usage_keys(UnixSeconds before, std::size_t most) {
  std::vector<std::pair<Row, std::string>> old;
  {
    auto rows = statements_.old_usage_keys.rows(before, most);
    while (rows.next()) old.emplace_back(rows.number(0), rows.text(1));
  }
  for (const auto& [license, key] : old) statements_.delete_usage_key.run(license, key);
}

ChainLink SqlTx::read_head() {
  auto rows = statements_.audit_head.rows();
  ChainLink head;
  if (!rows.next() || rows.blob(1).size() != head.hash.size()) connection_.fail_corrupt("the audit head is missing");
  head.sequence = rows.number(0);
  std::memcpy(head.hash.data(), rows.blob(1).data(), head.hash.size());
  return head;
}

void SqlTx::append_events(std::span<const Event> events) {
  ChainLink head = read_head();
  for (const Event& event : events) {
    head.hash = next_hash(head.hash, ++head.sequence, event, event_text_);
    statements_.insert_event.run(head.sequence, event.at, event.actor, event.action, event.subject, event.client,
                                 event.code, event.request_id, event.detail, std::span<const std::uint8_t>(head.hash));
  }
  statements_.update_audit_head.run(head.sequence, std::span<const std::uint8_t>(head.hash));
  expect_one("the audit head");
}

}  // namespace lictor::store
