// Migration 3: what is kept for reports. The conventions are those of sqlite_schema.h; product and license 0 are "none"
// or "all together", as store/statistics.h says, so they are no references. Days count from 1970-01-01 (UTC).
#pragma once

namespace lictor::store {

inline constexpr const char* kStatisticsSchema = R"sql(
CREATE TABLE refusals (
  row INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  request_id TEXT NOT NULL,
  endpoint TEXT NOT NULL,
  code TEXT NOT NULL,
  message TEXT NOT NULL,
  details TEXT NOT NULL,
  license INTEGER NOT NULL,
  client_id TEXT NOT NULL,
  actor TEXT NOT NULL
) STRICT;
CREATE INDEX refusals_by_request ON refusals (request_id);
CREATE INDEX refusals_by_license ON refusals (license);

-- The day comes first: what is counted now lies together, and old days are dropped without an index.
CREATE TABLE refusal_days (
  day INTEGER NOT NULL,
  product INTEGER NOT NULL,
  license INTEGER NOT NULL,
  name TEXT NOT NULL,
  amount INTEGER NOT NULL,
  PRIMARY KEY (day, product, license, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_days (
  day INTEGER NOT NULL,
  product INTEGER NOT NULL,
  license INTEGER NOT NULL,
  name TEXT NOT NULL,
  amount INTEGER NOT NULL,
  PRIMARY KEY (day, product, license, name)
) STRICT, WITHOUT ROWID;

-- licensing/seat_series.h
CREATE TABLE seat_series (
  product INTEGER NOT NULL,
  license INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  held INTEGER NOT NULL,
  since INTEGER NOT NULL,
  changed INTEGER NOT NULL,
  start INTEGER NOT NULL,
  peak INTEGER NOT NULL,
  seat_seconds INTEGER NOT NULL,
  levels BLOB NOT NULL,  -- seat_levels_codec.h
  PRIMARY KEY (product, license)
) STRICT, WITHOUT ROWID;

CREATE TABLE seat_days (
  product INTEGER NOT NULL,
  license INTEGER NOT NULL,
  day INTEGER NOT NULL,
  start INTEGER NOT NULL,
  peak INTEGER NOT NULL,
  p95 INTEGER NOT NULL,
  seat_seconds INTEGER NOT NULL,
  PRIMARY KEY (product, license, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX seat_days_by_day ON seat_days (day);

CREATE TABLE pending_seats (
  product INTEGER NOT NULL,
  at INTEGER NOT NULL,
  ended INTEGER NOT NULL,
  net INTEGER NOT NULL,
  top INTEGER NOT NULL,
  PRIMARY KEY (product, at)
) STRICT, WITHOUT ROWID;

CREATE TABLE statistics (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  license_sequence INTEGER NOT NULL,
  product_sequence INTEGER NOT NULL,
  refusals INTEGER NOT NULL,  -- rows of that table
  seats_from INTEGER NOT NULL
) STRICT;
INSERT INTO statistics (one, license_sequence, product_sequence, refusals, seats_from) VALUES (1, 0, 0, 0, 0);

CREATE INDEX licenses_by_lease_end ON licenses (next_lease_end) WHERE next_lease_end IS NOT NULL;
)sql";

}  // namespace lictor::store
