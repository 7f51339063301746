// The schema on MySQL and MariaDB: what the migrations of sqlite_schema.h have come to by their number 5. The
// conventions are the same. Never change what was released: add a migration, with the number that it has on SQLite.
//
// - Texts that are compared do so byte by byte, spaces at the end included, so that lists are in the same order and
//   names differ as on every engine: {collation} is utf8mb4_nopad_bin on MariaDB, utf8mb4_0900_bin on MySQL.
// - There are no partial indexes. An index of all rows whose first columns are what the partial index's condition tests
//   finds the same rows in the same order. InnoDB has the primary key at the end of each index.
// - CREATE TABLE ends a transaction: each table is there for itself. So the tables are made where they are missing, and
//   all rows of the migration, with the record that it was made, are one transaction behind them: what was interrupted
//   is begun again. schema_migrations comes first and by its comment says whose the others are (mysql_store.cpp).
// - Lengths are in characters and at least what the API admits; 255 is where an index has no room for more.
#pragma once

namespace lictor::store {

#define LICTOR_TABLE ") ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE {collation}"

inline constexpr const char* kMysqlComment = "Lictor";
inline constexpr const char* kMysqlSchema =
    "CREATE TABLE IF NOT EXISTS schema_migrations ("
    "  version BIGINT PRIMARY KEY,"
    "  name VARCHAR(255) NOT NULL,"
    "  applied_at BIGINT NOT NULL" LICTOR_TABLE
    " COMMENT = 'Lictor';"

    "CREATE TABLE IF NOT EXISTS meta ("
    "  name VARCHAR(64) PRIMARY KEY,"
    "  value VARBINARY(255) NOT NULL" LICTOR_TABLE
    ";"

    "CREATE TABLE IF NOT EXISTS products ("
    "  `row` BIGINT PRIMARY KEY,"
    "  id BINARY(16) NOT NULL,"
    "  name VARCHAR(255) NOT NULL,"
    "  settings MEDIUMTEXT NOT NULL,"
    "  created_at BIGINT NOT NULL,"
    "  UNIQUE KEY products_by_id (id),"
    "  UNIQUE KEY products_by_name (name)" LICTOR_TABLE
    ";"

    "CREATE TABLE IF NOT EXISTS policies ("
    "  `row` BIGINT PRIMARY KEY,"
    "  id BINARY(16) NOT NULL,"
    "  product BIGINT NOT NULL,"
    "  name VARCHAR(255) NOT NULL,"
    "  terms MEDIUMTEXT NOT NULL,"
    "  created_at BIGINT NOT NULL,"
    "  UNIQUE KEY policies_by_id (id),"
    "  UNIQUE KEY policies_by_name (product, name),"
    "  CONSTRAINT policies_product FOREIGN KEY (product) REFERENCES products (`row`)" LICTOR_TABLE
    ";"

    "CREATE TABLE IF NOT EXISTS licenses ("
    "  `row` BIGINT AUTO_INCREMENT PRIMARY KEY,"
    "  id BINARY(16) NOT NULL,"
    "  key_digest BINARY(16) NOT NULL,"
    "  policy BIGINT NOT NULL,"
    "  status TINYINT NOT NULL,"
    "  issued_at BIGINT NOT NULL,"
    "  starts_at BIGINT NOT NULL,"
    "  expires_at BIGINT,"
    "  first_activated_at BIGINT NOT NULL,"
    "  last_check_in_at BIGINT NOT NULL,"
    "  seats_held BIGINT NOT NULL,"
    "  next_lease_end BIGINT,"
    "  vacant_seats BIGINT NOT NULL,"
    "  transfers BIGINT NOT NULL,"
    "  transfers_in_period BIGINT NOT NULL,"
    "  transfer_period_start BIGINT NOT NULL,"
    "  overrides MEDIUMTEXT NOT NULL,"
    "  `key` VARCHAR(255) NOT NULL,"
    "  holder VARCHAR(512) NOT NULL,"
    "  CHECK (status BETWEEN 1 AND 3),"
    "  CHECK (seats_held >= 0),"
    "  UNIQUE KEY licenses_by_id (id),"
    "  UNIQUE KEY licenses_by_key (key_digest),"
    "  KEY licenses_by_policy (policy, `row`),"
    "  KEY licenses_by_holder (holder, `row`),"
    "  KEY licenses_by_status (status, `row`),"
    "  KEY licenses_by_expiry (expires_at, `row`),"
    "  KEY licenses_by_issue (issued_at, `row`),"
    "  KEY licenses_by_lease_end (next_lease_end),"
    "  CONSTRAINT licenses_policy FOREIGN KEY (policy) REFERENCES policies (`row`)" LICTOR_TABLE
    ";"

