#include "licensing/terms.h"

#include <algorithm>
#include <chrono>

namespace lictor::licensing {

std::uint32_t allowed_seats(const Terms& terms) noexcept {
  if (terms.max_clients == kUnlimited || terms.overage.kind == OverageKind::unlimited) return kUnlimited;
  if (terms.overage.kind == OverageKind::none) return terms.max_clients;
  const std::uint64_t extra = std::uint64_t{terms.max_clients} * terms.overage.percent / 100;  // rounded down
  const std::uint64_t seats = terms.max_clients + extra;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(seats, kUnlimited - 1));
}

bool is_nearly_full(std::uint32_t seats_held, const Terms& terms) noexcept {
  constexpr std::uint32_t kLeastSeats = 10;
  if (!terms.floating() || terms.max_clients == kUnlimited || terms.max_clients < kLeastSeats) return false;
  return std::uint64_t{seats_held} * 10 >= std::uint64_t{terms.max_clients} * 9;
}

const Feature* find_feature(const Terms& terms, std::string_view name) noexcept {
  const auto it = std::ranges::lower_bound(terms.features, name, {}, &Feature::name);
  return it != terms.features.end() && it->name == name ? &*it : nullptr;
}

const Quota* find_quota(const Terms& terms, std::string_view metric) noexcept {
  const auto it = std::ranges::lower_bound(terms.quotas, metric, {}, &Quota::metric);
  return it != terms.quotas.end() && it->metric == metric ? &*it : nullptr;
}

std::optional<UnixSeconds> release_time(const Terms& terms, const Version& version) noexcept {
  if (!terms.releases) return std::nullopt;
  const auto it = std::ranges::find(*terms.releases, version, &Release::version);
  if (it == terms.releases->end()) return std::nullopt;
  return it->released_at;
}

Period period_at(QuotaPeriod period, UnixSeconds now) noexcept {
  namespace chrono = std::chrono;
  const auto floor_to = [now](Seconds length) {
    const Seconds start = now - (now % length + length) % length;
    return Period{start, start + length};
  };
  const auto unix_of = [](chrono::year_month_day day) {
    return chrono::duration_cast<chrono::seconds>(chrono::sys_days(day).time_since_epoch()).count();
  };
  const chrono::year_month_day today(chrono::floor<chrono::days>(chrono::sys_seconds(chrono::seconds(now))));
  switch (period) {
    case QuotaPeriod::total:
      return {0, kNever};
    case QuotaPeriod::hour:
      return floor_to(3600);
    case QuotaPeriod::day:
      return floor_to(86400);
    case QuotaPeriod::month: {
      const auto first = today.year() / today.month() / 1;
      return {unix_of(first), unix_of(first + chrono::months(1))};
    }
    case QuotaPeriod::year: {
      const auto first = today.year() / chrono::January / 1;
      return {unix_of(first), unix_of(first + chrono::years(1))};
    }
  }
  return {0, kNever};
}

}  // namespace lictor::licensing
