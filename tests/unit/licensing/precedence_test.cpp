// Every subset of what can be wrong at once: the answer is always the first of the contract's order (section 3).
#include "unit/licensing/scenario.h"

namespace lictor::test {
namespace {

struct Wrong {
  Code code;
  Fact fact;
};

// Builds the state in which exactly the faults of `subset` are present.
World with_faults(Facts facts, const std::vector<Wrong>& order, unsigned subset) {
  // The earlier fault is laid on last: where two need the same field (revoked and suspended), the stronger one stays.
  for (std::size_t i = order.size(); i-- > 0;) {
    if ((subset >> i & 1) != 0) facts.push_back(order[i].fact);
  }
  return world_of(facts);
}

std::optional<Code> first_fault(const std::vector<Wrong>& order, unsigned subset) {
  for (std::size_t i = 0; i < order.size(); ++i) {
    if ((subset >> i & 1) != 0) return order[i].code;
  }
  return std::nullopt;
}

template <class Decide>
void check_every_subset(const Facts& healthy, const std::vector<Wrong>& order, const Decide& decide_it) {
  for (unsigned subset = 0; subset < 1U << order.size(); ++subset) {
    const auto denial = decide_it(with_faults(healthy, order, subset));
    const auto code = denial ? std::optional(denial->code) : std::nullopt;
    ASSERT_EQ(code, first_fault(order, subset)) << "subset " << std::hex << subset;
  }
}

const std::vector<Wrong> kOfTheLicense{
    {Code::license_revoked, status(LicenseStatus::revoked)},
    {Code::license_suspended, status(LicenseStatus::suspended)},
    {Code::license_not_yet_valid, starts(kNow + 9)},
    {Code::license_expired, expires(kNow - kDay)},
};
const std::vector<Wrong> kOfTheClient{
    {Code::client_blocked, blocked()},
    {Code::lease_expired, [](World& w) { w.mine().lease_expires_at = kNow, w.mine().released_at = kNow; }},
    {Code::client_not_activated, [](World& w) { w.mine().held = false; }},
};

std::vector<Wrong> joined(std::initializer_list<std::vector<Wrong>> lists) {
  std::vector<Wrong> all;
  for (const auto& list : lists) all.insert(all.end(), list.begin(), list.end());
  return all;
}

TEST(Precedence, ValidateOfEverySubset) {
  const Facts healthy{floating(kHour),          leased(kNow + kHour), check_in(kDay),      checked_in(kNow),
                      binding(Binding::strict), bound(opaque(1)),     told_version("1.0"), feature("cad")};
  const auto order = joined({kOfTheLicense,
                             {{Code::check_in_overdue, checked_in(kNow - kDay)}},
                             kOfTheClient,
                             {{Code::hardware_mismatch, bound(opaque(2))},
                              {Code::version_not_covered, versions(">=2")},
                              {Code::feature_not_licensed, [](World& w) { w.terms.features.clear(); }}}});
  const Ask ask{.fingerprint = opaque(1), .version = "1.0", .features = {"cad"}};
  check_every_subset(healthy, order, [&](const World& w) { return validate(w, ask, kNow).denial; });
}

TEST(Precedence, ValidateUnderMaintainOfEverySubset) {
  const Facts healthy{held(),
                      binding(Binding::strict),
                      bound(opaque(1)),
                      told_version("1.0"),
                      feature("cad"),
                      expires(kNow - 1),
                      on_expiry(ExpiryMode::maintain),
                      release("1.0", kNow - 2)};
  const std::vector<Wrong> order{
      kOfTheLicense[0],
      kOfTheLicense[1],
      kOfTheLicense[2],
      {Code::client_blocked, blocked()},
      {Code::client_not_activated, released(kNow - 1)},
      {Code::hardware_mismatch, bound(opaque(2))},
      {Code::version_not_covered, [](World& w) { w.terms.releases.reset(); }},
      {Code::feature_not_licensed, [](World& w) { w.terms.features.clear(); }},
  };
  const Ask ask{.fingerprint = opaque(1), .features = {"cad"}};
  check_every_subset(healthy, order, [&](const World& w) { return validate(w, ask, kNow).denial; });
}

TEST(Precedence, RenewalOfEverySubset) {
  const Facts healthy{held(), binding(Binding::strict), bound(opaque(1))};
  const auto order = joined({kOfTheLicense,
                             {{Code::client_blocked, blocked()},
                              {Code::hardware_mismatch, bound(opaque(2))},
                              {Code::version_not_covered, versions(">=2")}}});
  const Ask ask{.fingerprint = opaque(1), .version = "1.0"};
  check_every_subset(healthy, order, [&](const World& w) { return activate(w, ask, kNow).denial; });
}

TEST(Precedence, ActivationOfEverySubset) {
  const Facts healthy{known(), max_clients(2), seats_held(1), vacant(1), transfers_allowed(1), transferred(0, kNow)};
  const auto order = joined({kOfTheLicense,
                             {{Code::client_blocked, blocked()},
                              {Code::hardware_mismatch, binding(Binding::strict)},  // no fingerprint is sent
                              {Code::version_not_covered, versions(">=2")},
                              {Code::max_clients_reached, seats_held(2)},
                              {Code::transfer_limit_reached, transferred(1, kNow)}}});
  check_every_subset(healthy, order, [&](const World& w) { return activate(w, {.version = "1.0"}, kNow).denial; });
}

TEST(Precedence, UsageOfEverySubset) {
  const Facts healthy{floating(kHour), leased(kNow + kHour), check_in(kDay), checked_in(kNow), quota("calls", 10)};
  const auto order = joined({kOfTheLicense,
                             {{Code::check_in_overdue, checked_in(kNow - kDay)}},
                             kOfTheClient,
                             {{Code::usage_quota_exceeded, [](World& w) { w.terms.quotas[0].amount = 4; }}}});
  check_every_subset(healthy, order, [&](const World& w) {
    return decide(w.license, w.terms, &*w.activation, {.names_client = true, .metric = "calls", .quantity = 5}, 0, kNow)
        .denial;
  });
}

// Nothing makes a seat harder to give back.
TEST(Precedence, DeactivationIsNeverRefused) {
  const Facts healthy{held(), seats_held(9), binding(Binding::strict), bound(opaque(1))};
  const auto order =
      joined({kOfTheLicense, {{Code::client_blocked, blocked()}, {Code::version_not_covered, versions(">=2")}}});
  for (unsigned subset = 0; subset < 1U << order.size(); ++subset) {
    const auto decision = deactivate(with_faults(healthy, order, subset), kNow);
    ASSERT_FALSE(decision.denial);
    ASSERT_EQ(decision.seat, SeatChange::released);
  }
}

}  // namespace
}  // namespace lictor::test
