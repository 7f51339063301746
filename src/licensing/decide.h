// The core: from state, command and time to a decision. Pure: no I/O, clock, randomness, log or allocation on the path
// of a plain validation. The same functions decide on the read path (from memory) and in a transaction (from rows).
// Thread-safe.
//
// A decision either refuses (denial) or grants; when it changes state, the new state is in `license` / `activation` and
// must be stored in the same transaction in which the old one was read, before the answer is given.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "licensing/codes.h"
#include "licensing/license.h"
#include "licensing/terms.h"

namespace lictor::licensing {

struct Denial {
  Code code = Code::internal;
  UnixSeconds at = 0;  // the time concerned: expired_at, starts_at, check_in_due_at, lease_expired_at, next_transfer_at
  std::uint32_t max_clients = 0, active_clients = 0;
  UnixSeconds next_release_at = kNever;
  HardwareDifference hardware;
  std::string_view feature;  // of the command's or the terms' names
  std::int64_t used = 0, quota = 0;
  std::uint32_t max_transfers = 0;

  bool operator==(const Denial&) const = default;
};

// What happened to the seat; each but `none` and `renewed` is an event, and so is a renewal that binds the seat anew.
enum class SeatChange : std::uint8_t { none, granted, renewed, released };

struct Decision {
  std::optional<Denial> denial;
  SeatChange seat = SeatChange::none;
  bool rebound = false;                  // renewed with a fingerprint or version that the seat did not have
  bool over_limit = false;               // granted beyond max_clients as overage
  bool expired = false;                  // valid although expired (expiry mode allow or maintain)
  UnixSeconds grace_until = 0;           // 0: not in grace
  std::optional<License> license;        // the changed state
  std::optional<Activation> activation;  // the changed state

  bool writes() const noexcept { return license.has_value() || activation.has_value(); }
};

// A fingerprint or version that the caller did not send is nullptr / empty.
struct Activate {
  base::Id new_client;  // the id for a client that was never seen on this license
  const Fingerprint* fingerprint = nullptr;
  std::string_view version;
};

struct Validate {
  bool names_client = false;
  const Fingerprint* fingerprint = nullptr;
  std::string_view version;
  std::span<const std::string_view> features;
};

struct Deactivate {};

struct UseMetric {
  bool names_client = false;
  std::string_view metric;
  std::int64_t quantity = 0;  // > 0
};

// `activation` is the named client's, nullptr when it has none on this license.
// Leases whose end has come must have been taken out of license.seats_held before (License::next_lease_end tells).
Decision decide(const License& license, const Terms& terms, const Activation* activation, const Activate& command,
                UnixSeconds now);
Decision decide(const License& license, const Terms& terms, const Activation* activation, const Validate& command,
                UnixSeconds now);
Decision decide(const License& license, const Terms& terms, const Activation* activation, const Deactivate& command,
                UnixSeconds now);

struct UsageDecision {
  std::optional<Denial> denial;
  std::int64_t total = 0;  // of the period, this command included
  std::optional<std::int64_t> quota;
  Period period;
};
// `used` is what the metric has in the period that usage_period() names.
Period usage_period(const Terms& terms, std::string_view metric, UnixSeconds now) noexcept;
UsageDecision decide(const License& license, const Terms& terms, const Activation* activation, const UseMetric& command,
                     std::int64_t used, UnixSeconds now);

// Administrative changes of status.
enum class StatusCommand : std::uint8_t { suspend, resume, revoke };
// Nothing to do gives an unchanged decision; a revoked license stays revoked (denial license_revoked).
Decision decide(const License& license, StatusCommand command);

// The state in which a license is issued.
License issue(const Terms& terms, UnixSeconds now, std::optional<UnixSeconds> starts_at,
              std::optional<UnixSeconds> expires_at);

// The expiry that one more duration gives, counted from the later of now and the present expiry. Nothing when the terms
// have no duration, or the license does not expire yet because it waits for its first activation.
std::optional<UnixSeconds> renewed_expiry(const License& license, const Terms& terms, UnixSeconds now) noexcept;

// Whether the license may not be used before it is checked in once more.
bool is_check_in_overdue(const License& license, const Terms& terms, UnixSeconds now) noexcept;
// Whether a decision about a client that does not tell its version needs the one it told when it activated.
bool depends_on_version(const License& license, const Terms& terms, UnixSeconds now) noexcept;

// What `status` says in answers: active, grace, expired, not_yet_valid, suspended, revoked.
std::string_view status_text(const License& license, const Terms& terms, UnixSeconds now) noexcept;

}  // namespace lictor::licensing
