// What the tables of decision tests are written in: a state is a list of small facts, an expectation names only what
// the row is about.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "licensing/decide.h"

namespace lictor::licensing {

inline void PrintTo(Code code, std::ostream* out) { *out << wire_name(code); }

}  // namespace lictor::licensing

namespace lictor::test {

using namespace licensing;

inline constexpr Seconds kHour = 3600;
inline constexpr Seconds kDay = 86400;
inline constexpr UnixSeconds kNow = 1'800'000'000;
inline constexpr UnixSeconds kIssued = kNow - 30 * kDay;
inline constexpr UnixSeconds kActivated = kNow - 10 * kDay;

inline base::Id id_of(std::uint8_t n) {
  base::Id id;
  id.bytes[15] = n;
  return id;
}
inline const base::Id kNewClient = id_of(77);
inline const base::Id kOldClient = id_of(11);

// --- Fingerprints
// -----------------------------------------------------------------------------------------------------
inline Fingerprint opaque(std::uint8_t n) {
  Fingerprint fingerprint{.kind = Fingerprint::Kind::opaque};
  fingerprint.tags[0] = id_of(n);
  return fingerprint;
}
struct Part {
  ComponentClass component;
  std::uint8_t tag;
};
inline Fingerprint parts(std::initializer_list<Part> list) {
  Fingerprint fingerprint{.kind = Fingerprint::Kind::components};
  for (const Part& part : list) {
    fingerprint.mask = static_cast<ComponentMask>(fingerprint.mask | bit_of(part.component));
    fingerprint.tags[static_cast<std::size_t>(part.component)] = id_of(part.tag);
  }
  return fingerprint;
}

// --- State
// ------------------------------------------------------------------------------------------------------------
struct World {
  License license{.issued_at = kIssued, .starts_at = kIssued};
  Terms terms;
  std::optional<Activation> activation;

