#include "licensing/seat_series.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace lictor::licensing {
namespace {

constexpr UnixSeconds kMidnight = 20'000 * kDaySeconds;

struct Step {
  UnixSeconds at;
  std::uint32_t held;
};

// Second by second, without any of the code under test.
class BruteForce {
 public:
  BruteForce(const std::vector<Step>& steps, UnixSeconds end) {
    std::uint32_t held = 0;
    std::size_t next = 0;
    for (UnixSeconds now = kMidnight; now < end; ++now) {
      auto& seconds = seconds_[day_of(now)];
      if (seconds.empty()) start_[day_of(now)] = peak_[day_of(now)] = held;
      for (; next < steps.size() && steps[next].at <= now; ++next) {
        held = steps[next].held;
        peak_[day_of(now)] = std::max(peak_[day_of(now)], held);
        changed_[day_of(now)] = true;
      }
      seconds.push_back(held);
    }
  }
  SeatDay day(Day day) {
    auto sorted = seconds_[day];
    std::ranges::sort(sorted);
    std::int64_t sum = 0;
    for (const std::uint32_t held : sorted) sum += held;
    const auto size = static_cast<std::int64_t>(sorted.size());
    // The least number of seats that at least 95 % of the seconds do not exceed.
    const std::int64_t rank = (size * 95 + 99) / 100;
    return {day, start_[day], peak_[day], sorted[static_cast<std::size_t>(rank - 1)], sum, size};
  }
  bool changed(Day day) { return changed_[day]; }
  std::vector<Day> days() const {
    std::vector<Day> days;
    for (const auto& [day, seconds] : seconds_) days.push_back(day);
    return days;
  }

