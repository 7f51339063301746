// Metered usage, changes of status, issue, and the word for a license's state.
#include <limits>

#include "unit/licensing/scenario.h"

namespace lictor::test {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr UnixSeconds kJan15 = 1'800'000'000;  // 2027-01-15 08:00:00 UTC
constexpr UnixSeconds kJan1 = 1'798'761'600, kFeb1 = 1'801'440'000;

struct UsageRow {
  std::string_view name;
  Facts facts;
  std::int64_t quantity, used;
  std::optional<Code> denied = {};
  std::int64_t total = 0;                  // granted
  std::optional<std::int64_t> quota = {};  // in both cases
  std::optional<Period> period = {};
  UnixSeconds now = kJan15;
  bool names_client = false;
};

constexpr auto kExceeded = Code::usage_quota_exceeded;

TEST(Usage, Table) {
  const Fact m = type(LicenseType::metered);
  const std::vector<UsageRow> rows{
      {"counted without a limit", {m, quota("calls", {})}, 5, 7, {}, 12, {}},
      {"up to the quota", {m, quota("calls", 10)}, 3, 7, {}, 10, 10},
      {"one beyond the quota", {m, quota("calls", 10)}, 4, 7, kExceeded, 0, 10},
      {"a used-up quota", {m, quota("calls", 10)}, 1, 10, kExceeded, 0, 10},
      {"a quota lowered below what is used", {m, quota("calls", 10)}, 1, 20, kExceeded, 0, 10},
      {"a quota of 0", {m, quota("calls", 0)}, 1, 0, kExceeded, 0, 0},
      {"metered: a metric nobody named is counted", {m}, 5, 0, {}, 5, {}, Period{kJan1, kFeb1}},
      {"perpetual: a metric nobody named has a quota of 0", {}, 1, 0, kExceeded, 0, 0},
      {"subscription: likewise", {type(LicenseType::subscription)}, 1, 0, kExceeded, 0, 0},
      {"trial: likewise", {type(LicenseType::trial)}, 1, 0, kExceeded, 0, 0},
      {"perpetual: a named metric", {quota("calls", 10)}, 10, 0, {}, 10, 10},
      {"perpetual: a named metric without a limit", {quota("calls", {})}, 10, 0, {}, 10, {}},
      {"the name of another metric", {quota("call", 10), quota("calls2", 10)}, 1, 0, kExceeded, 0, 0},
      {"the greatest quantity", {m}, kMost, 0, {}, kMost, {}},
      {"a sum that would overflow", {m}, 1, kMost, kExceeded, 0, {}},
      {"a sum that would overflow by far", {m}, kMost, kMost, kExceeded, 0, {}},
      {"a sum just below", {m}, 1, kMost - 1, {}, kMost, {}},
      {"a great quantity against a small quota", {m, quota("calls", 10)}, kMost, 9, kExceeded, 0, 10},
      {"a quota as great as can be", {m, quota("calls", kMost)}, kMost, 0, {}, kMost, kMost},
      {"per hour", {m, quota("calls", 9, QuotaPeriod::hour)}, 1, 0, {}, 1, 9, Period{kJan15, kJan15 + kHour}},
      {"per day",
       {m, quota("calls", 9, QuotaPeriod::day)},
       1,
       0,
       {},
       1,
       9,
       Period{kJan15 - 8 * kHour, kJan15 + 16 * kHour}},
      {"per month", {m, quota("calls", 9, QuotaPeriod::month)}, 1, 0, {}, 1, 9, Period{kJan1, kFeb1}},
      {"per year", {m, quota("calls", 9, QuotaPeriod::year)}, 1, 0, {}, 1, 9, Period{kJan1, kJan1 + 365 * kDay}},
      {"in total", {m, quota("calls", 9, QuotaPeriod::total)}, 1, 0, {}, 1, 9, Period{0, kNever}},
      {"suspended", {m, status(LicenseStatus::suspended)}, 1, 0, Code::license_suspended},
      {"revoked", {m, status(LicenseStatus::revoked)}, 1, 0, Code::license_revoked},
      {"not yet valid", {m, starts(kJan15 + 1)}, 1, 0, Code::license_not_yet_valid},
      {"expired", {m, expires(kJan15)}, 1, 0, Code::license_expired},
      {"in grace", {m, expires(kJan15), grace(1)}, 1, 0, {}, 1, {}},
      {"expired, mode allow", {m, expires(kJan15), on_expiry(ExpiryMode::allow)}, 1, 0, {}, 1, {}},
      {"check-in overdue", {m, check_in(9), checked_in(kJan15 - 9)}, 1, 0, Code::check_in_overdue},
      {.name = "a client without a seat",
       .facts = {m},
       .quantity = 1,
       .used = 0,
       .denied = Code::client_not_activated,
       .names_client = true},
      {.name = "a client with a seat",
       .facts = {m, held()},
       .quantity = 1,
       .used = 0,
       .total = 1,
       .names_client = true},
      {.name = "a blocked client",
       .facts = {m, held(), blocked()},
       .quantity = 1,
       .used = 0,
       .denied = Code::client_blocked,
       .names_client = true},
      {.name = "an ended lease",
       .facts = {m, floating(9), leased(kJan15)},
       .quantity = 1,
       .used = 0,
       .denied = Code::lease_expired,
       .names_client = true},
      {"a blocked client is no matter when none is named", {m, held(), blocked()}, 1, 0, {}, 1, {}},
  };
  for (const UsageRow& row : rows) {
    SCOPED_TRACE(row.name);
    const World w = world_of(row.facts);
    const UseMetric command{.names_client = row.names_client, .metric = "calls", .quantity = row.quantity};
    const auto usage = decide(w.license, w.terms, w.activation ? &*w.activation : nullptr, command, row.used, row.now);
    EXPECT_EQ(usage.period, row.period.value_or(usage.period));
    EXPECT_EQ(usage.period, usage_period(w.terms, "calls", row.now));
    ASSERT_EQ(usage.denial.has_value(), row.denied.has_value());
    if (row.denied) {
      EXPECT_EQ(usage.denial->code, *row.denied);
      EXPECT_EQ(usage.total, row.used) << "a refusal adds nothing";
      if (*row.denied != kExceeded) continue;
      EXPECT_EQ(usage.denial->used, row.used);
      EXPECT_EQ(usage.denial->quota, row.quota.value_or(kMost));
      EXPECT_EQ(usage.denial->at, usage.period.end);
    } else {
      EXPECT_EQ(usage.total, row.total);
    }
    EXPECT_EQ(usage.quota, row.quota);
  }
}

TEST(Status, Table) {
  using S = LicenseStatus;
  struct StatusRow {
    S before;
    StatusCommand command;
    std::optional<S> after;  // nothing: unchanged
    bool refused = false;
  };
  const std::vector<StatusRow> rows{
      {S::active, StatusCommand::suspend, S::suspended}, {S::active, StatusCommand::resume, {}},
      {S::active, StatusCommand::revoke, S::revoked},    {S::suspended, StatusCommand::suspend, {}},
      {S::suspended, StatusCommand::resume, S::active},  {S::suspended, StatusCommand::revoke, S::revoked},
      {S::revoked, StatusCommand::suspend, {}, true},    {S::revoked, StatusCommand::resume, {}, true},
      {S::revoked, StatusCommand::revoke, {}},
  };
  for (const StatusRow& row : rows) {
    SCOPED_TRACE(testing::Message() << int(row.before) << " " << int(row.command));
    License license = world_of({held(), status(row.before), vacant(3)}).license;
    const Decision decision = decide(license, row.command);
    ASSERT_EQ(decision.denial.has_value(), row.refused);
    EXPECT_TRUE(!row.refused || decision.denial->code == Code::license_revoked);
    ASSERT_EQ(decision.license.has_value(), row.after.has_value());
    EXPECT_FALSE(decision.activation);
    if (!row.after) continue;
    license.status = *row.after;
    EXPECT_EQ(*decision.license, license) << "nothing else changes";
  }
}

TEST(Issue, Table) {
  const auto lasting = [](Seconds duration, DurationStart start) {
    Terms terms;
    terms.duration = duration;
    terms.starts = start;
    return terms;
  };
  constexpr auto kIssue = DurationStart::on_issue, kFirst = DurationStart::on_first_activation;
  struct IssueRow {
    std::string_view name;
    Terms terms;
    std::optional<UnixSeconds> starts_at, expires_at;
    UnixSeconds starts, expires;
  };
  const std::vector<IssueRow> rows{
      {"without a duration", {}, {}, {}, kNow, kNever},
      {"a duration from the issue", lasting(kDay, kIssue), {}, {}, kNow, kNow + kDay},
      {"a duration from a later start", lasting(kDay, kIssue), kNow + 5, {}, kNow + 5, kNow + 5 + kDay},
      {"a duration that waits", lasting(kDay, kFirst), {}, {}, kNow, kNever},
      {"an expiry given beats the duration", lasting(kDay, kIssue), {}, kNow + 9, kNow, kNow + 9},
      {"also one that waits", lasting(kDay, kFirst), {}, kNow + 9, kNow, kNow + 9},
      {"a duration past the end of time", lasting(kNever, kIssue), {}, {}, kNow, kNever},
  };
  for (const IssueRow& row : rows) {
    SCOPED_TRACE(row.name);
    EXPECT_EQ(issue(row.terms, kNow, row.starts_at, row.expires_at),
              (License{.issued_at = kNow, .starts_at = row.starts, .expires_at = row.expires}));
  }
}

TEST(StatusText, Table) {
  struct TextRow {
    Facts facts;
    std::string_view text;
  };
  const std::vector<TextRow> rows{
      {{}, "active"},
      {{status(LicenseStatus::suspended), expires(kNow - 1)}, "suspended"},
      {{status(LicenseStatus::revoked), starts(kNow + 1)}, "revoked"},
      {{starts(kNow + 1)}, "not_yet_valid"},
      {{starts(kNow)}, "active"},
      {{expires(kNow + 1)}, "active"},
      {{expires(kNow)}, "expired"},
      {{expires(kNow), grace(1)}, "grace"},
      {{expires(kNow - 1), grace(1)}, "expired"},
      {{expires(kNow), on_expiry(ExpiryMode::allow)}, "expired"},
      {{expires(kNow), on_expiry(ExpiryMode::maintain)}, "expired"},
      {{expires(kNow), grace(kNever)}, "grace"},
  };
  for (const TextRow& row : rows) {
    const World w = world_of(row.facts);
    EXPECT_EQ(status_text(w.license, w.terms, kNow), row.text);
  }
}

}  // namespace
}  // namespace lictor::test
