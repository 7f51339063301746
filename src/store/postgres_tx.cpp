#include "store/postgres_tx.h"

#include <array>
#include <cstring>
#include <utility>

#include "store/fingerprint_codec.h"
#include "store/license_index.h"
#include "store/postgres_queries.h"
#include "store/records.h"

namespace lictor::store {
namespace {

using Of = PostgresArray::Of;

std::vector<PostgresArray> columns(std::initializer_list<Of> types) {
  std::vector<PostgresArray> arrays;
  for (const Of type : types) arrays.emplace_back(type);
  return arrays;
}

template <class... Values>
void add_row(std::vector<PostgresArray>& arrays, const Values&... values) {
  std::size_t column = 0;
  (arrays[column++].add(values), ...);
}

// What refs name, as the queries that lock take it.
struct RefArrays {
  void add(const LicenseRef& ref) { (ref.by == LicenseRef::By::id ? ids : digests).add(ref.value); }
  bool has_only_rows() const noexcept { return ids.empty() && digests.empty(); }
  std::array<Value, 3> values() { return {rows.value(), ids.value(), digests.value()}; }

  PostgresArray rows{Of::numbers}, ids{Of::blobs}, digests{Of::blobs};
};

// Which of the questions of sql::kActivationsOf a row answers.
std::size_t number_of(const Statement::Rows& rows) {
  return static_cast<std::size_t>(rows.number(kActivationColumns) - 1);
}

std::vector<Value> values_of(std::vector<PostgresArray>& arrays) {
  std::vector<Value> values;
  for (PostgresArray& array : arrays) values.push_back(array.value());
  return values;
}

}  // namespace

PostgresTx::PostgresTx(PostgresConnection& connection) : ServerTx(connection, sql::kTryLead), connection_(connection) {}

void PostgresTx::SeatQuestion::add(Row license, std::string_view client_id) {
  keys.emplace_back(license, client_id);
  licenses.add(license);
  clients.add(client_id);
}

PostgresTx::SeatQuestion PostgresTx::seats_of_known(std::span<const LicenseRef> refs) const {
  SeatQuestion question;
  for (const LicenseRef& ref : refs) {
    const auto known = known_rows_.find(ref.value);
    if (!ref.client.empty() && known != known_rows_.end()) question.add(known->second, ref.client);
  }
  return question;
}

void PostgresTx::remember_rows(std::span<const LicenseRef> refs, std::span<const std::optional<LicenseRow>> locked) {
  if (known_rows_.size() > kMostKnown) known_rows_.clear();
  for (std::size_t i = 0; i < refs.size(); ++i) {
    if (locked[i]) known_rows_[refs[i].value] = locked[i]->row;
  }
}

template <class Record>
std::vector<std::optional<Record>> PostgresTx::read_locked(Statement::Rows&& rows, std::span<const LicenseRef> refs,
                                                           Record (*read)(const Statement::Rows&), int version_column) {
  LicenseIndex<Record> locked;
  while (rows.next()) {
    note_locked(locked.add(read(rows)));
    note_catalog_version(rows.number(version_column));
  }
  return locked.of(refs);
}

// The question for activations goes along with the one that locks: it is answered after all are locked, by what is
// committed then. Only what belongs to a license that is locked is kept: a key may have become another license's.
std::vector<std::optional<LicenseRow>> PostgresTx::lock(std::span<const LicenseRef> refs) {
  const auto start = std::chrono::steady_clock::now();
  RefArrays named;
  for (const LicenseRef& ref : refs) {
    const auto known = known_rows_.find(ref.value);
    known == known_rows_.end() ? named.add(ref) : named.rows.add(known->second);
  }
  const bool all_known = named.has_only_rows();
  const sql::Text query = all_known ? sql::kLockRows : sql::kLockLicenses;
  SeatQuestion question = seats_of_known(refs);
  const auto names = named.values();
  connection_.queue(query, std::span(names).first(all_known ? 1 : names.size()));
  if (!question.keys.empty()) connection_.queue(sql::kActivationsOf, question.values());
  auto results = connection_.flush();
  PostgresPrepared licenses(connection_, query), seats(connection_, sql::kActivationsOf);
  if (!question.keys.empty()) {
    seats.adopt(std::move(results.back()));
    results.pop_back();
  }
  licenses.adopt(std::move(results.back()));
  auto locked = read_locked(Statement::Rows(connection_, licenses), refs, read_license, kLicenseColumns);
  forget_changed<LicenseRow>(refs, locked);
  remember_rows(refs, locked);
  for (const ClientKey& key : question.keys) {
    if (this->locked(key.first) != nullptr) read_along_.emplace(key, std::nullopt);
  }
  for (Statement::Rows rows(connection_, seats); rows.next();) {
    const auto kept = read_along_.find(question.keys.at(number_of(rows)));
    if (kept != read_along_.end()) kept->second = read_activation(rows);
  }
  look_again_after(start);
  return locked;
}

std::vector<std::optional<LicenseDetails>> PostgresTx::lock_details(std::span<const LicenseRef> refs) {
  RefArrays named;
  for (const LicenseRef& ref : refs) named.add(ref);
  const auto [rows, ids, digests] = named.values();
  Statement statement(connection_, sql::kLockDetails);
  return read_locked(statement.rows(rows, ids, digests), refs, read_details, kDetailsColumns);
}

std::vector<std::optional<licensing::Activation>> PostgresTx::activations(std::span<const SeatQuery> queries) {
  std::vector<std::optional<licensing::Activation>> found(queries.size());
  SeatQuestion question;
  std::vector<std::size_t> places;  // of what is asked
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const auto along = read_along_.find({queries[i].license, std::string(queries[i].client_id)});
    if (along != read_along_.end()) {
      found[i] = along->second;
      exists_[along->first] = found[i].has_value();
      continue;
    }
    question.add(queries[i].license, queries[i].client_id);
    places.push_back(i);
  }
  if (places.empty()) return found;
  Statement statement(connection_, sql::kActivationsOf);
  const auto [licenses, clients] = question.values();
  for (auto rows = statement.rows(licenses, clients); rows.next();) {
    found[places.at(number_of(rows))] = read_activation(rows);
  }
  for (std::size_t i = 0; i < places.size(); ++i) exists_[question.keys[i]] = found[places[i]].has_value();
  return found;
}

