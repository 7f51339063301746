// Terms: what a policy grants, with the overrides of one license already applied. Immutable once built; shared by every
// license with the same policy and overrides.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "licensing/fingerprint.h"
#include "licensing/version.h"

namespace lictor::licensing {

using base::UnixSeconds;
using Seconds = std::int64_t;

inline constexpr UnixSeconds kNever = std::numeric_limits<std::int64_t>::max();
inline constexpr std::uint32_t kUnlimited = std::numeric_limits<std::uint32_t>::max();

// Persisted enumerations: do not change values.
enum class LicenseType : std::uint8_t { perpetual = 1, subscription = 2, trial = 3, metered = 4 };
enum class DurationStart : std::uint8_t { on_issue = 1, on_first_activation = 2 };
enum class ExpiryMode : std::uint8_t {
  restrict = 1,  // refused after expiry and grace
  maintain = 2,  // versions released before the expiry go on working
  allow = 3,     // valid, with a warning
};
enum class OverageKind : std::uint8_t { none = 1, percent = 2, unlimited = 3 };
enum class QuotaPeriod : std::uint8_t { total = 1, hour = 2, day = 3, month = 4, year = 5 };  // calendar, UTC

struct Overage {
  OverageKind kind = OverageKind::none;
  std::uint32_t percent = 0;
};

struct Feature {
  std::string name;
  std::optional<std::int64_t> limit;
  UnixSeconds expires_at = kNever;
};

struct Quota {
  std::string metric;
  std::optional<std::int64_t> amount;  // nothing: counted without a limit
  QuotaPeriod period = QuotaPeriod::month;
};

struct Release {
  Version version;
  UnixSeconds released_at = 0;
};

struct Terms {
  LicenseType type = LicenseType::perpetual;
  std::optional<Seconds> duration;  // nothing: never expires by itself
  DurationStart starts = DurationStart::on_issue;
  Seconds grace = 0;
  ExpiryMode expiry_mode = ExpiryMode::restrict;
  std::uint32_t max_clients = 1;  // kUnlimited: no limit
  Overage overage;
  Binding binding = Binding::none;
  Seconds lease = 0;  // 0: node-locked
  Seconds borrow_max = 0;
  Seconds check_in = 0;                        // 0: no check-in needed
  std::optional<std::uint32_t> max_transfers;  // node-locked only; nothing: any number
  Seconds transfer_period = 365 * 86400;
  VersionRange versions;
  std::vector<Feature> features;                         // sorted by name
  std::vector<Quota> quotas;                             // sorted by metric
  std::shared_ptr<const std::vector<Release>> releases;  // of the product, which has them once; may be null
  bool offline = false;

  bool floating() const noexcept { return lease > 0; }
};

// Seats that may be held at once, the overage included; kUnlimited when there is no bound.
std::uint32_t allowed_seats(const Terms& terms) noexcept;
const Feature* find_feature(const Terms& terms, std::string_view name) noexcept;
const Quota* find_quota(const Terms& terms, std::string_view metric) noexcept;
// Floating, of ten seats or more, and a tenth of them or less is free: worth telling before a client is refused.
bool is_nearly_full(std::uint32_t seats_held, const Terms& terms) noexcept;

// When the version came out, if the product names it among its releases.
std::optional<UnixSeconds> release_time(const Terms& terms, const Version& version) noexcept;

// [start, end) of the calendar period (UTC) that holds `now`; end is kNever for `total`.
struct Period {
  UnixSeconds start = 0;
  UnixSeconds end = kNever;
  bool operator==(const Period&) const = default;
};
Period period_at(QuotaPeriod period, UnixSeconds now) noexcept;

}  // namespace lictor::licensing
