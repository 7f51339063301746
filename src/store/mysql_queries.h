// What only MySQL and MariaDB run: locks. Sets of rows are the shared statements with more rows (row_sets.h). In the
// form of queries.h, put as all others by mysql_text.h.
#pragma once

#include <string_view>

#include "store/queries.h"

namespace lictor::store::sql {

// clang-format off
// First the rows that ids and digests stand for, without a lock; then these are locked in the order of the primary key,
// in which InnoDB finds them, whoever else locks some of them. By another index they would be locked in its order.
inline constexpr Text kRowsOfIds = "SELECT row, id FROM licenses WHERE id IN (?)";
inline constexpr Text kRowsOfKeys = "SELECT row, key_digest FROM licenses WHERE key_digest IN (?)";
#define LICTOR_LOCKED " FROM licenses FORCE INDEX (PRIMARY) WHERE row IN (?) ORDER BY row FOR UPDATE"
inline constexpr Text kLockLicensesByRow =
    "SELECT " LICTOR_LICENSE_COLUMNS ", " LICTOR_VERSION_OF_CATALOG LICTOR_LOCKED;
inline constexpr Text kLockDetailsByRow =
    "SELECT " LICTOR_DETAILS_COLUMNS ", " LICTOR_VERSION_OF_CATALOG LICTOR_LOCKED;
#undef LICTOR_LOCKED
// MariaDB alone: with the activation of a client of each, in one round trip. Rows are locked in the order in which they
// are given. A condition ON the pairs would be looked for in every license.
inline constexpr Text kLockWithSeats =
    "WITH wanted (wanted_row, wanted_client) AS ( VALUES "
    "(CAST(? AS SIGNED), CAST(? AS CHAR(512)) COLLATE utf8mb4_nopad_bin)) "
    "SELECT " LICTOR_LICENSE_COLUMNS ", " LICTOR_ACTIVATION_COLUMNS ", " LICTOR_VERSION_OF_CATALOG ", wanted_client "
    "FROM wanted STRAIGHT_JOIN licenses FORCE INDEX (PRIMARY) ON row = wanted_row "
    "LEFT JOIN activations FORCE INDEX (PRIMARY) ON license = wanted_row AND client_id = wanted_client FOR UPDATE";
// Behind the columns: whose it is. With a second index to choose, MariaDB takes nine times as long to plan it.
inline constexpr Text kActivationsOfClients =
    "SELECT " LICTOR_ACTIVATION_COLUMNS ", license, client_id FROM activations FORCE INDEX (PRIMARY) "
    "WHERE (license, client_id) IN ((?, ?))";
// The rows exist and are locked: nothing is inserted, and could not be, because there is no policy 0.
inline constexpr Text kWriteLicenses =
    "INSERT INTO licenses (row, status, expires_at, next_lease_end, issued_at, starts_at, first_activated_at, "
    "last_check_in_at, seats_held, vacant_seats, transfers, transfers_in_period, transfer_period_start, "
    "id, key_digest, policy, overrides, key, holder) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', '', 0, '', '', '') "
    "ON CONFLICT (row) DO UPDATE SET status = excluded.status, expires_at = excluded.expires_at, "
    "next_lease_end = excluded.next_lease_end, issued_at = excluded.issued_at, starts_at = excluded.starts_at, "
    "first_activated_at = excluded.first_activated_at, last_check_in_at = excluded.last_check_in_at, "
    "seats_held = excluded.seats_held, vacant_seats = excluded.vacant_seats, transfers = excluded.transfers, "
    "transfers_in_period = excluded.transfers_in_period, transfer_period_start = excluded.transfer_period_start";
// What an activation changes of most licenses; a fifth cheaper.
inline constexpr Text kCountSeats =
    "INSERT INTO licenses (row, first_activated_at, last_check_in_at, seats_held, status, issued_at, starts_at, "
    "vacant_seats, transfers, transfers_in_period, transfer_period_start, id, key_digest, policy, overrides, key, holder) "
    "VALUES (?, ?, ?, ?, 1, 0, 0, 0, 0, 0, 0, '', '', 0, '', '', '') ON CONFLICT (row) DO UPDATE SET "
    "first_activated_at = excluded.first_activated_at, last_check_in_at = excluded.last_check_in_at, "
    "seats_held = excluded.seats_held";
// Until the session ends. Names of locks are the server's, not the database's.
inline constexpr Text kGetLead = "SELECT get_lock(concat('lictor leads ', sha1(database())), 0)";
// clang-format on

}  // namespace lictor::store::sql
