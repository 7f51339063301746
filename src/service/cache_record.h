// The compact records of the cache, 64 bytes each, one cache line. They keep what Validate decides from and answers
// with: transfers, first activation, versions and client names are not among it and stay in the database.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>

#include "base/id.h"
#include "licensing/license.h"

namespace lictor::service {

// Seconds in 32 bits, until 2106; later times saturate and are read back as kNever. Good for times the server sets
// itself (issue, check-in, ends of leases) and for starts_at, which is refused beyond that on input.
using ShortTime = std::uint32_t;
inline constexpr ShortTime kShortNever = 0xFFFFFFFF;

inline ShortTime shorten(base::UnixSeconds time) noexcept {
  return static_cast<ShortTime>(std::clamp<base::UnixSeconds>(time, 0, kShortNever));
}
inline base::UnixSeconds lengthen(ShortTime time) noexcept {
  return time == kShortNever ? licensing::kNever : static_cast<base::UnixSeconds>(time);
}

// Seconds in 40 bits, until the year 36 000. The input ends in 9999; later times are read back as kNever too.
inline constexpr std::uint64_t kLongNever = (std::uint64_t{1} << 40) - 1;

struct alignas(64) LicenseRecord {
  static constexpr std::uint32_t kNoSeat = 0xFFFFFFFF;

  base::Id id;
  base::Digest key_digest;
  std::uint64_t expires_at : 40 = 0;
  std::uint64_t terms : 24 = 0;  // index into the Catalog
  // Where the client that was asked for last may be: a hint, checked against the record there. Read without a lock.
  std::atomic<std::uint32_t> last_seat{kNoSeat};
  std::uint32_t seats_held : 28 = 0;
  std::uint32_t status : 2 = 0;
  std::uint32_t touched : 2 = 0;  // since the clock hand passed
  ShortTime issued_at = 0, starts_at = 0, next_lease_end = 0, last_check_in_at = 0;

  void set(const licensing::License& license) noexcept {
    expires_at =
        static_cast<std::uint64_t>(std::clamp<base::UnixSeconds>(license.expires_at, 0, kLongNever)) & kLongNever;
    set_seats(license.seats_held);
    status = static_cast<std::uint32_t>(license.status) & 3;
    issued_at = shorten(license.issued_at);
    starts_at = shorten(license.starts_at);
    next_lease_end = shorten(license.next_lease_end);
    last_check_in_at = shorten(license.last_check_in_at);
  }
  void set_seats(std::uint32_t count) noexcept {
    seats_held = count & ((1U << 28) - 1);  // max_clients is far below on input
  }
  void get(licensing::License& license) const noexcept {
    license.status = static_cast<licensing::LicenseStatus>(status);
    license.issued_at = issued_at;
    license.starts_at = starts_at;
    license.expires_at = expires_at == kLongNever ? licensing::kNever : static_cast<base::UnixSeconds>(expires_at);
    license.last_check_in_at = last_check_in_at;
    license.seats_held = seats_held;
    license.next_lease_end = lengthen(next_lease_end);
  }
};
static_assert(sizeof(LicenseRecord) == 64);

// Owns `components` while kind is components: free_fingerprint() before the record goes.
struct alignas(64) ActivationRecord {
  using Kind = licensing::Fingerprint::Kind;

  base::Digest seat;  // the license and the client, see Cache::seat_key
  base::Id client;
  union {
    base::Digest opaque{};               // kind opaque
    licensing::Fingerprint* components;  // kind components
  };
  ShortTime activated_at = 0, lease_expires_at = 0;
  Kind kind = Kind::absent;
  bool blocked = false, over_limit = false, touched = false;

  void set(const licensing::Activation& activation) {
    free_fingerprint();
    client = activation.client;
    activated_at = shorten(activation.activated_at);
    lease_expires_at = shorten(activation.lease_expires_at);
    blocked = activation.blocked;
    over_limit = activation.over_limit;
    if (activation.fingerprint.kind == Kind::opaque) opaque = activation.fingerprint.tags[0];
    if (activation.fingerprint.kind == Kind::components)
      components = new licensing::Fingerprint(activation.fingerprint);
    kind = activation.fingerprint.kind;
  }
  void get(licensing::Activation& activation) const noexcept {
    activation.client = client;
    activation.version.clear();  // see licensing::depends_on_version
    activation.held = true;      // only seats that are held are kept here
    activation.blocked = blocked;
    activation.over_limit = over_limit;
    activation.activated_at = activated_at;
    activation.lease_expires_at = lengthen(lease_expires_at);
    if (kind == Kind::components) {
      activation.fingerprint = *components;
      return;
    }
    activation.fingerprint.kind = kind;
    activation.fingerprint.mask = 0;
    if (kind == Kind::opaque) activation.fingerprint.tags[0] = opaque;
  }
  void free_fingerprint() noexcept {
    if (kind == Kind::components) delete components;
    kind = Kind::absent;
  }
};
static_assert(sizeof(ActivationRecord) == 64);

}  // namespace lictor::service
