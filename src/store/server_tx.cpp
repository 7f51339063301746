#include "store/server_tx.h"

#include <algorithm>
#include <cstring>

#include "store/queries.h"

namespace lictor::store {
namespace {

std::int64_t only_number(Connection& connection, std::string_view query, std::string_view what) {
  Statement statement(connection, query);
  auto rows = statement.rows();
  if (!rows.next()) connection.fail_corrupt(std::string(what) + " is missing");
  return rows.number(0);
}

// Whether it is a change of the columns of a `counts` statement alone.
bool only_counts(licensing::License before, const licensing::License& after) noexcept {
  before.first_activated_at = after.first_activated_at;
  before.last_check_in_at = after.last_check_in_at;
  before.seats_held = after.seats_held;
  return before == after;
}

}  // namespace

void ServerTx::begin_on_server() {
  begin();
  head_.reset();
  first_event_ = 0;
  last_event_ = {};
  event_heads_.clear();
  catalog_version_.reset();
  read_along_.clear();
  exists_.clear();
}

std::vector<EndedLease> ServerTx::reclaim(std::span<const Row> licenses, UnixSeconds now) {
  read_along_.clear();
  return SqlTx::reclaim(licenses, now);
}

void ServerTx::delete_activation(Row license, std::string_view client_id) {
  read_along_.clear();
  SqlTx::delete_activation(license, client_id);
  exists_[{license, std::string(client_id)}] = false;
}

ServerTx::SortedUpdates ServerTx::sort_updates(std::span<const LicenseUpdate> updates) {
  SortedUpdates sorted;
  for (const LicenseUpdate& update : updates) {
    const licensing::License* const before = locked(update.row);
    (before != nullptr && only_counts(*before, update.state) ? sorted.counts : sorted.others).push_back(&update);
    note_changed(update);
  }
  return sorted;
}

ChainLink ServerTx::lock_head() {
  if (head_) return *head_;
  Statement statement(connection(), sql::kLockHead);
  auto rows = statement.rows();
  ChainLink head;
  if (!rows.next() || rows.blob(1).size() != head.hash.size()) connection().fail_corrupt("the audit head is missing");
  head.sequence = rows.number(0);
  std::memcpy(head.hash.data(), rows.blob(1).data(), head.hash.size());
  require_version(rows.number(2));
  head_ = head;
  return head;
}

void ServerTx::require_version(std::int64_t now) {
  if (catalog_version_ && *catalog_version_ != now) {
    throw StoreError(StoreError::Kind::retry, "database " + connection().name() +
                                                  ": products, policies or API keys were "
                                                  "changed while licenses were locked");
  }
}

void ServerTx::look_again_after(std::chrono::steady_clock::time_point start) {
  constexpr std::chrono::milliseconds kLong{50};
  if (catalog_version_ && std::chrono::steady_clock::now() - start > kLong)
    require_version(connection().number(sql::kCatalogVersion));
}

void ServerTx::append_events(std::span<const Event> events) {
  ChainLink head = lock_head();
  const std::int64_t first = head.sequence + 1;
  std::int64_t about_catalog = 0;
  hashes_.clear();
  for (const Event& event : events) {
    head.hash = next_hash(head.hash, ++head.sequence, event, buffer_);
    hashes_.push_back(head.hash);
    event_heads_.push_back(hash_head({reinterpret_cast<const char*>(head.hash.data()), head.hash.size()}));
    if (concerns_catalog(event.action)) about_catalog = head.sequence;
  }
  write_events(events, first, hashes_);
  write_head(head);
  head_ = last_event_ = head;
  if (first_event_ == 0) first_event_ = first;
  if (about_catalog == 0) return;
  write_catalog_version(about_catalog);
  catalog_version_ = about_catalog;
}

std::int64_t ServerTx::lock_catalog() {
  catalog_version_ = only_number(connection(), sql::kLockCatalog, "the catalogue's head");
  return *catalog_version_;
}

std::uint64_t ServerTx::lead() {
  if (leads_in_ == connection().generation()) return leads_in_;
  leads_in_ = connection().number(lead_query_) == 1 ? connection().generation() : 0;
  return leads_in_;
}

CommitFate find_commit(Connection& connection, const ChainLink& last_event) {
  if (last_event.sequence == 0) return CommitFate::unknown;
  try {
    Transaction transaction(connection);
    Statement(connection, sql::kLockHead).rows().next();
    Statement statement(connection, sql::kEventHash);
    {
      auto rows = statement.rows(last_event.sequence);
      if (!rows.next() || !std::ranges::equal(rows.blob(0), last_event.hash)) return CommitFate::undone;
    }
    // A session that ended while its COMMIT waited for a standby has left the event on this server only. This COMMIT,
    // of the lock, comes behind it: it waits until the standby has both.
    transaction.commit();
    return CommitFate::done;
  } catch (const StoreError&) {
    return CommitFate::unknown;
  }
}

void ServerReader::ping() {
  connection().require_primary();
  SqlReader::ping();
}

std::int64_t ServerReader::catalog_version() {
  connection().require_primary();
  return only_number(connection(), sql::kCatalogVersion, "the catalogue's head");
}

}  // namespace lictor::store