    "CREATE TABLE IF NOT EXISTS activations ("
    "  license BIGINT NOT NULL,"
    "  client_id VARCHAR(512) NOT NULL,"
    "  client BINARY(16) NOT NULL,"
    "  held TINYINT NOT NULL,"
    "  blocked TINYINT NOT NULL,"
    "  over_limit TINYINT NOT NULL,"
    "  activated_at BIGINT NOT NULL,"
    "  lease_expires_at BIGINT,"
    "  released_at BIGINT NOT NULL,"
    "  vacated TINYINT NOT NULL,"
    "  vacated_at_transfer BIGINT NOT NULL,"
    "  fingerprint VARBINARY(255) NOT NULL COMMENT 'fingerprint_codec.h',"
    "  version VARCHAR(255) NOT NULL,"
    "  last_seen_at BIGINT NOT NULL,"
    "  CHECK (held BETWEEN 0 AND 1),"
    "  PRIMARY KEY (license, client_id),"
    "  UNIQUE KEY activations_by_client (client),"
    "  KEY activations_ending (license, held, lease_expires_at),"
    "  CONSTRAINT activations_license FOREIGN KEY (license) REFERENCES licenses (`row`)" LICTOR_TABLE
    ";"

    "CREATE TABLE IF NOT EXISTS usage_counters ("
    "  license BIGINT NOT NULL,"
    "  metric VARCHAR(255) NOT NULL,"
    "  period_start BIGINT NOT NULL,"
    "  total BIGINT NOT NULL,"
    "  PRIMARY KEY (license, metric, period_start),"
    "  CONSTRAINT usage_counters_license FOREIGN KEY (license) REFERENCES licenses (`row`)" LICTOR_TABLE
    ";"

    "CREATE TABLE IF NOT EXISTS usage_keys ("
    "  license BIGINT NOT NULL,"
    "  idempotency_key VARCHAR(255) NOT NULL,"
    "  request BINARY(16) NOT NULL,"
    "  signature BINARY(16) NOT NULL,"
    "  answer MEDIUMTEXT NOT NULL,"
    "  created_at BIGINT NOT NULL,"
    "  PRIMARY KEY (license, idempotency_key),"
    "  KEY usage_keys_by_age (created_at),"
    "  CONSTRAINT usage_keys_license FOREIGN KEY (license) REFERENCES licenses (`row`)" LICTOR_TABLE
    ";"

    "CREATE TABLE IF NOT EXISTS events ("
    "  sequence BIGINT PRIMARY KEY,"
    "  at BIGINT NOT NULL,"
    "  actor VARCHAR(512) NOT NULL,"
    "  action VARCHAR(255) NOT NULL,"
    "  subject VARCHAR(255) NOT NULL,"
    "  client VARCHAR(512) NOT NULL,"
    "  code VARCHAR(255) NOT NULL,"
    "  request_id VARCHAR(255) NOT NULL,"
    "  detail MEDIUMTEXT NOT NULL,"
    "  hash BINARY(32) NOT NULL,"
    "  KEY events_by_subject (subject, sequence)" LICTOR_TABLE
    ";"

    "CREATE TABLE IF NOT EXISTS audit_head ("
    "  one BIGINT PRIMARY KEY,"
    "  sequence BIGINT NOT NULL,"
    "  hash BINARY(32) NOT NULL,"
    "  CHECK (one = 1)" LICTOR_TABLE
    ";"

    "CREATE TABLE IF NOT EXISTS catalog_head ("
    "  one BIGINT PRIMARY KEY,"
    "  sequence BIGINT NOT NULL,"
    "  CHECK (one = 1)" LICTOR_TABLE
    ";"

    "CREATE TABLE IF NOT EXISTS totals ("
    "  one BIGINT PRIMARY KEY,"
    "  licenses BIGINT NOT NULL,"
    "  active_licenses BIGINT NOT NULL,"
    "  seats_held BIGINT NOT NULL,"
    "  CHECK (one = 1)" LICTOR_TABLE
    ";"

    "CREATE TABLE IF NOT EXISTS api_keys ("
    "  `row` BIGINT AUTO_INCREMENT PRIMARY KEY,"
    "  id BINARY(16) NOT NULL,"
    "  name VARCHAR(512) NOT NULL,"
    "  secret_hash BINARY(32) NOT NULL,"
    "  scopes TEXT NOT NULL,"
    "  product BIGINT COMMENT 'NULL: any',"
    "  require_signature TINYINT NOT NULL,"
    "  created_at BIGINT NOT NULL,"
    "  expires_at BIGINT,"
    "  revoked_at BIGINT NOT NULL,"
    "  addresses TEXT NOT NULL,"
    "  UNIQUE KEY api_keys_by_id (id),"
    "  CONSTRAINT api_keys_product FOREIGN KEY (product) REFERENCES products (`row`)" LICTOR_TABLE
    ";"

