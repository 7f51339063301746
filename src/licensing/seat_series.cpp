#include "licensing/seat_series.h"

#include <algorithm>
#include <bit>

namespace lictor::licensing {
namespace {

constexpr std::uint32_t kExactSeats = 128;
constexpr int kSignificantBits = 7;

std::uint32_t rounded(std::uint32_t seats) noexcept {
  if (seats <= kExactSeats) return seats;
  const int shift = std::bit_width(seats) - kSignificantBits;
  const std::uint64_t half = std::uint64_t{1} << (shift - 1);
  const std::uint64_t nearest = ((seats + half) >> shift) << shift;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(nearest, kUnlimited));
}

void count(SeatSeries& series, Seconds seconds) {
  if (series.held == 0 || seconds <= 0) return;
  series.seat_seconds += static_cast<std::int64_t>(series.held) * seconds;
  const std::uint32_t seats = rounded(series.held);
  const auto place = std::ranges::lower_bound(series.levels, seats, {}, &SeatLevel::seats);
  if (place != series.levels.end() && place->seats == seats) {
    place->seconds += static_cast<std::uint32_t>(seconds);
  } else {
    series.levels.insert(place, {seats, static_cast<std::uint32_t>(seconds)});
  }
}

void begin_day(SeatSeries& series, Day day) {
  series.since = start_of(day);
  series.changed = false;
  series.start = series.peak = series.held;
  series.seat_seconds = 0;
  series.levels.clear();
}

// From the top: the first level of which a twentieth of the time lies at or above.
std::uint32_t p95_of(const SeatSeries& series, Seconds seconds) noexcept {
  if (seconds == 0) return series.held;
  Seconds above = 0;
  for (auto level = series.levels.rbegin(); level != series.levels.rend(); ++level) {
    above += level->seconds;
    if (above * 20 > seconds) return std::min(level->seats, series.peak);
  }
  return 0;
}

}  // namespace

SeatSeries begin_series(UnixSeconds first_change) {
  SeatSeries series;
  series.since = start_of(day_of(first_change));
  return series;
}

void advance(SeatSeries& series, UnixSeconds to, const CloseDay& close) {
  if (to <= series.since) return;
  const UnixSeconds end = start_of(day_of(series.since) + 1);
  if (to >= end) {
    count(series, end - series.since);
    series.since = end - 1;  // still in the day that is closed
    SeatDay closed = open_day(series);
    closed.seconds = kDaySeconds;
    closed.p95 = p95_of(series, kDaySeconds);
    if (series.changed) close(closed);
    begin_day(series, day_of(to));
  }
  count(series, to - series.since);
  series.since = to;
}

void change(SeatSeries& series, UnixSeconds at, std::uint32_t held, std::uint32_t top, const CloseDay& close) {
  advance(series, at, close);
  series.held = held;
  series.peak = std::max({series.peak, held, top});
  series.changed = true;
}

SeatDay open_day(const SeatSeries& series) {
  const Day day = day_of(series.since);
  const Seconds seconds = series.since - start_of(day);
  return {.day = day,
          .start = series.start,
          .peak = series.peak,
          .p95 = p95_of(series, seconds),
          .seat_seconds = series.seat_seconds,
          .seconds = seconds};
}

SeatDay quiet_day(Day day, std::uint32_t held, Seconds seconds) {
  return {.day = day,
          .start = held,
          .peak = held,
          .p95 = held,
          .seat_seconds = static_cast<std::int64_t>(held) * seconds,
          .seconds = seconds};
}

std::vector<SeatDay> seat_days(std::span<const SeatDay> closed, SeatSeries series, Day first, Day last, UnixSeconds now,
                               std::size_t limit) {
  std::vector<SeatDay> known(closed.begin(), closed.end());
  advance(series, now, [&](const SeatDay& day) {
    if (known.empty() || known.back().day < day.day) known.push_back(day);
  });
  const SeatDay today =
      series.changed ? open_day(series)
                     : quiet_day(day_of(series.since), series.held, series.since - start_of(day_of(series.since)));
  if (known.empty() || known.back().day < today.day) known.push_back(today);
  std::vector<SeatDay> days;
  Day day = first;
  for (const SeatDay& next : known) {
    if (next.start == 0) day = std::max(day, next.day);
    for (; day < next.day && day <= last && days.size() < limit; ++day) days.push_back(quiet_day(day, next.start));
    if (days.size() == limit || day > last) break;
    if (next.day < day) continue;
    if (next.peak > 0) days.push_back(next);
    day = next.day + 1;
  }
  return days;
}

}  // namespace lictor::licensing