void PostgresTx::queue_licenses(std::span<const LicenseUpdate> updates) {
  const SortedUpdates sorted = sort_updates(updates);
  auto counts = columns({Of::numbers, Of::numbers, Of::numbers, Of::numbers});
  for (const LicenseUpdate* update : sorted.counts) {
    const licensing::License& state = update->state;
    add_row(counts, update->row, state.first_activated_at, state.last_check_in_at, std::int64_t{state.seats_held});
  }
  if (!sorted.counts.empty()) connection_.queue(sql::kUpdateSeats, values_of(counts));
  auto arrays = columns({Of::numbers, Of::numbers, Of::numbers, Of::numbers, Of::numbers, Of::numbers, Of::numbers,
                         Of::numbers, Of::numbers, Of::numbers, Of::numbers, Of::numbers, Of::numbers});
  for (const LicenseUpdate* update : sorted.others) {
    const licensing::License& state = update->state;
    add_row(arrays, update->row, static_cast<std::int64_t>(state.status), EndTime{state.expires_at},
            EndTime{state.next_lease_end}, state.issued_at, state.starts_at, state.first_activated_at,
            state.last_check_in_at, std::int64_t{state.seats_held}, std::int64_t{state.vacant_seats},
            std::int64_t{state.transfers}, std::int64_t{state.transfers_in_period}, state.transfer_period_start);
  }
  if (!sorted.others.empty()) connection_.queue(sql::kUpdateLicenses, values_of(arrays));
}

