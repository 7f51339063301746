// The statements of store/statistics.h, as in queries.h.
#pragma once

#include <string_view>

namespace lictor::store::sql {

// clang-format off
using Text = std::string_view;

// Refusals.
#define LICTOR_REFUSAL_COLUMNS "at, request_id, endpoint, code, message, details, license, client_id, actor"
#define LICTOR_REFUSALS                                                                                             \
  "SELECT r.row, " LICTOR_REFUSAL_COLUMNS ", (SELECT id FROM licenses l WHERE l.row = r.license) FROM refusals r "
inline constexpr Text kInsertRefusal =
    "INSERT INTO refusals (" LICTOR_REFUSAL_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
inline constexpr Text kAddRefusals = "UPDATE statistics SET refusals = refusals + ?1 WHERE one = 1";
// ?1 row to stop before, ?2 limit.
inline constexpr Text kRefusalsPage = LICTOR_REFUSALS "WHERE r.row < ?1 ORDER BY r.row DESC LIMIT ?2";
inline constexpr Text kRefusalsPageOfRequest =
    LICTOR_REFUSALS "WHERE r.request_id = ?3 AND r.row < ?1 ORDER BY r.row DESC LIMIT ?2";
inline constexpr Text kRefusalsPageOfLicense =
    LICTOR_REFUSALS "WHERE r.license = ?3 AND r.row < ?1 ORDER BY r.row DESC LIMIT ?2";
inline constexpr Text kDeleteOldRefusals =
    "DELETE FROM refusals WHERE row IN (SELECT row FROM refusals WHERE at < ?1 ORDER BY at LIMIT ?2)";
inline constexpr Text kDeleteFirstRefusals =
    "DELETE FROM refusals WHERE row IN (SELECT row FROM refusals ORDER BY row LIMIT ?1)";
// The newest that is too many of this license, ?2 being how many may stay.
inline constexpr Text kFirstSpareRefusal =
    "SELECT row FROM refusals WHERE license = ?1 ORDER BY row DESC LIMIT 1 OFFSET ?2";
inline constexpr Text kSpareRefusals =
    "SELECT row FROM refusals WHERE license = ?1 AND row <= ?2 ORDER BY row LIMIT ?3";
inline constexpr Text kDeleteRefusal = "DELETE FROM refusals WHERE row = ?1";

// Counts of days, of usage and of refusals. A sum that leaves the range of numbers stays at its end.
#define LICTOR_ADD_TO_DAY(table)                                                                                    \
  "INSERT INTO " table " (day, product, license, name, amount) VALUES (?1, ?2, ?3, ?4, ?5) "                        \
  "ON CONFLICT (day, product, license, name) DO UPDATE SET amount = "                                               \
  "CASE WHEN " table ".amount > 9223372036854775807 - excluded.amount THEN 9223372036854775807 "                      \
  "ELSE " table ".amount + excluded.amount END"
// ?1 day, ?2 product, ?3 and ?4 bounds of the license, ?5 and ?6 license and name to go on behind, ?7 limit.
#define LICTOR_DAY_COUNTS(table)                                                                                    \
  "SELECT t.license, t.name, t.amount, (SELECT id FROM licenses l WHERE l.row = t.license) FROM " table " t "       \
  "WHERE t.day = ?1 AND t.product = ?2 AND t.license BETWEEN ?3 AND ?4 AND (t.license, t.name) > (?5, ?6) "         \
  "ORDER BY t.license, t.name LIMIT ?7"
#define LICTOR_FIRST_DAY(table) "SELECT min(day) FROM " table
// The first row that stays when at most ?2 of those before day ?1 go.
#define LICTOR_FIRST_KEPT(table)                                                                                    \
  "SELECT day, product, license, name FROM " table " WHERE day < ?1 ORDER BY day, product, license, name "          \
  "LIMIT 1 OFFSET ?2"
#define LICTOR_DROP_DAYS(table) "DELETE FROM " table " WHERE day < ?1"
#define LICTOR_DROP_ROWS(table)                                                                                     \
  "DELETE FROM " table " WHERE day <= ?1 AND (day, product, license, name) < (?1, ?2, ?3, ?4)"
inline constexpr Text kAddUsageDay = LICTOR_ADD_TO_DAY("usage_days");
inline constexpr Text kUsageDays = LICTOR_DAY_COUNTS("usage_days");
inline constexpr Text kFirstUsageDay = LICTOR_FIRST_DAY("usage_days");
inline constexpr Text kFirstKeptUsageDay = LICTOR_FIRST_KEPT("usage_days");
inline constexpr Text kDropUsageDays = LICTOR_DROP_DAYS("usage_days");
inline constexpr Text kDropUsageRows = LICTOR_DROP_ROWS("usage_days");
inline constexpr Text kAddRefusalDay = LICTOR_ADD_TO_DAY("refusal_days");
inline constexpr Text kRefusalDays = LICTOR_DAY_COUNTS("refusal_days");
inline constexpr Text kFirstRefusalDay = LICTOR_FIRST_DAY("refusal_days");
inline constexpr Text kFirstKeptRefusalDay = LICTOR_FIRST_KEPT("refusal_days");
inline constexpr Text kDropRefusalDays = LICTOR_DROP_DAYS("refusal_days");
inline constexpr Text kDropRefusalRows = LICTOR_DROP_ROWS("refusal_days");
inline constexpr Text kProductRows = "SELECT row FROM products ORDER BY row";

// Seats.
#define LICTOR_SERIES_COLUMNS "s.sequence, s.held, s.since, s.changed, s.start, s.peak, s.seat_seconds, s.levels"
inline constexpr Text kUpsertSeries =
    "INSERT INTO seat_series (product, license, sequence, held, since, changed, start, peak, seat_seconds, levels) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) "
    "ON CONFLICT (product, license) DO UPDATE SET sequence = excluded.sequence, held = excluded.held, "
    "since = excluded.since, changed = excluded.changed, start = excluded.start, peak = excluded.peak, "
    "seat_seconds = excluded.seat_seconds, levels = excluded.levels";
inline constexpr Text kSeries =
    "SELECT s.product, s.license, " LICTOR_SERIES_COLUMNS " FROM seat_series s WHERE s.product = ?1 AND s.license = ?2";
inline constexpr Text kSeriesOfIds =
    "SELECT p.product, l.row, " LICTOR_SERIES_COLUMNS ", l.id FROM licenses l JOIN policies p ON p.row = l.policy "
    "LEFT JOIN seat_series s ON s.product = p.product AND s.license = l.row WHERE l.id IN (?)";
inline constexpr Text kSeriesOfLicenses =
    "SELECT s.product, s.license, " LICTOR_SERIES_COLUMNS ", l.id FROM seat_series s JOIN licenses l ON l.row = s.license "
    "WHERE s.product = ?1 AND s.license > ?2 ORDER BY s.license LIMIT ?3";
inline constexpr Text kUpsertSeatDay =
    "INSERT INTO seat_days (product, license, day, start, peak, p95, seat_seconds) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (product, license, day) DO UPDATE SET start = excluded.start, "
    "peak = excluded.peak, p95 = excluded.p95, seat_seconds = excluded.seat_seconds";
inline constexpr Text kSeatDays =
    "SELECT day, start, peak, p95, seat_seconds FROM seat_days WHERE product = ?1 AND license = ?2 AND day >= ?3 "
    "ORDER BY day LIMIT ?4";
inline constexpr Text kOldSeatDays =
    "SELECT product, license, day FROM seat_days WHERE day < ?1 ORDER BY day LIMIT ?2";
inline constexpr Text kDeleteSeatDay = "DELETE FROM seat_days WHERE product = ?1 AND license = ?2 AND day = ?3";
inline constexpr Text kSetSeatsFrom = "UPDATE statistics SET seats_from = ?1 WHERE one = 1 AND seats_from < ?1";
inline constexpr Text kPendingSeats = "SELECT product, at, ended, net, top FROM pending_seats ORDER BY product, at";
inline constexpr Text kDeletePendingSeats = "DELETE FROM pending_seats";
inline constexpr Text kInsertPendingSeats =
    "INSERT INTO pending_seats (product, at, ended, net, top) VALUES (?1, ?2, ?3, ?4, ?5)";
inline constexpr Text kSetLicenseSequence = "UPDATE statistics SET license_sequence = ?1 WHERE one = 1";
inline constexpr Text kSetProductSequence = "UPDATE statistics SET product_sequence = ?1 WHERE one = 1";
inline constexpr Text kStatisticsState =
    "SELECT license_sequence, product_sequence, refusals, seats_from FROM statistics WHERE one = 1";
inline constexpr Text kSeatEvents =
    "SELECT sequence, at, action, subject, detail FROM events WHERE sequence > ?1 ORDER BY sequence LIMIT ?2";
// In `meta`, each an ExpiryPlace as text: its members in their order.
inline constexpr Text kNoticedNames[] = {"expiry_notices.expired", "expiry_notices.expiring"};  // by ExpiryNotice
inline constexpr Text kDueLicenses =
    "SELECT id FROM licenses WHERE next_lease_end <= ?1 ORDER BY next_lease_end LIMIT ?2";

#undef LICTOR_REFUSAL_COLUMNS
#undef LICTOR_REFUSALS
#undef LICTOR_ADD_TO_DAY
#undef LICTOR_DAY_COUNTS
#undef LICTOR_FIRST_DAY
#undef LICTOR_FIRST_KEPT
#undef LICTOR_DROP_DAYS
#undef LICTOR_DROP_ROWS
#undef LICTOR_SERIES_COLUMNS
// clang-format on

}  // namespace lictor::store::sql
