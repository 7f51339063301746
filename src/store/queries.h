// The store's statements, once for all engines: in the SQL that SQLite and PostgreSQL share, with ?1, ?2 … for values
// (SQLite's names; https://www.sqlite.org/lang_expr.html#varparam). What only one engine runs is in a file of its name.
// Columns of records are read by position in records.cpp.
#pragma once

#include <string_view>

namespace lictor::store::sql {

// clang-format off
#define LICTOR_LICENSE_COLUMNS                                                                                      \
  "row, id, key_digest, policy, overrides, status, issued_at, starts_at, expires_at, first_activated_at, "          \
  "last_check_in_at, seats_held, next_lease_end, vacant_seats, transfers, transfers_in_period, "                    \
  "transfer_period_start"
#define LICTOR_DETAILS_COLUMNS LICTOR_LICENSE_COLUMNS ", key, holder"
#define LICTOR_ACTIVATION_COLUMNS                                                                                   \
  "client, held, blocked, over_limit, activated_at, lease_expires_at, released_at, vacated, vacated_at_transfer, "  \
  "fingerprint, version"
#define LICTOR_CLIENT_COLUMNS LICTOR_ACTIVATION_COLUMNS ", a.license, l.id, client_id, last_seen_at"
#define LICTOR_EVENT_COLUMNS "sequence, at, actor, action, subject, client, code, request_id, detail, hash"
#define LICTOR_API_KEY_COLUMNS                                                                                      \
  "id, name, secret_hash, scopes, product, require_signature, created_at, expires_at, revoked_at, addresses"
#define LICTOR_CLIENTS "SELECT " LICTOR_CLIENT_COLUMNS " FROM activations a JOIN licenses l ON l.row = a.license "
// Held leases that have ended, by the partial index activations_ending.
#define LICTOR_ENDED "FROM activations WHERE license = ?1 AND held = 1 AND lease_expires_at <= ?2"

using Text = std::string_view;

// Opening.
inline constexpr Text kSchemaVersion = "SELECT coalesce(max(version), 0) FROM schema_migrations";
inline constexpr Text kInsertMigration = "INSERT INTO schema_migrations (version, name, applied_at) VALUES (?, ?, ?)";
inline constexpr Text kDigestKeyName = "digest_key";
inline constexpr Text kInsertMeta = "INSERT INTO meta (name, value) VALUES (?, ?)";
inline constexpr Text kMeta = "SELECT value FROM meta WHERE name = ?";
inline constexpr Text kAllMeta = "SELECT name, value FROM meta ORDER BY name";
inline constexpr Text kDeleteMeta = "DELETE FROM meta WHERE name = ?";
inline constexpr Text kChangeMeta = "UPDATE meta SET value = ?3 WHERE name = ?1 AND value = ?2";

// Licenses.
inline constexpr Text kLicenseById = "SELECT " LICTOR_LICENSE_COLUMNS " FROM licenses WHERE id = ?";
inline constexpr Text kLicenseByKey = "SELECT " LICTOR_LICENSE_COLUMNS " FROM licenses WHERE key_digest = ?";
// With the activation of client ?2, NULLs when there is none.
#define LICTOR_VIEW                                                                                                 \
  "SELECT " LICTOR_LICENSE_COLUMNS ", " LICTOR_ACTIVATION_COLUMNS                                                   \
  " FROM licenses LEFT JOIN activations ON license = row AND client_id = ?2 WHERE "
inline constexpr Text kViewById = LICTOR_VIEW "id = ?1";
inline constexpr Text kViewByKey = LICTOR_VIEW "key_digest = ?1";
inline constexpr Text kDetailsById = "SELECT " LICTOR_DETAILS_COLUMNS " FROM licenses WHERE id = ?";
inline constexpr Text kDetailsByKey = "SELECT " LICTOR_DETAILS_COLUMNS " FROM licenses WHERE key_digest = ?";
// One statement for each set of indexed columns that changed: 1 status, 2 expires_at, 4 next_lease_end.
#define LICTOR_UPDATE_LICENSE(indexed)                                                                              \
  "UPDATE licenses SET " indexed "issued_at = ?5, starts_at = ?6, first_activated_at = ?7, last_check_in_at = ?8, " \
  "seats_held = ?9, vacant_seats = ?10, transfers = ?11, transfers_in_period = ?12, transfer_period_start = ?13 "   \
  "WHERE row = ?1"
inline constexpr Text kUpdateLicense[] = {
    LICTOR_UPDATE_LICENSE(""),
    LICTOR_UPDATE_LICENSE("status = ?2, "),
    LICTOR_UPDATE_LICENSE("expires_at = ?3, "),
    LICTOR_UPDATE_LICENSE("status = ?2, expires_at = ?3, "),
    LICTOR_UPDATE_LICENSE("next_lease_end = ?4, "),
    LICTOR_UPDATE_LICENSE("status = ?2, next_lease_end = ?4, "),
    LICTOR_UPDATE_LICENSE("expires_at = ?3, next_lease_end = ?4, "),
    LICTOR_UPDATE_LICENSE("status = ?2, expires_at = ?3, next_lease_end = ?4, "),
};
inline constexpr Text kInsertLicense =
    "INSERT INTO licenses (id, key_digest, policy, status, issued_at, starts_at, expires_at, first_activated_at, "
    "last_check_in_at, seats_held, next_lease_end, vacant_seats, transfers, transfers_in_period, "
    "transfer_period_start, overrides, key, holder) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

// Licenses in an order that an index gives, one statement for each index and direction: ?1 row to begin after, ?2 and ?3
// times (from, before), ?4 and ?5 texts (from, before), ?6 the value that all share, ?7 how many are looked at at most.
// What the index does not decide is tested by LicenseScan.
#define LICTOR_SCAN "SELECT " LICTOR_DETAILS_COLUMNS " FROM licenses WHERE "
#define LICTOR_MOST " LIMIT ?7"
#define LICTOR_DOWN " AND row < ?1 ORDER BY row DESC" LICTOR_MOST
#define LICTOR_UP " AND row > ?1 ORDER BY row" LICTOR_MOST
struct ScanQueries {  // in both directions
  Text up, down;
};
inline constexpr ScanQueries kLicensesByRow{LICTOR_SCAN "row > ?1 ORDER BY row" LICTOR_MOST,
                                            LICTOR_SCAN "row < ?1 ORDER BY row DESC" LICTOR_MOST};
inline constexpr ScanQueries kLicensesOfHolder{LICTOR_SCAN "holder = ?4 AND holder <> ''" LICTOR_UP,
                                               LICTOR_SCAN "holder = ?4 AND holder <> ''" LICTOR_DOWN};
inline constexpr ScanQueries kLicensesOfStatus{LICTOR_SCAN "status = ?6 AND status <> 1" LICTOR_UP,
                                               LICTOR_SCAN "status = ?6 AND status <> 1" LICTOR_DOWN};
inline constexpr ScanQueries kLicensesOfPolicy{LICTOR_SCAN "policy = ?6" LICTOR_UP, LICTOR_SCAN "policy = ?6" LICTOR_DOWN};
inline constexpr ScanQueries kLicensesIssuedAt{LICTOR_SCAN "issued_at = ?6" LICTOR_UP,
                                               LICTOR_SCAN "issued_at = ?6" LICTOR_DOWN};
inline constexpr ScanQueries kLicensesByIssue{
    LICTOR_SCAN "issued_at >= ?2 AND issued_at < ?3 ORDER BY issued_at, row" LICTOR_MOST,
    LICTOR_SCAN "issued_at >= ?2 AND issued_at < ?3 ORDER BY issued_at DESC, row DESC" LICTOR_MOST};
inline constexpr ScanQueries kLicensesExpiringAt{LICTOR_SCAN "expires_at = ?6" LICTOR_UP,
                                                 LICTOR_SCAN "expires_at = ?6" LICTOR_DOWN};
inline constexpr ScanQueries kLicensesByExpiry{
    LICTOR_SCAN "expires_at >= ?2 AND expires_at < ?3 ORDER BY expires_at, row" LICTOR_MOST,
    LICTOR_SCAN "expires_at >= ?2 AND expires_at < ?3 ORDER BY expires_at DESC, row DESC" LICTOR_MOST};
inline constexpr ScanQueries kLicensesByHolder{
    LICTOR_SCAN "holder >= ?4 AND holder < ?5 AND holder <> '' ORDER BY holder, row" LICTOR_MOST,
    LICTOR_SCAN "holder >= ?4 AND holder < ?5 AND holder <> '' ORDER BY holder DESC, row DESC" LICTOR_MOST};
inline constexpr ScanQueries kAllScans[] = {kLicensesByRow,      kLicensesOfHolder, kLicensesOfStatus,
                                            kLicensesOfPolicy,   kLicensesIssuedAt, kLicensesByIssue,
                                            kLicensesExpiringAt, kLicensesByExpiry, kLicensesByHolder};
inline constexpr Text kPoliciesOfProduct = "SELECT row FROM policies WHERE product = ?";
inline constexpr Text kChangeLicense =
    "UPDATE licenses SET policy = ?2, overrides = ?3, key_digest = ?4, key = ?5, holder = ?6 WHERE row = ?1";

// Activations.
inline constexpr Text kActivation =
    "SELECT " LICTOR_ACTIVATION_COLUMNS " FROM activations WHERE license = ?1 AND client_id = ?2";
// A client keeps the id that it was first given.
inline constexpr Text kUpsertActivation =
    "INSERT INTO activations (license, client_id, client, held, blocked, over_limit, activated_at, lease_expires_at, "
    "released_at, vacated, vacated_at_transfer, fingerprint, version, last_seen_at) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) "
    "ON CONFLICT (license, client_id) DO UPDATE SET held = excluded.held, blocked = excluded.blocked, "
    "over_limit = excluded.over_limit, activated_at = excluded.activated_at, "
    "lease_expires_at = excluded.lease_expires_at, released_at = excluded.released_at, vacated = excluded.vacated, "
    "vacated_at_transfer = excluded.vacated_at_transfer, fingerprint = excluded.fingerprint, "
    "version = excluded.version, last_seen_at = excluded.last_seen_at";
inline constexpr Text kEndedLeases = "SELECT client, client_id, lease_expires_at " LICTOR_ENDED;
inline constexpr Text kCountEndedLeases = "SELECT count(*) " LICTOR_ENDED;
inline constexpr Text kReleaseEndedLeases =
    "UPDATE activations SET held = 0 WHERE license = ?1 AND held = 1 AND lease_expires_at <= ?2";
inline constexpr Text kCorrectSeats =
    "UPDATE licenses SET seats_held = seats_held - ?2, next_lease_end = ?3 WHERE row = ?1";
// The first end after ?2.
inline constexpr Text kNextLeaseEnd =
    "SELECT lease_expires_at FROM activations WHERE license = ?1 AND held = 1 AND lease_expires_at > ?2 "
    "ORDER BY lease_expires_at LIMIT 1";
inline constexpr Text kClientById = LICTOR_CLIENTS "WHERE client = ?";
inline constexpr Text kClientOfLicense = LICTOR_CLIENTS "WHERE l.id = ? AND client_id = ?";
inline constexpr Text kHeldClients =
    LICTOR_CLIENTS "WHERE a.license = ?1 AND held = 1 AND (lease_expires_at IS NULL OR lease_expires_at > ?2) LIMIT ?3";
inline constexpr Text kDeleteActivation = "DELETE FROM activations WHERE license = ?1 AND client_id = ?2";
inline constexpr Text kClientsPage =
    LICTOR_CLIENTS "WHERE a.license = ? AND client_id > ? ORDER BY client_id LIMIT ?";

// Usage.
inline constexpr Text kUsageTotal =
    "SELECT total FROM usage_counters WHERE license = ? AND metric = ? AND period_start = ?";
inline constexpr Text kUpsertUsage =
    "INSERT INTO usage_counters (license, metric, period_start, total) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (license, metric, period_start) DO UPDATE SET total = excluded.total";
inline constexpr Text kUsageKey =
    "SELECT request, signature, answer, created_at FROM usage_keys WHERE license = ? AND idempotency_key = ?";
inline constexpr Text kReplaceUsageKey =
    "INSERT INTO usage_keys (license, idempotency_key, request, signature, answer, created_at) "
    "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (license, idempotency_key) DO UPDATE SET request = excluded.request, "
    "signature = excluded.signature, answer = excluded.answer, created_at = excluded.created_at";
// Read first and deleted one by one: as one statement SQLite would walk through all keys of the licenses concerned.
inline constexpr Text kOldUsageKeys =
    "SELECT license, idempotency_key FROM usage_keys WHERE created_at < ?1 ORDER BY created_at LIMIT ?2";
inline constexpr Text kDeleteUsageKey = "DELETE FROM usage_keys WHERE license = ?1 AND idempotency_key = ?2";

// Events.
inline constexpr Text kInsertEvent = "INSERT INTO events (" LICTOR_EVENT_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
inline constexpr Text kAuditHead = "SELECT sequence, hash FROM audit_head WHERE one = 1";
// Of the next three, on servers only: until the transaction ends.
inline constexpr Text kLockHead =
    "SELECT sequence, hash, (SELECT sequence FROM catalog_head WHERE one = 1) FROM audit_head WHERE one = 1 FOR UPDATE";
inline constexpr Text kLockCatalog = "SELECT sequence FROM catalog_head WHERE one = 1 FOR UPDATE";
inline constexpr Text kCatalogVersion = "SELECT sequence FROM catalog_head WHERE one = 1";
inline constexpr Text kUpdateCatalogHead = "UPDATE catalog_head SET sequence = ?1 WHERE one = 1";
// Behind the columns of licenses. It is of the moment at which the statement began, before it waited for any lock.
#define LICTOR_VERSION_OF_CATALOG "(SELECT sequence FROM catalog_head WHERE one = 1)"
inline constexpr Text kNewestEvent = "SELECT sequence, hash FROM events ORDER BY sequence DESC LIMIT 1";
// The event of ?1, and those behind it.
inline constexpr Text kChanges =
    "SELECT sequence, hash, action, subject, client, detail FROM events WHERE sequence >= ?1 ORDER BY sequence LIMIT ?2";
inline constexpr Text kEventHash = "SELECT hash FROM events WHERE sequence = ?";
inline constexpr Text kUpdateAuditHead = "UPDATE audit_head SET sequence = ?, hash = ? WHERE one = 1";
inline constexpr Text kEventsUp =
    "SELECT " LICTOR_EVENT_COLUMNS " FROM events WHERE sequence > ?1 AND sequence < ?2 ORDER BY sequence LIMIT ?3";
inline constexpr Text kEventsDown =
    "SELECT " LICTOR_EVENT_COLUMNS " FROM events WHERE sequence > ?1 AND sequence < ?2 ORDER BY sequence DESC LIMIT ?3";
inline constexpr Text kEventsOfSubjectUp =
    "SELECT " LICTOR_EVENT_COLUMNS
    " FROM events WHERE subject = ?4 AND sequence > ?1 AND sequence < ?2 ORDER BY sequence LIMIT ?3";
inline constexpr Text kEventsOfSubjectDown =
    "SELECT " LICTOR_EVENT_COLUMNS
    " FROM events WHERE subject = ?4 AND sequence > ?1 AND sequence < ?2 ORDER BY sequence DESC LIMIT ?3";

// Administration.
// The row of a new record of a table whose rows are not used again; see kSpendRow.
#define LICTOR_NEXT_ROW(table)                                                                                      \
  "1 + coalesce(max(used), 0) FROM (SELECT row AS used FROM " table " UNION ALL "                                   \
  "SELECT row FROM spent_rows WHERE name = '" table "') AS rows"
inline constexpr Text kInsertProduct =
    "INSERT INTO products (id, name, settings, created_at, row) SELECT ?1, ?2, ?3, ?4, " LICTOR_NEXT_ROW("products");
inline constexpr Text kProductRow = "SELECT row FROM products WHERE id = ?";
inline constexpr Text kUpdateProductSettings = "UPDATE products SET settings = ?2 WHERE row = ?1";
inline constexpr Text kProducts = "SELECT row, id, name, settings, created_at FROM products ORDER BY row";
inline constexpr Text kInsertPolicy =
    "INSERT INTO policies (id, product, name, terms, created_at, row) "
    "SELECT ?1, ?2, ?3, ?4, ?5, " LICTOR_NEXT_ROW("policies");
inline constexpr Text kPolicyRow = "SELECT row FROM policies WHERE id = ?";
inline constexpr Text kPolicies = "SELECT row, id, product, name, terms, created_at FROM policies ORDER BY row";
inline constexpr Text kUpdatePolicyTerms = "UPDATE policies SET terms = ?2 WHERE row = ?1";
inline constexpr Text kDeletePolicy = "DELETE FROM policies WHERE row = ?";
inline constexpr Text kDeleteRevokedApiKeys = "DELETE FROM api_keys WHERE product = ? AND revoked_at <> 0";
inline constexpr Text kDeleteProduct = "DELETE FROM products WHERE row = ?";
inline constexpr Text kSpendRow =
    "INSERT INTO spent_rows (name, row) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET "
    "row = CASE WHEN spent_rows.row < excluded.row THEN excluded.row ELSE spent_rows.row END";
inline constexpr Text kInsertApiKey =
    "INSERT INTO api_keys (" LICTOR_API_KEY_COLUMNS ") VALUES (?, ?, ?, ?, nullif(?, 0), ?, ?, ?, ?, ?)";
inline constexpr Text kUpdateApiKey =
    "UPDATE api_keys SET name = ?2, require_signature = ?3, expires_at = ?4, addresses = ?5 WHERE id = ?1";
inline constexpr Text kIdempotency =
    "SELECT request, status, data, message, etag, created_at FROM idempotency_keys WHERE caller = ? AND key = ?";
inline constexpr Text kRemember =
    "INSERT INTO idempotency_keys (caller, key, request, status, data, message, etag, created_at) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (caller, key) DO UPDATE SET request = excluded.request, "
    "status = excluded.status, data = excluded.data, message = excluded.message, etag = excluded.etag, "
    "created_at = excluded.created_at";
inline constexpr Text kOldIdempotency =
    "SELECT caller, key FROM idempotency_keys WHERE created_at < ?1 ORDER BY created_at LIMIT ?2";
inline constexpr Text kDeleteIdempotency = "DELETE FROM idempotency_keys WHERE caller = ?1 AND key = ?2";
inline constexpr Text kRevokeApiKey = "UPDATE api_keys SET revoked_at = ?2 WHERE id = ?1 AND revoked_at = 0";
inline constexpr Text kApiKey = "SELECT " LICTOR_API_KEY_COLUMNS " FROM api_keys WHERE id = ?";
inline constexpr Text kApiKeys = "SELECT " LICTOR_API_KEY_COLUMNS " FROM api_keys ORDER BY row";
inline constexpr Text kTotals =
    "SELECT licenses, active_licenses, seats_held, (SELECT sequence FROM audit_head WHERE one = 1) "
    "FROM totals WHERE one = 1";
inline constexpr Text kAddTotals =
    "UPDATE totals SET licenses = licenses + ?1, active_licenses = active_licenses + ?2, seats_held = seats_held + ?3 "
    "WHERE one = 1";
// Behind the sequence: whether lictord migrate took the database out of service (placement.h).
inline constexpr Text kPing =
    "SELECT sequence, (SELECT value FROM meta WHERE name = 'moved.to') FROM audit_head WHERE one = 1";

#undef LICTOR_NEXT_ROW
#undef LICTOR_UPDATE_LICENSE
#undef LICTOR_VIEW
#undef LICTOR_CLIENT_COLUMNS
#undef LICTOR_API_KEY_COLUMNS
#undef LICTOR_CLIENTS
#undef LICTOR_ENDED
#undef LICTOR_SCAN
#undef LICTOR_DOWN
#undef LICTOR_MOST
#undef LICTOR_UP
// clang-format on

}  // namespace lictor::store::sql