void PostgresTx::queue_activations(std::span<const ActivationUpdate> updates) {
  auto news = columns({Of::numbers, Of::texts, Of::blobs, Of::numbers, Of::numbers, Of::numbers, Of::numbers,
                       Of::numbers, Of::numbers, Of::numbers, Of::numbers, Of::blobs, Of::texts, Of::numbers});
  auto others = news;
  for (const ActivationUpdate& update : updates) {
    const licensing::Activation& state = update.state;
    FingerprintBuffer buffer;
    const auto [asked, is_unasked] = exists_.try_emplace({update.license, update.client_id}, true);
    const bool is_new = !is_unasked && !std::exchange(asked->second, true);
    add_row(is_new ? news : others, update.license, std::string_view(update.client_id), state.client,
            std::int64_t{state.held}, std::int64_t{state.blocked}, std::int64_t{state.over_limit}, state.activated_at,
            EndTime{state.lease_expires_at}, state.released_at, std::int64_t{state.vacated},
            std::int64_t{state.vacated_at_transfer}, encode_fingerprint(state.fingerprint, buffer),
            std::string_view(state.version), update.last_seen_at);
  }
  if (!news.front().empty()) connection_.queue(sql::kInsertActivations, values_of(news));
  if (!others.front().empty()) connection_.queue(sql::kUpsertActivations, values_of(others));
}

void PostgresTx::apply(const Changes& changes) {
  read_along_.clear();
  if (!changes.licenses.empty()) queue_licenses(changes.licenses);
  if (!changes.activations.empty()) queue_activations(changes.activations);
  if (!changes.usage.empty()) {  // figures of products, which others' transactions change, too: one after the other
    lock_head();
    store_usage(changes.usage);
  }
  if (!changes.events.empty()) append_events(changes.events);
}

// The events go with what comes behind them, at last with the COMMIT.
void PostgresTx::write_events(std::span<const Event> events, std::int64_t first, std::span<const ChainHash> hashes) {
  auto arrays = columns({Of::numbers, Of::numbers, Of::texts, Of::texts, Of::texts, Of::texts, Of::texts, Of::texts,
                         Of::texts, Of::blobs});
  for (std::size_t i = 0; i < events.size(); ++i) {
    const Event& event = events[i];
    add_row(arrays, first + static_cast<std::int64_t>(i), event.at, std::string_view(event.actor),
            std::string_view(event.action), std::string_view(event.subject), std::string_view(event.client),
            std::string_view(event.code), std::string_view(event.request_id), std::string_view(event.detail),
            std::span<const std::uint8_t>(hashes[i]));
  }
  connection_.queue(sql::kInsertEvents, values_of(arrays));
}

void PostgresTx::write_head(const ChainLink& head) {
  const std::array<Value, 2> values{Value(head.sequence), Value(std::span<const std::uint8_t>(head.hash))};
  connection_.queue(sql::kUpdateAuditHead, values);
}

void PostgresTx::write_catalog_version(std::int64_t version) {
  const std::array<Value, 1> values{Value(version)};
  connection_.queue(sql::kUpdateCatalogHead, values);
}

void PostgresTx::add_totals(const Totals& change) {
  const std::array<Value, 3> values{Value(change.licenses), Value(change.active_licenses), Value(change.seats_held)};
  connection_.queue(sql::kAddTotals, values);
}

void PostgresTx::insert_licenses(std::span<const NewLicense> licenses) {
  if (licenses.empty()) return;
  auto arrays = columns({Of::blobs, Of::blobs, Of::numbers, Of::numbers, Of::numbers, Of::numbers, Of::numbers,
                         Of::numbers, Of::numbers, Of::numbers, Of::numbers, Of::numbers, Of::numbers, Of::numbers,
                         Of::numbers, Of::texts, Of::texts, Of::texts});
  for (const NewLicense& license : licenses) {
    const licensing::License& state = license.state;
    add_row(arrays, license.id, license.key_digest, license.policy, static_cast<std::int64_t>(state.status),
            state.issued_at, state.starts_at, EndTime{state.expires_at}, state.first_activated_at,
            state.last_check_in_at, std::int64_t{state.seats_held}, EndTime{state.next_lease_end},
            std::int64_t{state.vacant_seats}, std::int64_t{state.transfers}, std::int64_t{state.transfers_in_period},
            state.transfer_period_start, std::string_view(license.overrides), std::string_view(license.key),
            std::string_view(license.holder));
    note_inserted(state);
  }
  connection_.queue(sql::kInsertLicenses, values_of(arrays));
  connection_.flush();
}

}  // namespace lictor::store
