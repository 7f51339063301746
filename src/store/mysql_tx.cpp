#include "store/mysql_tx.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "store/fingerprint_codec.h"
#include "store/license_index.h"
#include "store/mysql_queries.h"
#include "store/mysql_text.h"
#include "store/records.h"

namespace lictor::store {
namespace {

constexpr std::size_t kMostRead = 512;  // bytes of a client's id, see sql::kLockWithSeats

}  // namespace

// A new activation is inserted, one that is there updated: by one statement for both, a second client with the id of
// the first would change the first one's row instead of being refused, because MySQL updates whatever row is in the
// way.
MysqlTx::MysqlTx(MysqlConnection& connection)
    : ServerTx(connection, sql::kGetLead),
      connection_(connection),
      rows_of_ids_(connection, sql::kRowsOfIds),
      rows_of_keys_(connection, sql::kRowsOfKeys),
      lock_licenses_(connection, sql::kLockLicensesByRow),
      lock_with_seats_(connection, sql::kLockWithSeats),
      lock_details_(connection, sql::kLockDetailsByRow),
      activations_(connection, sql::kActivationsOfClients),
      write_licenses_(connection, sql::kWriteLicenses),
      count_seats_(connection, sql::kCountSeats),
      insert_activations_(connection, plain_insert(sql::kUpsertActivation)),
      update_activations_(connection, sql::kUpsertActivation),
      insert_licenses_(connection, sql::kInsertLicense),
      insert_events_(connection, sql::kInsertEvent) {}

// Adds those of the refs that are not known yet.
void MysqlTx::look_up_rows(std::span<const LicenseRef> refs) {
  if (known_rows_.size() > kMostKnown) known_rows_.clear();
  std::vector<Value> ids, digests;
  for (const LicenseRef& ref : refs) {
    if (!known_rows_.contains(ref.value)) (ref.by == LicenseRef::By::id ? ids : digests).emplace_back(ref.value);
  }
  const auto keep = [this](const Statement::Rows& found) { known_rows_[found.bytes16(1)] = found.number(0); };
  rows_of_ids_.read(ids, 1, keep);
  rows_of_keys_.read(digests, 1, keep);
}

std::vector<std::pair<Row, std::string_view>> MysqlTx::rows_of(std::span<const LicenseRef> refs) {
  look_up_rows(refs);
  std::vector<std::pair<Row, std::string_view>> rows;
  for (const LicenseRef& ref : refs) {
    if (const auto known = known_rows_.find(ref.value); known != known_rows_.end())
      rows.emplace_back(known->second, ref.client);
  }
  std::ranges::sort(rows);
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  return rows;
}

template <class Record, class Read>
std::vector<std::optional<Record>> MysqlTx::lock_rows(SetReader& query, std::span<const LicenseRef> refs,
                                                      bool with_clients, int version_column, const Read& read) {
  std::vector<Value> values;
  for (const auto& [row, client] : rows_of(refs)) {
    values.emplace_back(row);
    if (with_clients) values.emplace_back(client);
  }
  const auto start = std::chrono::steady_clock::now();
  LicenseIndex<Record> index;
  query.read(values, with_clients ? 2 : 1, [&](const Statement::Rows& found) {
    note_locked(index.add(read(found)));
    note_catalog_version(found.number(version_column));
  });
  auto locked = index.of(refs);
  forget_changed<Record>(refs, locked);
  look_again_after(start);
  return locked;
}

std::vector<std::optional<LicenseRow>> MysqlTx::lock(std::span<const LicenseRef> refs) {
  const auto can_read_along = [](const LicenseRef& ref) {
    return !ref.client.empty() && ref.client.size() <= kMostRead;
  };
  if (connection_.takes_rows() && std::ranges::all_of(refs, can_read_along)) return lock_with_seats(refs);
  return lock_rows<LicenseRow>(lock_licenses_, refs, false, kLicenseColumns, read_license);
}

std::vector<std::optional<LicenseRow>> MysqlTx::lock_with_seats(std::span<const LicenseRef> refs) {
  constexpr int kVersion = kLicenseColumns + kActivationColumns, kClientId = kVersion + 1;
  return lock_rows<LicenseRow>(lock_with_seats_, refs, true, kVersion, [this](const Statement::Rows& found) {
    LicenseView view = read_view(found);
    read_along_.emplace(ClientKey(view.license.row, found.text(kClientId)), std::move(view.activation));
    return std::move(view.license);
  });
}

std::vector<std::optional<LicenseDetails>> MysqlTx::lock_details(std::span<const LicenseRef> refs) {
  return lock_rows<LicenseDetails>(lock_details_, refs, false, kDetailsColumns, read_details);
}

std::vector<std::optional<licensing::Activation>> MysqlTx::activations(std::span<const SeatQuery> queries) {
  constexpr int kLicense = kActivationColumns, kClientId = kLicense + 1;
  std::vector<std::optional<licensing::Activation>> found(queries.size());
  std::vector<Value> values;
  std::map<ClientKey, std::vector<std::size_t>> asked;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    ClientKey key(queries[i].license, queries[i].client_id);
    if (const auto along = read_along_.find(key); along != read_along_.end()) {
      found[i] = along->second;
      exists_[std::move(key)] = found[i].has_value();
      continue;
    }
    values.emplace_back(queries[i].license);
    values.emplace_back(queries[i].client_id);
    exists_[key] = false;
    asked[std::move(key)].push_back(i);
  }
  activations_.read(values, 2, [&](const Statement::Rows& rows) {
    const ClientKey key(rows.number(kLicense), rows.text(kClientId));
    for (const std::size_t place : asked.at(key)) found[place] = read_activation(rows);
    exists_[key] = true;
  });
  return found;
}

