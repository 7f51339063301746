// The schema, one constant for each migration (migrations.cpp). Never change what was released: add a migration.
//
// Conventions: `row` numbers never leave the server; ids and digests are 16-byte blobs; times are Unix seconds; a time
// that never comes (licensing::kNever) is NULL, which takes no space, drops out of min(), and makes `<=` false, so that
// no query has to name it. "Not yet" is 0. Flags and enumerations have the values of licensing/license.h. Checks
// compare (BETWEEN): SQLite builds a temporary table for each evaluation of `IN (…)`.
#pragma once

namespace lictor::store {

inline constexpr const char* kSchema1 = R"sql(
PRAGMA application_id = 1281975156;  -- kApplicationId

CREATE TABLE schema_migrations (
  version INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  applied_at INTEGER NOT NULL
) STRICT;

CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE products (
  row INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
  name TEXT NOT NULL UNIQUE,
  settings TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE policies (
  row INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
  product INTEGER NOT NULL REFERENCES products (row),
  name TEXT NOT NULL,
  terms TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (product, name)
) STRICT;

CREATE TABLE licenses (
  row INTEGER PRIMARY KEY,
  id BLOB NOT NULL CHECK (length(id) = 16),
  key_digest BLOB NOT NULL CHECK (length(key_digest) = 16),
  policy INTEGER NOT NULL REFERENCES policies (row),
  status INTEGER NOT NULL CHECK (status BETWEEN 1 AND 3),
  issued_at INTEGER NOT NULL,
  starts_at INTEGER NOT NULL,
  expires_at INTEGER,
  first_activated_at INTEGER NOT NULL,
  last_check_in_at INTEGER NOT NULL,
  seats_held INTEGER NOT NULL CHECK (seats_held >= 0),
  next_lease_end INTEGER,
  vacant_seats INTEGER NOT NULL,
  transfers INTEGER NOT NULL,
  transfers_in_period INTEGER NOT NULL,
  transfer_period_start INTEGER NOT NULL,
  overrides TEXT NOT NULL,
  key TEXT NOT NULL,
  holder TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX licenses_by_id ON licenses (id);
CREATE UNIQUE INDEX licenses_by_key ON licenses (key_digest);
CREATE INDEX licenses_by_policy ON licenses (policy);
CREATE INDEX licenses_by_holder ON licenses (holder) WHERE holder <> '';
-- Few are not active; to index all of them would cost a write at each activation.
CREATE INDEX licenses_not_active ON licenses (status) WHERE status <> 1;

CREATE TABLE activations (
  license INTEGER NOT NULL REFERENCES licenses (row),
  client_id TEXT NOT NULL,
  client BLOB NOT NULL CHECK (length(client) = 16),
  held INTEGER NOT NULL CHECK (held BETWEEN 0 AND 1),
  blocked INTEGER NOT NULL,
  over_limit INTEGER NOT NULL,
  activated_at INTEGER NOT NULL,
  lease_expires_at INTEGER,
  released_at INTEGER NOT NULL,
  vacated INTEGER NOT NULL,
  vacated_at_transfer INTEGER NOT NULL,
  fingerprint BLOB NOT NULL,  -- fingerprint_codec.h
  version TEXT NOT NULL,
  last_seen_at INTEGER NOT NULL,
  PRIMARY KEY (license, client_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX activations_by_client ON activations (client);
CREATE INDEX activations_ending ON activations (license, lease_expires_at)
  WHERE held = 1 AND lease_expires_at IS NOT NULL;

CREATE TABLE usage_counters (
  license INTEGER NOT NULL REFERENCES licenses (row),
  metric TEXT NOT NULL,
  period_start INTEGER NOT NULL,
  total INTEGER NOT NULL,
  PRIMARY KEY (license, metric, period_start)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_keys (
  license INTEGER NOT NULL REFERENCES licenses (row),
  idempotency_key TEXT NOT NULL,
  request BLOB NOT NULL CHECK (length(request) = 16),
  signature BLOB NOT NULL CHECK (length(signature) = 16),
  answer TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (license, idempotency_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_keys_by_age ON usage_keys (created_at);

-- The chain of audit_chain.h.
CREATE TABLE events (
  sequence INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  client TEXT NOT NULL,
  code TEXT NOT NULL,
  request_id TEXT NOT NULL,
  detail TEXT NOT NULL,
  hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX events_by_subject ON events (subject);

CREATE TABLE audit_head (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  sequence INTEGER NOT NULL,
  hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
INSERT INTO audit_head (one, sequence, hash) VALUES (1, 0, zeroblob(32));

-- Kept in step by every transaction (sql_tx.cpp): counting millions of rows for a status page would take seconds.
CREATE TABLE totals (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  licenses INTEGER NOT NULL,
  active_licenses INTEGER NOT NULL,
  seats_held INTEGER NOT NULL
) STRICT;
INSERT INTO totals (one, licenses, active_licenses, seats_held) VALUES (1, 0, 0, 0);

CREATE TABLE api_keys (
  row INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
  name TEXT NOT NULL,
  secret_hash BLOB NOT NULL CHECK (length(secret_hash) = 32),
  scopes TEXT NOT NULL,
  product INTEGER REFERENCES products (row),  -- NULL: any
  require_signature INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER NOT NULL
) STRICT;
)sql";

// What administrators search by: an index for each order in which licenses are listed, with the row as its last column,
// so that a page begins where the last one ended, however many share a time or a holder.
inline constexpr const char* kSchema2 = R"sql(
DROP INDEX licenses_by_holder;
CREATE INDEX licenses_by_holder ON licenses (holder, row) WHERE holder <> '';
CREATE INDEX licenses_by_expiry ON licenses (expires_at, row) WHERE expires_at IS NOT NULL;
CREATE INDEX licenses_by_issue ON licenses (issued_at, row);

ALTER TABLE api_keys ADD COLUMN addresses TEXT NOT NULL DEFAULT '';

CREATE TABLE idempotency_keys (
  caller BLOB NOT NULL CHECK (length(caller) = 16),
  key TEXT NOT NULL,
  request BLOB NOT NULL CHECK (length(request) = 16),
  status INTEGER NOT NULL,
  data TEXT NOT NULL,
  message TEXT NOT NULL,
  etag TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (caller, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
)sql";

// Figures and caches refer to products and policies by their rows, so none gets the row of one that was deleted.
inline constexpr const char* kSchema4 = R"sql(
CREATE TABLE spent_rows (
  name TEXT PRIMARY KEY,  -- of the table
  row INTEGER NOT NULL    -- the last one that was deleted
) STRICT, WITHOUT ROWID;
)sql";

// Refusals go by their age, which is not the order of their rows when the clock was set back in between.
inline constexpr const char* kSchema5 = "CREATE INDEX refusals_by_time ON refusals (at)";

}  // namespace lictor::store
