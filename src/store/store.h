// The store: licenses, activations, usage, API keys and audit events in a database, behind one interface for every
// engine. No SQL outside this directory.
//
// A write is one transaction in which the rows are locked first and looked at afterwards (design.md, section 1): Tx
// makes that order the only one there is. Times come from the caller.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "licensing/license.h"

namespace lictor::store {

using base::Digest;
using base::Id;
using base::UnixSeconds;
using Row = std::int64_t;  // the store's own number of a record; never leaves the server

class StatisticsTx;      // store/statistics.h
class StatisticsReader;  // the same

// A broken world (business outcomes are values, bad input never gets here).
class StoreError : public std::runtime_error {
 public:
  enum class Kind : std::uint8_t {
    unique_violation,
    in_use,  // others refer to what was to be deleted
    retry,
    connection_lost,
    commit_unknown,  // lost with the COMMIT, and the database can't be asked: all of it may have been recorded, or
                     // nothing
    disk_full,
    read_only,
    corrupt,
    newer_schema,
    locked,
    moved,  // lictord migrate: it serves elsewhere, or is not all here
    other
  };
  StoreError(Kind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  Kind kind() const noexcept { return kind_; }

 private:
  Kind kind_;
};

struct Product {
  Row row = 0;
  Id id;
  std::string name;      // unique; [a-z0-9][a-z0-9._-]{0,62}
  std::string settings;  // JSON object: client_auth, require_signature, releases
  UnixSeconds created_at = 0;
};

struct Policy {
  Row row = 0;
  Id id;
  Row product = 0;
  std::string name;   // unique within the product
  std::string terms;  // JSON object (service/policy_document.h)
  UnixSeconds created_at = 0;
};

// One license as the database has it.
struct LicenseRow {
  Row row = 0;
  Id id;
  Digest key_digest;
  Row policy = 0;
  std::string overrides;  // JSON object, empty when there are none
  licensing::License state;
};

// What only administrators and details see; not read on the hot paths.
struct LicenseDetails {
  LicenseRow license;
  std::string key;
  std::string holder;  // free text: the customer; may be empty
};

struct LicenseRef {
  enum class By : std::uint8_t { id, key_digest };
  By by = By::id;
  base::Bytes16 value;
  // For Tx::lock(): whose activation will be asked for next, so that a store may read it along. Empty: nobody's.
  std::string_view client = {};
};

struct SeatQuery {
  Row license = 0;
  std::string_view client_id;
};

// A lease whose end had come, taken out of the license's counter in this transaction.
struct EndedLease {
  Row license = 0;
  Id client;
  std::string client_id;
  UnixSeconds lease_expires_at = 0;
};

struct UsageQuery {
  Row license = 0;
  std::string_view metric;
  UnixSeconds period_start = 0;
  std::string_view idempotency_key;
};
struct UsageKey {      // an earlier use of the same idempotency key
  Digest request;      // of the members that must not differ
  Digest signature;    // of the request's signature; zero when it had none
  std::string answer;  // what was answered then: opaque to the store
  UnixSeconds created_at = 0;
};
struct UsageState {
  std::int64_t total = 0;
  std::optional<UsageKey> earlier;
};

struct LicenseUpdate {
  Row row = 0;
  licensing::License state;
};
struct ActivationUpdate {
  Row license = 0;
  std::string client_id;
  licensing::Activation state;  // inserted when (license, client_id) is new
  UnixSeconds last_seen_at = 0;
};
struct UsageUpdate {
  Row license = 0;
  std::string metric;
  UnixSeconds period_start = 0;
  std::int64_t total = 0;
  std::string idempotency_key;  // remembered with `key`, replacing an expired one
  UsageKey key;
  // Added to the day's counts of the license and of its product.
  Row product = 0;
  std::int64_t day = 0;  // since 1970-01-01, UTC
  std::int64_t quantity = 0;
};

// One audit event. `sequence` and `hash` are given by the store: hash = SHA-256 of the predecessor's hash and the
// canonical text of this event (store/audit_chain.h).
struct Event {
  UnixSeconds at = 0;
  std::string actor;    // "key_…" of the API key, "license" for license-key authentication, "system"
  std::string action;   // e.g. "seat.granted", "license.suspended"
  std::string subject;  // "lic_…", "key_…", "prd_…", "pol_…"
  std::string client;   // client_id; empty when none is concerned
  std::string code;     // wire code of a refusal; empty otherwise
  std::string request_id;
  std::string detail;  // JSON object or empty; never a secret
};
// Told of a license without a change to it.
inline bool is_remark(std::string_view action) noexcept {
  return action == "seat.refused" || action == "license.expiring" || action == "license.expired";
}
// About a product, a policy or an API key: what every process has in memory as a whole.
inline bool concerns_catalog(std::string_view action) noexcept {
  return action.starts_with("product.") || action.starts_with("policy.") || action.starts_with("api_key.");
}
struct StoredEvent {
  std::int64_t sequence = 0;
  Event event;
  std::string hash;  // 64 hex digits
};

struct ApiKey {
  Id id;
  std::string name;
  std::string secret_hash;  // 32 bytes, SHA-256 of the whole key
  std::string scopes;       // separated by single spaces
  Row product = 0;          // 0: any product
  bool require_signature = false;
  UnixSeconds created_at = 0;
  UnixSeconds expires_at = licensing::kNever;
  UnixSeconds revoked_at = 0;  // 0: in force
  std::string addresses;       // from where it may be used: networks separated by single spaces; empty: from anywhere
};

// What an administrative call with an Idempotency-Key was answered.
struct IdempotencyRecord {
  Id caller;         // the API key
  std::string key;   // as sent
  Digest request;    // of method, path and body
  int status = 0;    // HTTP
  std::string data;  // JSON object
  std::string message;
  std::string etag;  // empty: none
  UnixSeconds created_at = 0;
};

struct Changes {
  std::vector<LicenseUpdate> licenses;        // at most one for each row
  std::vector<ActivationUpdate> activations;  // at most one for each (license, client_id)
  std::vector<UsageUpdate> usage;             // in order; a later total of the same counter wins
  std::vector<Event> events;                  // in order
};

struct NewLicense {
  Id id;
  Digest key_digest;
  std::string key;
  Row policy = 0;
  std::string overrides;
  std::string holder;
  licensing::License state;
};

// An administrator's change: all that may change of a license.
struct LicenseChange {
  Row row = 0;
  Row policy = 0;
  std::string overrides;
  Digest key_digest;
  std::string key;
  std::string holder;
  licensing::License state;
};

struct LicenseView {
  LicenseRow license;  // seats_held and next_lease_end corrected for `now`
  std::optional<licensing::Activation> activation;
};
struct ClientView {
  Row license = 0;
  Id license_id;
  std::string client_id;
  licensing::Activation activation;
  UnixSeconds last_seen_at = 0;
};

// Inside one transaction. Positions of results match those of the queries.
class Tx {
 public:
  virtual ~Tx() = default;
  // First of all: locks the licenses in a fixed order, whatever the order of `refs` (the same one may be named twice).
  virtual std::vector<std::optional<LicenseRow>> lock(std::span<const LicenseRef> refs) = 0;
  // Takes ended leases of these licenses out: seats become free and seats_held / next_lease_end are corrected in the
  // rows of the database (the latter also where nothing had ended, so that it is no lower bound any more but true);
  // lock()'s result must be corrected by the caller from what this returns.
  virtual std::vector<EndedLease> reclaim(std::span<const Row> licenses, UnixSeconds now) = 0;
  // The earliest end of a lease that is still held, kNever when there is none.
  virtual UnixSeconds next_lease_end(Row license) = 0;
  virtual std::vector<std::optional<licensing::Activation>> activations(std::span<const SeatQuery> queries) = 0;
  virtual std::vector<UsageState> usage(std::span<const UsageQuery> queries) = 0;
  virtual void apply(const Changes& changes) = 0;