void MysqlTx::look_up_unknown(std::span<const ActivationUpdate> updates) {
  std::vector<SeatQuery> unknown;
  for (const ActivationUpdate& update : updates) {
    if (!exists_.contains({update.license, update.client_id})) unknown.push_back({update.license, update.client_id});
  }
  activations(unknown);
}

void MysqlTx::write_licenses(std::span<const LicenseUpdate> updates) {
  const SortedUpdates sorted = sort_updates(updates);
  for (const LicenseUpdate* update : sorted.counts) {
    const licensing::License& state = update->state;
    count_seats_.add(update->row, state.first_activated_at, state.last_check_in_at, state.seats_held);
  }
  for (const LicenseUpdate* update : sorted.others) {
    const licensing::License& state = update->state;
    write_licenses_.add(update->row, static_cast<std::int64_t>(state.status), EndTime{state.expires_at},
                        EndTime{state.next_lease_end}, state.issued_at, state.starts_at, state.first_activated_at,
                        state.last_check_in_at, state.seats_held, state.vacant_seats, state.transfers,
                        state.transfers_in_period, state.transfer_period_start);
  }
  write_licenses_.write();
  count_seats_.write();
}

void MysqlTx::write_activations(std::span<const ActivationUpdate> updates) {
  look_up_unknown(updates);
  std::vector<FingerprintBuffer> buffers(updates.size());
  for (std::size_t i = 0; i < updates.size(); ++i) {
    const ActivationUpdate& update = updates[i];
    const licensing::Activation& state = update.state;
    bool& exists = exists_[{update.license, update.client_id}];
    (exists ? update_activations_ : insert_activations_)
        .add(update.license, update.client_id, state.client, state.held, state.blocked, state.over_limit,
             state.activated_at, EndTime{state.lease_expires_at}, state.released_at, state.vacated,
             state.vacated_at_transfer, encode_fingerprint(state.fingerprint, buffers[i]), state.version,
             update.last_seen_at);
    exists = true;
  }
  update_activations_.write();
  insert_activations_.write();
}

void MysqlTx::apply(const Changes& changes) {
  read_along_.clear();
  write_licenses(changes.licenses);
  if (!changes.activations.empty()) write_activations(changes.activations);
  if (!changes.usage.empty()) {  // figures of products, which others' transactions change, too: one after the other
    lock_head();
    store_usage(changes.usage);
  }
  if (!changes.events.empty()) append_events(changes.events);
}

void MysqlTx::write_events(std::span<const Event> events, std::int64_t first, std::span<const ChainHash> hashes) {
  for (std::size_t i = 0; i < events.size(); ++i) {
    const Event& event = events[i];
    insert_events_.add(first + static_cast<std::int64_t>(i), event.at, event.actor, event.action, event.subject,
                       event.client, event.code, event.request_id, event.detail,
                       std::span<const std::uint8_t>(hashes[i]));
  }
  insert_events_.write();
}

// What is written at last goes with the COMMIT.
void MysqlTx::write_head(const ChainLink& head) {
  const std::array<Value, 2> values{Value(head.sequence), Value(std::span<const std::uint8_t>(head.hash))};
  connection_.queue(with_literals(sql::kUpdateAuditHead, values));
}

void MysqlTx::add_totals(const Totals& change) {
  const std::array<Value, 3> values{Value(change.licenses), Value(change.active_licenses), Value(change.seats_held)};
  connection_.queue(with_literals(sql::kAddTotals, values));
}

void MysqlTx::write_catalog_version(std::int64_t version) {
  Statement(connection_, sql::kUpdateCatalogHead).run(version);
}

void MysqlTx::insert_licenses(std::span<const NewLicense> licenses) {
  for (const NewLicense& license : licenses) {
    const licensing::License& state = license.state;
    insert_licenses_.add(license.id, license.key_digest, license.policy, static_cast<std::int64_t>(state.status),
                         state.issued_at, state.starts_at, EndTime{state.expires_at}, state.first_activated_at,
                         state.last_check_in_at, state.seats_held, EndTime{state.next_lease_end}, state.vacant_seats,
                         state.transfers, state.transfers_in_period, state.transfer_period_start, license.overrides,
                         license.key, license.holder);
    note_inserted(state);
  }
  insert_licenses_.write();
}

}  // namespace lictor::store