 private:
  std::map<Day, std::vector<std::uint32_t>> seconds_;
  std::map<Day, std::uint32_t> start_, peak_;
  std::map<Day, bool> changed_;
};

struct Fed {
  SeatSeries series;
  std::vector<SeatDay> closed;
};
Fed feed(const std::vector<Step>& steps) {
  Fed fed{begin_series(steps.front().at), {}};
  for (const Step& step : steps) {
    change(fed.series, step.at, step.held, step.held, [&](const SeatDay& day) { fed.closed.push_back(day); });
  }
  return fed;
}

void expect_same(const std::vector<Step>& steps, UnixSeconds end, const std::string& what) {
  BruteForce expected(steps, end);
  const Fed fed = feed(steps);
  const Day last = day_of(end - 1);
  const auto days = seat_days(fed.closed, fed.series, day_of(kMidnight), last, end, 1'000);
  std::vector<SeatDay> wanted;
  for (const Day day : expected.days()) {
    if (expected.day(day).peak > 0) wanted.push_back(expected.day(day));
  }
  ASSERT_EQ(days.size(), wanted.size()) << what;
  for (std::size_t i = 0; i < days.size(); ++i) {
    EXPECT_EQ(days[i].day, wanted[i].day) << what;
    EXPECT_EQ(days[i].start, wanted[i].start) << what << " day " << i;
    EXPECT_EQ(days[i].peak, wanted[i].peak) << what << " day " << i;
    EXPECT_EQ(days[i].p95, wanted[i].p95) << what << " day " << i;
    EXPECT_EQ(days[i].seat_seconds, wanted[i].seat_seconds) << what << " day " << i;
    EXPECT_EQ(days[i].seconds, wanted[i].seconds) << what << " day " << i;
  }
}

TEST(SeatSeries, FiguresAreThoseOfABruteForce) {
  std::mt19937 random(7);
  for (int round = 0; round < 60; ++round) {
    std::vector<Step> steps;
    UnixSeconds at = kMidnight + static_cast<int>(random() % 100'000);
    std::uint32_t held = 0;
    const int count = 1 + static_cast<int>(random() % 60);
    for (int i = 0; i < count; ++i) {
      held = random() % 3 == 0 && held > 0
                 ? held - 1
                 : std::min<std::uint32_t>(held + static_cast<std::uint32_t>(random() % 3), 120);
      steps.push_back({at, held});
      at += static_cast<int>(random() % (round % 2 == 0 ? 30'000 : 900));
    }
    const UnixSeconds end = std::max(at, kMidnight + 1) + static_cast<int>(random() % 200'000);
    expect_same(steps, end, "round " + std::to_string(round));
  }
}

TEST(SeatSeries, AllWithinOneSecondCountsForThePeakOnly) {
  const Fed fed = feed({{kMidnight + 5, 1}, {kMidnight + 5, 2}, {kMidnight + 5, 0}});
  const auto days = seat_days({}, fed.series, 0, 30'000, kMidnight + 100, 10);
  ASSERT_EQ(days.size(), 1U);
  EXPECT_EQ(days[0], (SeatDay{20'000, 0, 2, 0, 0, 100}));
}

TEST(SeatSeries, AClockThatGoesBackAddsNoTime) {
  Fed fed = feed({{kMidnight + 1'000, 3}});
  const auto none = [](const SeatDay&) { FAIL(); };
  change(fed.series, kMidnight + 500, 4, 4, none);
  EXPECT_EQ(fed.series.since, kMidnight + 1'000);
  change(fed.series, kMidnight - 90'000, 2, 2, none);
  advance(fed.series, kMidnight + 1'010, none);
  EXPECT_EQ(open_day(fed.series).seat_seconds, 20);
  EXPECT_EQ(open_day(fed.series).peak, 4U);
}

TEST(SeatSeries, QuietDaysComeOutOfNothing) {
  const Fed fed = feed({{kMidnight + 10, 5}, {kMidnight + 10 * kDaySeconds, 6}});
  ASSERT_EQ(fed.closed.size(), 1U) << "only the day that had a change";
  const UnixSeconds now = kMidnight + 12 * kDaySeconds + 100;
  const auto days = seat_days(fed.closed, fed.series, 0, 30'000, now, 1'000);
  ASSERT_EQ(days.size(), 13U);
  EXPECT_EQ(days[4], quiet_day(20'004, 5));
  EXPECT_EQ(days[10], (SeatDay{20'010, 5, 6, 6, 6 * kDaySeconds, kDaySeconds}));
  EXPECT_EQ(days[11], quiet_day(20'011, 6));
  EXPECT_EQ(days[12], quiet_day(20'012, 6, 100));
  const auto part = seat_days({}, fed.series, 20'003, 20'005, now, 2);
  ASSERT_EQ(part.size(), 2U);
  EXPECT_EQ(part[0], quiet_day(20'003, 5));
  EXPECT_EQ(part[1], quiet_day(20'004, 5));
}

TEST(SeatSeries, LargeNumbersAreRoundedButThePeakIsExact) {
  for (const std::uint32_t seats : {129U, 255U, 1'001U, 123'457U, kUnlimited - 1}) {
    const Fed fed = feed({{kMidnight, seats}});
    const auto days = seat_days({}, fed.series, 0, 30'000, kMidnight + 1'000, 10);
    ASSERT_EQ(days.size(), 1U);
    EXPECT_EQ(days[0].peak, seats);
    EXPECT_EQ(days[0].seat_seconds, std::int64_t{seats} * 1'000);
    EXPECT_LE(days[0].p95, seats);
    EXPECT_GE(days[0].p95, seats - seats / 128 - 1);
  }
  SeatSeries series = begin_series(kMidnight);
  for (std::uint32_t i = 0; i < 80'000; ++i) change(series, kMidnight + i, i * 50'000 % 4'000'000'000U, 0, {});
  EXPECT_LT(series.levels.size(), 2'000U);
}

TEST(SeatSeries, DaysBeforeTheEpoch) {
  EXPECT_EQ(day_of(-1), -1);
  EXPECT_EQ(day_of(-kDaySeconds), -1);
  EXPECT_EQ(day_of(-kDaySeconds - 1), -2);
  EXPECT_EQ(day_of(0), 0);
}

}  // namespace
}  // namespace lictor::licensing
