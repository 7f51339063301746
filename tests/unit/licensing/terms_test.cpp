// Seats allowed, calendar periods, versions and their ranges.
#include "licensing/terms.h"

#include <gtest/gtest.h>

#include <vector>

#include "licensing/decide.h"

namespace lictor::licensing {
namespace {

// One more duration, from the later of now and the expiry.
TEST(RenewedExpiry, Table) {
  const auto renewed = [](UnixSeconds expires_at, std::optional<Seconds> duration) {
    License license;
    license.expires_at = expires_at;
    Terms terms;
    terms.duration = duration;
    return renewed_expiry(license, terms, 1'000);
  };
  EXPECT_EQ(renewed(1'500, 100), 1'600);
  EXPECT_EQ(renewed(1'000, 100), 1'100);
  EXPECT_EQ(renewed(500, 100), 1'100) << "no time is given for what has passed";
  EXPECT_EQ(renewed(kNever, 100), std::nullopt);
  EXPECT_EQ(renewed(1'500, std::nullopt), std::nullopt);
  EXPECT_EQ(renewed(kNever - 1, 100), kNever) << "no overflow";
}

TEST(Terms, NearlyFull) {
  struct Row {
    std::uint32_t held, max_clients;
    Seconds lease;
    bool nearly_full;
  };
  const std::vector<Row> rows{
      {8, 10, 60, false},
      {9, 10, 60, true},
      {10, 10, 60, true},
      {12, 10, 60, true},  // overage
      {10, 10, 0, false},  // node-locked: being full is what was sold
      {9, 9, 60, false},   // too small to have a tenth
      {899, 1'000, 60, false},
      {900, 1'000, 60, true},
      {4'000'000, 4'000'000, 60, true},  // no overflow
      {3'000'000'000, kUnlimited, 60, false},
  };
  for (const Row& row : rows) {
    Terms terms;
    terms.max_clients = row.max_clients;
    terms.lease = row.lease;
    EXPECT_EQ(is_nearly_full(row.held, terms), row.nearly_full) << row.held << " of " << row.max_clients;
  }
}

TEST(Terms, AllowedSeats) {
  struct Row {
    std::uint32_t max_clients;
    Overage overage;
    std::uint32_t allowed;
  };
  using K = OverageKind;
  const std::vector<Row> rows{
      {5, {K::none, 0}, 5},
      {5, {K::none, 90}, 5},
      {5, {K::percent, 0}, 5},
      {5, {K::percent, 19}, 5},
      {5, {K::percent, 20}, 6},
      {5, {K::percent, 39}, 6},
      {5, {K::percent, 40}, 7},
      {1, {K::percent, 99}, 1},
      {1, {K::percent, 100}, 2},
      {3, {K::percent, 250}, 10},
      {0, {K::percent, 100}, 0},
      {0, {K::none, 0}, 0},
      {1, {K::unlimited, 0}, kUnlimited},
      {kUnlimited, {K::none, 0}, kUnlimited},
      {kUnlimited, {K::percent, 10}, kUnlimited},
      {kUnlimited - 1, {K::percent, 10}, kUnlimited - 1},
      {kUnlimited - 1, {K::percent, kUnlimited}, kUnlimited - 1},  // was: overflowed to a few seats
      {100, {K::percent, kUnlimited}, kUnlimited - 1},
  };
  for (const Row& row : rows) {
    Terms terms;
    terms.max_clients = row.max_clients;
    terms.overage = row.overage;
    EXPECT_EQ(allowed_seats(terms), row.allowed) << row.max_clients << " + " << row.overage.percent << " %";
  }
}

TEST(Terms, FindsFeaturesAndQuotasByTheirWholeName) {
  Terms terms;
  terms.features = {{"a", {}, kNever}, {"cad", 5, kNever}, {"cad2", {}, kNever}};
  terms.quotas = {{"calls", 5, QuotaPeriod::day}, {"rows", {}, QuotaPeriod::total}};
  EXPECT_EQ(find_feature(terms, "cad")->limit, 5);
  for (const char* name : {"", "ca", "cad3", "A", "zz"}) EXPECT_EQ(find_feature(terms, name), nullptr) << name;
  EXPECT_EQ(find_quota(terms, "calls")->amount, 5);
  for (const char* name : {"", "call", "calls2", "zz"}) EXPECT_EQ(find_quota(terms, name), nullptr) << name;
  EXPECT_EQ(find_feature(Terms{}, "cad"), nullptr);
}

TEST(Terms, PeriodTable) {
  struct Row {
    QuotaPeriod period;
    UnixSeconds now;
    Period expected;
  };
  using P = QuotaPeriod;
  const std::vector<Row> rows{
      {P::total, 0, {0, kNever}},
      {P::total, 1'800'000'000, {0, kNever}},
      {P::hour, 1'800'000'000, {1'800'000'000, 1'800'003'600}},
      {P::hour, 1'800'003'599, {1'800'000'000, 1'800'003'600}},
      {P::hour, 1'800'003'600, {1'800'003'600, 1'800'007'200}},
      {P::day, 1'800'000'000, {1'799'971'200, 1'800'057'600}},
      {P::day, 1'800'057'599, {1'799'971'200, 1'800'057'600}},
      {P::day, 1'800'057'600, {1'800'057'600, 1'800'144'000}},
      {P::month, 0, {0, 2'678'400}},
      {P::month, 1'709'164'800, {1'706'745'600, 1'709'251'200}},      // 2024-02-29: a leap year
      {P::month, 1'709'251'199, {1'706'745'600, 1'709'251'200}},      // its last second
      {P::month, 1'709'251'200, {1'709'251'200, 1'711'929'600}},      // 2024-03-01
      {P::month, 1'677'542'400, {1'675'209'600, 1'677'628'800}},      // 2023-02-28: 28 days
      {P::month, 1'706'659'200, {1'704'067'200, 1'706'745'600}},      // 2024-01-31, whose next month has no 31st
      {P::month, 1'735'689'599, {1'733'011'200, 1'735'689'600}},      // the last second of 2024
      {P::month, 4'107'542'400 - 1, {4'105'123'200, 4'107'542'400}},  // 2100-02-28: no leap year
      {P::year, 1'709'164'800, {1'704'067'200, 1'735'689'600}},       // 2024: 366 days
      {P::year, 1'735'689'599, {1'704'067'200, 1'735'689'600}},
      {P::year, 1'735'689'600, {1'735'689'600, 1'767'225'600}},  // 2025: 365 days
      {P::hour, -1, {-3'600, 0}},
      {P::hour, -3'600, {-3'600, 0}},
      {P::day, -1, {-86'400, 0}},
      {P::month, -1, {-2'678'400, 0}},
      {P::year, -1, {-31'536'000, 0}},
  };
  for (const Row& row : rows) {
    const Period period = period_at(row.period, row.now);
    EXPECT_EQ(period.start, row.expected.start) << int(row.period) << " at " << row.now;
    EXPECT_EQ(period.end, row.expected.end) << int(row.period) << " at " << row.now;
  }
}

// Whatever the time: it lies in its period, and the next period begins where this one ends.
TEST(Terms, PeriodsTileTheTime) {
  for (const auto kind : {QuotaPeriod::hour, QuotaPeriod::day, QuotaPeriod::month, QuotaPeriod::year}) {
    for (UnixSeconds now = -5'000'000'000; now < 8'000'000'000; now += 7'654'321) {
      const Period period = period_at(kind, now);
      ASSERT_LE(period.start, now);
      ASSERT_LT(now, period.end);
      ASSERT_EQ(period_at(kind, period.start), period);
      ASSERT_EQ(period_at(kind, period.end - 1), period);
      ASSERT_EQ(period_at(kind, period.end).start, period.end);
    }
  }
}

TEST(Version, ParseTable) {
  struct Row {
    std::string_view text;
    std::optional<Version> version;
  };
  const std::vector<Row> rows{
      {"1", Version{{1, 0, 0, 0}}},
      {"1.2", Version{{1, 2, 0, 0}}},
      {"1.2.3", Version{{1, 2, 3, 0}}},
      {"1.2.3.4", Version{{1, 2, 3, 4}}},
      {"v2.3.1", Version{{2, 3, 1, 0}}},
      {"V2", Version{{2, 0, 0, 0}}},
      {"0", Version{}},
      {"4294967295", Version{{4294967295, 0, 0, 0}}},
      {"1.0-rc.1", Version{{1, 0, 0, 0}, false}},
      {"1.0-alpha+build.7", Version{{1, 0, 0, 0}, false}},
      {"1.0+build-7", Version{{1, 0, 0, 0}}},
      {"", {}},
      {"v", {}},
      {"vv1", {}},
      {".", {}},
      {"1.", {}},
      {".1", {}},
      {"1..2", {}},
      {"1.2.3.4.5", {}},
      {"4294967296", {}},
      {"-1", {}},
      {"+1", {}},
      {"1.-2", {}},
      {"1.+2", {}},
      {"1-", {}},
      {"1+", {}},
      {"1-+b", {}},
      {" 1", {}},
      {"1 ", {}},
      {"1,2", {}},
      {"0x1", {}},
      {"1.2a", {}},
      {"one", {}},
      {"1\n", {}},
      {"\xEF\xBC\x91", {}},  // a full-width 1
  };
  for (const Row& row : rows) {
    const auto version = parse_version(row.text);
    ASSERT_EQ(version.has_value(), row.version.has_value()) << row.text;
    EXPECT_TRUE(version == row.version) << row.text;
  }
}

TEST(Version, Order) {
  const std::vector<std::string_view> ascending{"0.9", "1.0-beta", "1.0",  "1.0.0.1", "1.0.1",
                                                "1.2", "1.10",     "2-rc", "2",       "10"};
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    for (std::size_t j = 0; j < ascending.size(); ++j) {
      EXPECT_EQ(*parse_version(ascending[i]) < *parse_version(ascending[j]), i < j)
          << ascending[i] << " " << ascending[j];
    }
  }
  EXPECT_TRUE(*parse_version("1.0-a") == *parse_version("1.0-b"));
  EXPECT_TRUE(*parse_version("1") == *parse_version("v1.0.0+x"));
}

TEST(VersionRange, Table) {
  struct Row {
    std::string_view range, version;
    bool covered;
  };
  const std::vector<Row> rows{
      {"", "0.1", true},           {"*", "99", true},         {"  *  ", "99", true},     {">=2.0", "2.0", true},
      {">=2.0", "1.9.9", false},   {">2.0", "2.0", false},    {">2.0", "2.0.0.1", true}, {"<=2.0", "2.0", true},
      {"<=2.0", "2.0.1", false},   {"<3.0", "3.0-rc1", true}, {"<3.0", "3.0", false},    {"=2.1", "2.1.0", true},
      {"2.1", "2.1", true},        {"2.1", "2.1.1", false},   {">=2 <3", "2.5", true},   {">=2 <3", "3", false},
      {"  >=2   <3 ", "1", false}, {">=2 * <3", "2", true},   {">=3 <2", "2.5", false},  {">=v2", "2", true},
  };
  for (const Row& row : rows) {
    const auto range = VersionRange::parse(row.range);
    ASSERT_TRUE(range) << row.range;
    EXPECT_EQ(range->covers(*parse_version(row.version)), row.covered) << row.range << " and " << row.version;
  }
  EXPECT_TRUE(VersionRange::parse("*")->is_any());
  EXPECT_FALSE(VersionRange::parse(">=0")->is_any());
}

TEST(VersionRange, RefusesWhatIsNoRange) {
  for (const std::string_view text :
       {">=", ">= 2", "~2", "^2", ">>2", "==2", "2.x", ">=2,<3", ">=2 <", "a", "**", ">=2\t<3", "!=2"}) {
    const auto range = VersionRange::parse(text);
    ASSERT_FALSE(range) << text;
    EXPECT_EQ(range.problem().field, "version_range");
    EXPECT_NE(range.problem().message.find("allowed"), std::string::npos);
  }
}

}  // namespace
}  // namespace lictor::licensing