  // Administration.
  virtual Row insert_product(const Product& product) = 0;
  virtual void update_product_settings(Row product, std::string_view settings) = 0;
  virtual Row insert_policy(const Policy& policy) = 0;
  virtual void insert_licenses(std::span<const NewLicense> licenses) = 0;  // unique_violation: a key is in use
  virtual void insert_api_key(const ApiKey& key) = 0;
  virtual bool revoke_api_key(const Id& id, UnixSeconds now) = 0;  // false: there is none, or it was revoked before
  // Name, expiry, addresses and require_signature of an existing key.
  virtual void update_api_key(const ApiKey& key) = 0;
  virtual std::optional<ApiKey> api_key(const Id& id) = 0;
  virtual void update_policy_terms(Row policy, std::string_view terms) = 0;
  virtual void delete_policy(Row policy) = 0;    // throws in_use
  virtual void delete_product(Row product) = 0;  // with its revoked API keys; throws in_use
  // Locks like lock(), and reads everything.
  virtual std::vector<std::optional<LicenseDetails>> lock_details(std::span<const LicenseRef> refs) = 0;
  virtual void change_license(const LicenseChange& change) = 0;  // locked before; unique_violation: the key is in use
  // The license and client_id that a client's id stands for: they never change, so nothing is locked.
  virtual std::optional<ClientView> client(const Id& client) = 0;
  virtual std::vector<ClientView> held_clients(Row license) = 0;
  virtual void delete_activation(Row license, std::string_view client_id) = 0;
  // Idempotency keys of administrative calls, kept for a day. remember() replaces one that is older.
  virtual std::optional<IdempotencyRecord> idempotency(const Id& caller, std::string_view key) = 0;
  virtual void remember(const IdempotencyRecord& record) = 0;