    "CREATE TABLE IF NOT EXISTS idempotency_keys ("
    "  caller BINARY(16) NOT NULL,"
    "  `key` VARCHAR(255) NOT NULL,"
    "  request BINARY(16) NOT NULL,"
    "  status BIGINT NOT NULL,"
    "  data LONGTEXT NOT NULL,"
    "  message TEXT NOT NULL,"
    "  etag VARCHAR(255) NOT NULL,"
    "  created_at BIGINT NOT NULL,"
    "  PRIMARY KEY (caller, `key`),"
    "  KEY idempotency_keys_by_age (created_at)" LICTOR_TABLE
    ";"

    "CREATE TABLE IF NOT EXISTS refusals ("
    "  `row` BIGINT AUTO_INCREMENT PRIMARY KEY,"
    "  at BIGINT NOT NULL,"
    "  request_id VARCHAR(255) NOT NULL,"
    "  endpoint VARCHAR(255) NOT NULL,"
    "  code VARCHAR(255) NOT NULL,"
    "  message TEXT NOT NULL,"
    "  details MEDIUMTEXT NOT NULL,"
    "  license BIGINT NOT NULL,"
    "  client_id VARCHAR(512) NOT NULL,"
    "  actor VARCHAR(512) NOT NULL,"
    "  KEY refusals_by_request (request_id),"
    "  KEY refusals_by_license (license, `row`),"
    "  KEY refusals_by_time (at)" LICTOR_TABLE
    ";"

    "CREATE TABLE IF NOT EXISTS refusal_days ("
    "  day BIGINT NOT NULL,"
    "  product BIGINT NOT NULL,"
    "  license BIGINT NOT NULL,"
    "  name VARCHAR(255) NOT NULL,"
    "  amount BIGINT NOT NULL,"
    "  PRIMARY KEY (day, product, license, name)" LICTOR_TABLE
    ";"

    "CREATE TABLE IF NOT EXISTS usage_days ("
    "  day BIGINT NOT NULL,"
    "  product BIGINT NOT NULL,"
    "  license BIGINT NOT NULL,"
    "  name VARCHAR(255) NOT NULL,"
    "  amount BIGINT NOT NULL,"
    "  PRIMARY KEY (day, product, license, name)" LICTOR_TABLE
    ";"

    "CREATE TABLE IF NOT EXISTS seat_series ("
    "  product BIGINT NOT NULL,"
    "  license BIGINT NOT NULL,"
    "  sequence BIGINT NOT NULL,"
    "  held BIGINT NOT NULL,"
    "  since BIGINT NOT NULL,"
    "  changed TINYINT NOT NULL,"
    "  start BIGINT NOT NULL,"
    "  peak BIGINT NOT NULL,"
    "  seat_seconds BIGINT NOT NULL,"
    "  levels MEDIUMBLOB NOT NULL COMMENT 'seat_levels_codec.h',"
    "  PRIMARY KEY (product, license)" LICTOR_TABLE
    ";"

    "CREATE TABLE IF NOT EXISTS seat_days ("
    "  product BIGINT NOT NULL,"
    "  license BIGINT NOT NULL,"
    "  day BIGINT NOT NULL,"
    "  start BIGINT NOT NULL,"
    "  peak BIGINT NOT NULL,"
    "  p95 BIGINT NOT NULL,"
    "  seat_seconds BIGINT NOT NULL,"
    "  PRIMARY KEY (product, license, day),"
    "  KEY seat_days_by_day (day)" LICTOR_TABLE
    ";"

    "CREATE TABLE IF NOT EXISTS pending_seats ("
    "  product BIGINT NOT NULL,"
    "  at BIGINT NOT NULL,"
    "  ended BIGINT NOT NULL,"
    "  net BIGINT NOT NULL,"
    "  top BIGINT NOT NULL,"
    "  PRIMARY KEY (product, at)" LICTOR_TABLE
    ";"

    "CREATE TABLE IF NOT EXISTS statistics ("
    "  one BIGINT PRIMARY KEY,"
    "  license_sequence BIGINT NOT NULL,"
    "  product_sequence BIGINT NOT NULL,"
    "  refusals BIGINT NOT NULL COMMENT 'rows of that table',"
    "  seats_from BIGINT NOT NULL,"
    "  CHECK (one = 1)" LICTOR_TABLE
    ";"

    "CREATE TABLE IF NOT EXISTS spent_rows ("
    "  name VARCHAR(64) PRIMARY KEY COMMENT 'of the table',"
    "  `row` BIGINT NOT NULL COMMENT 'the last one that was deleted'" LICTOR_TABLE
    ";"

    "START TRANSACTION;"
    "INSERT INTO audit_head (one, sequence, hash) VALUES (1, 0, repeat(char(0), 32));"
    "INSERT INTO catalog_head (one, sequence) VALUES (1, 0);"
    "INSERT INTO totals (one, licenses, active_licenses, seats_held) VALUES (1, 0, 0, 0);"
    "INSERT INTO statistics (one, license_sequence, product_sequence, refusals, seats_from) VALUES (1, 0, 0, 0, 0)";

#undef LICTOR_TABLE

}  // namespace lictor::store
