// What only PostgreSQL runs: locks, and sets of rows from arrays, a parameter for each column.
#pragma once

#include <string_view>

#include "store/queries.h"

namespace lictor::store::sql {

// clang-format off
// Locked in the order of their rows, whoever else locks some of them; others may still refer to them.
#define LICTOR_LOCKED " ORDER BY row FOR NO KEY UPDATE"
#define LICTOR_WANTED " FROM licenses WHERE row = ANY(?1) OR id = ANY(?2) OR key_digest = ANY(?3)" LICTOR_LOCKED
// Behind the columns: the version of the catalogue.
inline constexpr Text kLockLicenses =
    "SELECT " LICTOR_LICENSE_COLUMNS ", " LICTOR_VERSION_OF_CATALOG LICTOR_WANTED;
inline constexpr Text kLockDetails =
    "SELECT " LICTOR_DETAILS_COLUMNS ", " LICTOR_VERSION_OF_CATALOG LICTOR_WANTED;
#undef LICTOR_WANTED
// By one index instead of three: a third of the time.
inline constexpr Text kLockRows =
    "SELECT " LICTOR_LICENSE_COLUMNS ", " LICTOR_VERSION_OF_CATALOG " FROM licenses WHERE row = ANY(?1)" LICTOR_LOCKED;
#undef LICTOR_LOCKED
// Until the session ends. "lictor", and what is locked.
inline constexpr Text kTryLead = "SELECT CASE WHEN pg_try_advisory_lock(118961237815668) THEN 1 ELSE 0 END";
// Behind the columns: which of the questions it answers, from 1.
inline constexpr Text kActivationsOf =
    "SELECT " LICTOR_ACTIVATION_COLUMNS ", asked.number "
    "FROM unnest(?1, ?2) WITH ORDINALITY AS asked (its_license, its_client, number) "
    "JOIN activations ON license = asked.its_license AND client_id = asked.its_client";
inline constexpr Text kUpdateLicenses =
    "UPDATE licenses SET status = new.status, expires_at = new.expires_at, next_lease_end = new.next_lease_end, "
    "issued_at = new.issued_at, starts_at = new.starts_at, first_activated_at = new.first_activated_at, "
    "last_check_in_at = new.last_check_in_at, seats_held = new.seats_held, vacant_seats = new.vacant_seats, "
    "transfers = new.transfers, transfers_in_period = new.transfers_in_period, "
    "transfer_period_start = new.transfer_period_start "
    "FROM unnest(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) AS new (row, status, expires_at, "
    "next_lease_end, issued_at, starts_at, first_activated_at, last_check_in_at, seats_held, vacant_seats, transfers, "
    "transfers_in_period, transfer_period_start) WHERE licenses.row = new.row";
// What an activation changes of most licenses.
inline constexpr Text kUpdateSeats =
    "UPDATE licenses SET first_activated_at = new.first_activated_at, last_check_in_at = new.last_check_in_at, "
    "seats_held = new.seats_held FROM unnest(?1, ?2, ?3, ?4) AS new (row, first_activated_at, last_check_in_at, "
    "seats_held) WHERE licenses.row = new.row";
// For those that are known not to be there: a row that may conflict is inserted in two steps and costs a fifth more.
inline constexpr Text kInsertActivations =
    "INSERT INTO activations (license, client_id, client, held, blocked, over_limit, activated_at, lease_expires_at, "
    "released_at, vacated, vacated_at_transfer, fingerprint, version, last_seen_at) "
    "SELECT * FROM unnest(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
inline constexpr Text kUpsertActivations =
    "INSERT INTO activations (license, client_id, client, held, blocked, over_limit, activated_at, lease_expires_at, "
    "released_at, vacated, vacated_at_transfer, fingerprint, version, last_seen_at) "
    "SELECT * FROM unnest(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) "
    "ON CONFLICT (license, client_id) DO UPDATE SET held = excluded.held, blocked = excluded.blocked, "
    "over_limit = excluded.over_limit, activated_at = excluded.activated_at, "
    "lease_expires_at = excluded.lease_expires_at, released_at = excluded.released_at, vacated = excluded.vacated, "
    "vacated_at_transfer = excluded.vacated_at_transfer, fingerprint = excluded.fingerprint, "
    "version = excluded.version, last_seen_at = excluded.last_seen_at";
inline constexpr Text kInsertLicenses =
    "INSERT INTO licenses (id, key_digest, policy, status, issued_at, starts_at, expires_at, first_activated_at, "
    "last_check_in_at, seats_held, next_lease_end, vacant_seats, transfers, transfers_in_period, "
    "transfer_period_start, overrides, key, holder) "
    "SELECT a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r "
    "FROM unnest(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18) "
    "WITH ORDINALITY AS new (a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, place) ORDER BY place";
inline constexpr Text kInsertEvents =
    "INSERT INTO events (" LICTOR_EVENT_COLUMNS ") "
    "SELECT * FROM unnest(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
// clang-format on

}  // namespace lictor::store::sql
