// How many seats were held over time: of one license, or of all licenses of a product together. A series is fed with
// changes in the order of time and knows its open day (UTC) as a sparse histogram; days that are over come out as
// figures. Pure and thread-safe.
//
// Days without a change come out of nothing: every seat held at their beginning was held to their end. Whoever keeps
// the days needs no record of them: SeatDay::start of the next day that has one tells how many seats it was.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "licensing/terms.h"

namespace lictor::licensing {

using Day = std::int64_t;  // since 1970-01-01, UTC
inline constexpr Seconds kDaySeconds = 86'400;

constexpr Day day_of(UnixSeconds time) noexcept {
  return time >= 0 ? time / kDaySeconds : -((-time + kDaySeconds - 1) / kDaySeconds);
}
constexpr UnixSeconds start_of(Day day) noexcept { return day * kDaySeconds; }

struct SeatLevel {
  std::uint32_t seats = 0;  // more than 0; above 128 rounded to 7 significant bits
  std::uint32_t seconds = 0;
  bool operator==(const SeatLevel&) const = default;
};

// The figures of one day, or of its part that is over.
struct SeatDay {
  Day day = 0;
  std::uint32_t start = 0;        // seats held when it began
  std::uint32_t peak = 0;         // exact
  std::uint32_t p95 = 0;          // the seats that were not exceeded for 95 % of the time
  std::int64_t seat_seconds = 0;  // exact
  Seconds seconds = kDaySeconds;  // how much of the day is over
  bool operator==(const SeatDay&) const = default;
};

struct SeatSeries {
  std::uint32_t held = 0;
  UnixSeconds since = 0;  // what is below counts the time until here
  // Of the day that `since` is in:
  bool changed = false;
  std::uint32_t start = 0, peak = 0;
  std::int64_t seat_seconds = 0;
  std::vector<SeatLevel> levels;  // by seats, rising; the rest of the time nothing was held
  bool operator==(const SeatSeries&) const = default;
};

using CloseDay = std::function<void(const SeatDay&)>;

// A series whose first change is at that time; nothing was held on that day before.
SeatSeries begin_series(UnixSeconds first_change);
// Counts the time until `to`; a time that is counted already changes nothing. `close` gets each changed day that ends.
void advance(SeatSeries& series, UnixSeconds to, const CloseDay& close);
// From `at` on (not before what is counted already) `held` seats are held; `top`: the most that were meanwhile.
void change(SeatSeries& series, UnixSeconds at, std::uint32_t held, std::uint32_t top, const CloseDay& close);
// The open day as far as it is counted.
SeatDay open_day(const SeatSeries& series);
// A day on which nothing changed.
SeatDay quiet_day(Day day, std::uint32_t held, Seconds seconds = kDaySeconds);

// The figures of the days first … last, oldest first, those without a seat left out, at most `limit`. `closed`: what
// close() was given, from `first` on, by day; `series`: where it is now.
std::vector<SeatDay> seat_days(std::span<const SeatDay> closed, SeatSeries series, Day first, Day last, UnixSeconds now,
                               std::size_t limit);

}  // namespace lictor::licensing