  Activation& mine() {
    if (!activation) activation.emplace().client = kOldClient;
    return *activation;
  }
};
using Fact = std::function<void(World&)>;
using Facts = std::vector<Fact>;

inline World world_of(const Facts& facts) {
  World world;
  for (const Fact& fact : facts) fact(world);
  std::ranges::sort(world.terms.features, {}, &Feature::name);
  std::ranges::sort(world.terms.quotas, {}, &Quota::metric);
  return world;
}

// The terms.
inline Fact type(LicenseType t) {
  return [=](World& w) { w.terms.type = t; };
}
inline Fact max_clients(std::uint32_t n) {
  return [=](World& w) { w.terms.max_clients = n; };
}
inline Fact overage_percent(std::uint32_t n) {
  return [=](World& w) { w.terms.overage = {OverageKind::percent, n}; };
}
inline Fact overage_unlimited() {
  return [](World& w) { w.terms.overage.kind = OverageKind::unlimited; };
}
inline Fact floating(Seconds lease) {
  return [=](World& w) { w.terms.lease = lease; };
}
inline Fact grace(Seconds seconds) {
  return [=](World& w) { w.terms.grace = seconds; };
}
inline Fact on_expiry(ExpiryMode mode) {
  return [=](World& w) { w.terms.expiry_mode = mode; };
}
inline Fact binding(Binding b) {
  return [=](World& w) { w.terms.binding = b; };
}
inline Fact check_in(Seconds seconds) {
  return [=](World& w) { w.terms.check_in = seconds; };
}
inline Fact transfers_allowed(std::uint32_t n) {
  return [=](World& w) { w.terms.max_transfers = n; };
}
inline Fact on_first_activation(Seconds duration) {
  return [=](World& w) { w.terms.duration = duration, w.terms.starts = DurationStart::on_first_activation; };
}
inline Fact versions(std::string range) {
  return [=](World& w) { w.terms.versions = *VersionRange::parse(range); };
}
inline Fact release(std::string version, UnixSeconds at) {
  return [=](World& w) {
    auto releases = w.terms.releases ? *w.terms.releases : std::vector<Release>();
    releases.push_back({*parse_version(version), at});
    w.terms.releases = std::make_shared<const std::vector<Release>>(std::move(releases));
  };
}
inline Fact feature(std::string name, std::optional<std::int64_t> limit = {}, UnixSeconds expires_at = kNever) {
  return [=](World& w) { w.terms.features.push_back({name, limit, expires_at}); };
}
inline Fact quota(std::string metric, std::optional<std::int64_t> amount, QuotaPeriod period = QuotaPeriod::month) {
  return [=](World& w) { w.terms.quotas.push_back({metric, amount, period}); };
}

// The license.
inline Fact status(LicenseStatus s) {
  return [=](World& w) { w.license.status = s; };
}
inline Fact starts(UnixSeconds at) {
  return [=](World& w) { w.license.starts_at = at; };
}
inline Fact expires(UnixSeconds at) {
  return [=](World& w) { w.license.expires_at = at; };
}
inline Fact seats_held(std::uint32_t n) {
  return [=](World& w) { w.license.seats_held = n; };
}
inline Fact first_activated(UnixSeconds at) {
  return [=](World& w) { w.license.first_activated_at = at; };
}
inline Fact checked_in(UnixSeconds at) {
  return [=](World& w) { w.license.last_check_in_at = at; };
}
inline Fact next_lease_end(UnixSeconds at) {
  return [=](World& w) { w.license.next_lease_end = at; };
}
inline Fact vacant(std::uint32_t n) {
  return [=](World& w) { w.license.vacant_seats = n; };
}
inline Fact transferred(std::uint32_t in_period, UnixSeconds period_start, std::uint32_t all = 0) {
  return [=](World& w) {
    w.license.transfers_in_period = in_period;
    w.license.transfers = std::max(all, in_period);
    w.license.transfer_period_start = period_start;
  };
}

// The client's own activation.
inline Fact known() {
  return [](World& w) { w.mine(); };
}
inline Fact held() {  // a seat held for good, the only one unless seats_held() follows
  return [](World& w) {
    w.mine().held = true, w.mine().activated_at = kActivated;
    w.license.first_activated_at = kActivated;
    w.license.seats_held = std::max(w.license.seats_held, 1U);
  };
}
inline Fact leased(UnixSeconds until) {
  return [=](World& w) { held()(w), w.mine().lease_expires_at = until; };
}
inline Fact released(UnixSeconds at) {
  return [=](World& w) { w.mine().held = false, w.mine().released_at = at; };
}
inline Fact vacated(std::uint32_t at_transfer) {
  return [=](World& w) { w.mine().vacated = true, w.mine().vacated_at_transfer = at_transfer; };
}
inline Fact blocked() {
  return [](World& w) { w.mine().blocked = true; };
}
inline Fact over_limit() {
  return [](World& w) { w.mine().over_limit = true; };
}
inline Fact bound(Fingerprint fingerprint) {
  return [=](World& w) { w.mine().fingerprint = fingerprint; };
}
inline Fact told_version(std::string text) {
  return [=](World& w) { w.mine().version = text; };
}

// --- Command and expectation
// ------------------------------------------------------------------------------------------
struct Ask {
  std::optional<Fingerprint> fingerprint = {};
  std::string version = {};
  std::vector<std::string_view> features = {};
  bool names_client = true;
};

struct Expect {
  std::optional<Code> denied = {};
  SeatChange seat = SeatChange::none;
  std::optional<bool> writes = {};
  std::optional<UnixSeconds> at = {};                // of the denial
  std::optional<UnixSeconds> next_release = {};      // of the denial
  std::optional<std::uint32_t> active_clients = {};  // of the denial
  std::string_view feature = {};                     // of the denial
  std::optional<bool> fingerprint_missing = {};      // of the denial
  std::optional<bool> over_limit = {};
  std::optional<bool> expired = {};
  std::optional<UnixSeconds> grace_until = {};
  std::optional<UnixSeconds> lease_end = {};     // afterwards, of the activation
  std::optional<std::uint32_t> held_after = {};  // afterwards, of the license, as everything below
  std::optional<UnixSeconds> expires_at = {};
  std::optional<UnixSeconds> checked_in = {};
  std::optional<std::uint32_t> vacant = {};
  std::optional<std::uint32_t> transfers = {};  // in the period
};

struct Row {
  std::string_view name;
  Facts facts;
  Ask ask = {};
  UnixSeconds now = kNow;
  Expect expect = {};
};

template <class T>
void expect_same(std::string_view what, const std::optional<T>& expected, const T& actual) {
  if (expected && !(*expected == actual)) ADD_FAILURE() << what << " is " << actual << " instead of " << *expected;
}

// Compares only what the row names; a refusal must never change anything.
inline void check(const Row& row, const World& world, const Decision& decision) {
  const Expect& expect = row.expect;
  if (expect.denied) {
    ASSERT_TRUE(decision.denial) << "granted, but " << wire_name(*expect.denied) << " was expected";
    EXPECT_EQ(decision.denial->code, *expect.denied);
    EXPECT_FALSE(decision.writes());
    EXPECT_EQ(decision.seat, SeatChange::none);
    expect_same("at", expect.at, decision.denial->at);
    expect_same("next_release", expect.next_release, decision.denial->next_release_at);
    expect_same("active_clients", expect.active_clients, decision.denial->active_clients);
    expect_same("fingerprint_missing", expect.fingerprint_missing, decision.denial->hardware.fingerprint_missing);
    EXPECT_EQ(decision.denial->feature, expect.feature);
    return;
  }
  ASSERT_FALSE(decision.denial) << "refused with " << wire_name(decision.denial->code);
  EXPECT_EQ(decision.seat, expect.seat);
  expect_same("writes", expect.writes, decision.writes());
  expect_same("over_limit", expect.over_limit, decision.over_limit);
  EXPECT_EQ(decision.expired, expect.expired.value_or(false));
  EXPECT_EQ(decision.grace_until, expect.grace_until.value_or(0));
  const License& license = decision.license ? *decision.license : world.license;
  const Activation nobody;
  const Activation& seat = decision.activation ? *decision.activation : world.activation ? *world.activation : nobody;
  expect_same("lease_end", expect.lease_end, seat.lease_expires_at);
  expect_same("held_after", expect.held_after, license.seats_held);
  expect_same("expires_at", expect.expires_at, license.expires_at);
  expect_same("checked_in", expect.checked_in, license.last_check_in_at);
  expect_same("vacant", expect.vacant, license.vacant_seats);
  expect_same("transfers", expect.transfers, license.transfers_in_period);
}

inline Decision activate(const World& world, const Ask& ask, UnixSeconds now) {
  const Activate command{
      .new_client = kNewClient, .fingerprint = ask.fingerprint ? &*ask.fingerprint : nullptr, .version = ask.version};
  return decide(world.license, world.terms, world.activation ? &*world.activation : nullptr, command, now);
}
inline Decision validate(const World& world, const Ask& ask, UnixSeconds now) {
  const Validate command{.names_client = ask.names_client,
                         .fingerprint = ask.fingerprint ? &*ask.fingerprint : nullptr,
                         .version = ask.version,
                         .features = ask.features};
  return decide(world.license, world.terms, world.activation ? &*world.activation : nullptr, command, now);
}
inline Decision deactivate(const World& world, UnixSeconds now) {
  return decide(world.license, world.terms, world.activation ? &*world.activation : nullptr, Deactivate{}, now);
}

template <class Command>
void run_table(const std::vector<Row>& rows, const Command& command) {
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const World world = world_of(row.facts);
    check(row, world, command(world, row.ask, row.now));
  }
}

}  // namespace lictor::test