  virtual StatisticsTx& statistics() = 0;

  // What replicas on one database need; on a database that one process has to itself each answers as if alone.
  //
  // Before all else in a transaction that reads or changes products, policies or API keys: other processes' ones wait
  // until this one ends. Returns the catalogue's version.
  virtual std::int64_t lock_catalog() = 0;
  // Of the catalogue as lock(), lock_catalog() or a change in this transaction had it: the sequence of the newest event
  // about a product, a policy or an API key. Nothing: none of them was called, or no license was found.
  virtual std::optional<std::int64_t> catalog_version() const = 0;
  // Whether this process is the one that does background work: the first that asks is, until its connection ends. The
  // number tells one time from another; 0: another process is.
  virtual std::uint64_t lead() = 0;
};

// What one event tells those who keep something in memory.
struct ChangeNote {
  std::int64_t sequence = 0;
  std::uint64_t hash_head = 0;  // the first 8 bytes of the event's hash
  std::string action, subject, client;
  std::optional<std::uint32_t> seats_held;  // of events about seats
};
// Of an event: another process; this one; another process under the sequence of an event that this one had written,
// which is gone.
enum class EventAuthor : std::uint8_t { other, own, other_instead };
// A place in the history of changes.
struct ChangePlace {
  std::int64_t sequence = 0;
  std::string hash;  // 32 bytes, of the event of that sequence; empty: not known, of sequence 0
};
inline std::uint64_t hash_head(std::string_view hash) noexcept {  // of the bytes of a hash; 0: there are none
  std::uint64_t head = 0;
  if (hash.size() >= sizeof head) std::memcpy(&head, hash.data(), sizeof head);
  return head;
}
struct ChangePage {
  std::vector<ChangeNote> notes;
  ChangePlace last;         // where to go on
  bool is_another = false;  // the place is not in this database's history: it was set back, or is another one
  bool more = false;
};

// Times are half open: at or after `…_after`, before `…_before`.
struct LicenseFilter {
  Row product = 0;  // 0: any
  Row policy = 0;
  std::optional<licensing::LicenseStatus> status;
  std::string holder;         // exact; empty: any
  std::string holder_prefix;  // empty: any
  std::optional<UnixSeconds> issued_after, issued_before, expires_after, expires_before;
  // What columns can't tell; called for licenses that fit otherwise. Empty: all.
  std::function<bool(const LicenseRow&)> keep;
};
enum class LicenseOrder : std::uint8_t {
  newest,        // last issued or imported first; by holder with holder_prefix, by time of issue with issued_…
  oldest,        // the other way round
  expires,       // soonest first; those that never expire are left out
  expires_last,  // the other way round
};
// A place in a list: after the record with these. Which members count depends on the list.
struct Position {
  std::int64_t number = 0;
  std::string text = {};
  Row row = 0;
  bool operator==(const Position&) const = default;
};
struct LicensePage {
  std::vector<LicenseDetails> licenses;
  std::optional<Position> next;  // nothing: the list ends here
};
struct HeldSeats {
  std::vector<ClientView> clients;  // at most as many as were asked for
  bool more = false;
};

struct EventFilter {
  std::int64_t after = 0;                   // sequence
  std::int64_t before = licensing::kNever;  // sequence
  bool newest_first = false;
  std::string subject, actor, code, request_id;     // exact; empty: any
  std::string action;                               // prefix; empty: any
  UnixSeconds from = 0, until = licensing::kNever;  // from <= at < until
};
struct EventPage {
  std::vector<StoredEvent> events;
  std::optional<std::int64_t> next;  // the sequence after (before, when newest first) which to go on; nothing: the end
};
struct Totals {
  std::int64_t licenses = 0, active_licenses = 0, seats_held = 0, events = 0;
};

// Reads; each call sees one consistent state that includes every commit that ended before the call began.
// One Reader belongs to one thread.
class Reader {
 public:
  virtual ~Reader() = default;
  virtual std::optional<LicenseView> license(const LicenseRef& ref, std::optional<std::string_view> client_id,
                                             UnixSeconds now) = 0;
  virtual std::optional<ClientView> client(const Id& client) = 0;
  virtual std::optional<ClientView> client(const Id& license, std::string_view client_id) = 0;
  virtual std::optional<LicenseDetails> license_details(const LicenseRef& ref, UnixSeconds now) = 0;
  // A call looks at a bounded number of records, so that its time is bounded whatever the filter: a page may hold fewer
  // than `limit`, even none, while `next` tells where to go on.
  virtual LicensePage licenses(const LicenseFilter& filter, LicenseOrder order, const std::optional<Position>& after,
                               std::size_t limit, UnixSeconds now) = 0;
  virtual HeldSeats held_seats(Row license, std::size_t limit, UnixSeconds now) = 0;
  virtual std::vector<ClientView> clients(Row license, std::string_view after_client_id, std::size_t limit) = 0;
  virtual std::vector<Product> products() = 0;
  virtual std::vector<Policy> policies() = 0;
  virtual std::optional<ApiKey> api_key(const Id& id) = 0;
  virtual std::vector<ApiKey> api_keys() = 0;
  virtual EventPage events(const EventFilter& filter, std::size_t limit) = 0;  // bounded as licenses() is
  // Sequence and hash of the newest event as the database's head record has them.
  virtual StoredEvent audit_head() = 0;
  virtual Totals totals() = 0;  // exact and cheap: kept in step by every transaction
  // What happened after `place`, at most `limit` events of it. In the order of sequences, which is that of commits:
  // what is read once leaves nothing before it that comes later.
  virtual ChangePage changes(const ChangePlace& place, std::size_t limit) = 0;
  virtual std::int64_t catalog_version() = 0;  // see Tx::lock_catalog()
  virtual void ping() = 0;                     // throws StoreError when the database can't be reached
  // By a database server's own clock, milliseconds since 1970; nothing where there is no such server.
  virtual std::optional<std::int64_t> server_milliseconds() { return std::nullopt; }
  virtual StatisticsReader& statistics() = 0;
  // All that `reads` reads with this reader is of one moment, and many small reads cost less.
  virtual void at_one_moment(const std::function<void()>& reads) = 0;
};

// Of connections to a database server.
struct ConnectionCounts {
  std::int64_t open = 0;    // now
  std::int64_t opened = 0;  // ever
  std::int64_t lost = 0;    // while they were in use
};

// Thread-safe except where a returned object says otherwise.
class Store {
 public:
  virtual ~Store() = default;
  // Runs `work` in one transaction and commits it durably before it returns; rolls back when work throws. One caller at
  // a time (the write path's thread).
  virtual void write(const std::function<void(Tx&)>& work) = 0;
  virtual std::unique_ptr<Reader> open_reader() = 0;
  // One that gives up after this time, where the engine can.
  virtual std::unique_ptr<Reader> open_feed_reader(std::chrono::milliseconds /*timeout*/) { return open_reader(); }
  // A secret of this database, made with it: keys the digests of license keys and fingerprints.
  virtual std::array<std::uint8_t, 16> digest_key() const = 0;
  virtual std::string describe() const = 0;  // for people: "sqlite:/path/lictor.db"
  // Settings of the server that let it lose what was committed when its machine fails, for people; empty: there are
  // none.
  virtual std::string durability_gap() const { return {}; }
  // Whether other processes may change what is in it.
  virtual bool is_shared() const noexcept { return false; }
  // Who wrote that event. It remembers its own ones until they were read, and errs towards another. Thread-safe, as the
  // three that follow.
  virtual EventAuthor author_of(const ChangeNote& /*note*/) const { return EventAuthor::own; }
  // Of its own events the newest; 0: none. A history that ends before it was set back.
  virtual std::int64_t newest_written() const { return 0; }
  // Where the history is, when all behind `sequence` was written by this process; nothing: it is not known to be so.
  virtual std::optional<ChangePlace> end_of_own(std::int64_t /*sequence*/) const { return std::nullopt; }
  // Whether it wrote an event under a sequence that it had written one under before.
  virtual bool was_set_back() const { return false; }
  // All events until that one were read: it will not be asked for them.
  virtual void has_read(std::int64_t /*sequence*/) {}
  // The newest event of the last write(); sequence 0: that wrote none. Between two calls of write().
  virtual ChangePlace last_written() const { return {}; }
  // The history was set back: what it remembers is of another one. Between two calls of write().
  virtual void forget_written() {}
  virtual ConnectionCounts connections() const { return {}; }
};

struct SqliteOptions {
  std::string path;                               // a file; its directory must exist
  int checkpoint_pages = 10'000;                  // pages in the write-ahead log after which it is copied back
  std::function<void(double seconds)> on_commit;  // duration of each COMMIT, which holds the fsync; may be empty
};
struct PostgresOptions {
  std::string url;                                // a connection URI of libpq
  std::chrono::milliseconds timeout{5'000};       // of connecting and of each answer
  std::chrono::milliseconds recycle{3'600'000};   // age at which a connection is opened anew; 0: never
  std::function<void(double seconds)> on_commit;  // as above
};
struct MysqlOptions {
  std::string url;                                // mysql://user:password@host:port/database, see mysql_address.h
  std::chrono::milliseconds timeout{5'000};       // of connecting and of each answer
  std::chrono::milliseconds recycle{3'600'000};   // age at which a connection is opened anew; 0: never
  std::function<void(double seconds)> on_commit;  // as above
  bool takes_rows = true;                         // false: never many rows in one statement's values, as MySQL
};
// Both migrate an empty or older database. Any number of processes may have it open. They throw StoreError that names
// the reason.
std::unique_ptr<Store> open_postgres(const PostgresOptions& options);
std::unique_ptr<Store> open_mysql(const MysqlOptions& options);

// Opens or creates, migrates, and locks the file against a second server. Throws StoreError that names the reason.
std::unique_ptr<Store> open_sqlite(const SqliteOptions& options);

}  // namespace lictor::store
