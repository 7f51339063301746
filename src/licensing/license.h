// The state that decisions are made from and that they change: a license and one client's activation of it.
#pragma once

#include <cstdint>
#include <string>

#include "base/id.h"
#include "licensing/terms.h"

namespace lictor::licensing {

// Persisted: do not change values.
enum class LicenseStatus : std::uint8_t { active = 1, suspended = 2, revoked = 3 };

struct License {
  LicenseStatus status = LicenseStatus::active;
  UnixSeconds issued_at = 0;
  UnixSeconds starts_at = 0;            // not valid before
  UnixSeconds expires_at = kNever;      // kNever also while a duration waits for the first activation
  UnixSeconds first_activated_at = 0;   // 0: never yet
  UnixSeconds last_check_in_at = 0;     // 0: never yet
  std::uint32_t seats_held = 0;         // leases that have ended are not counted
  UnixSeconds next_lease_end = kNever;  // no lease that counts ends before; a lower bound, kNever when there is none

  // Transfers of node-locked seats. A seat that its client gave up is vacant until somebody takes it; its old client
  // takes it back for nothing while no transfer came in between, everybody else's taking it is a transfer.
  std::uint32_t vacant_seats = 0;
  std::uint32_t transfers = 0;  // all that ever happened; also the mark that tells "in between"
  std::uint32_t transfers_in_period = 0;
  UnixSeconds transfer_period_start = 0;

  bool operator==(const License&) const = default;
};

struct Activation {
  base::Id client;          // the server's id of the client on this license
  bool held = false;        // holds a seat, if a lease's end has not come yet
  bool blocked = false;     // by an administrator
  bool over_limit = false;  // granted as overage
  UnixSeconds activated_at = 0;
  UnixSeconds lease_expires_at = kNever;  // kNever: node-locked
  UnixSeconds released_at = 0;            // when it was given up (an ended lease: its end, or 0); 0 while held
  bool vacated = false;                   // gave up a node-locked seat, see License
  std::uint32_t vacated_at_transfer = 0;  // License::transfers then
  Fingerprint fingerprint;                // what the seat is bound to
  std::string version;                    // of the client, as last told

  bool operator==(const Activation&) const = default;
};

inline bool holds_seat(const Activation& activation, UnixSeconds now) noexcept {
  return activation.held && now < activation.lease_expires_at;
}

}  // namespace lictor::licensing
