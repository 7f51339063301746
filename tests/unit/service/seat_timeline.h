// Seats over time as they really were: who held which, from when until when, and figures counted from that second by
// second, without any of the code under test.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "unit/service/service_test.h"

namespace lictor::service {

inline constexpr base::UnixSeconds kDaySeconds = 86'400;

class SeatTimeline {
 public:
  struct Figures {
    std::uint32_t peak = 0, p95 = 0;
    std::int64_t seat_seconds = 0;
    bool operator==(const Figures&) const = default;
    friend void PrintTo(const Figures& figures, std::ostream* out) {
      *out << figures.peak << "/" << figures.p95 << "/" << figures.seat_seconds;
    }
  };

  void activated(const base::Id& license, const std::string& client, const Outcome& outcome, base::UnixSeconds now) {
    if (outcome.text() != "ok") return;
    Hold& hold = open_[{license, client}];
    if (outcome.answer.seat == licensing::SeatChange::granted) {
      close({license, client}, hold.end);
      hold.start = now;
    }
    hold.end = outcome.answer.lease_expires_at;
  }
  void deactivated(const base::Id& license, const std::string& client, const Outcome& outcome, base::UnixSeconds now) {
    if (outcome.answer.seat != licensing::SeatChange::released) return;
    close({license, client}, now);
  }
  // By the day; `licenses` are counted together.
  std::map<std::int64_t, Figures> figures(const std::vector<base::Id>& licenses, base::UnixSeconds now) const {
    std::map<base::UnixSeconds, std::int64_t> deltas;
    const auto add = [&](const base::Id& license, base::UnixSeconds start, base::UnixSeconds end) {
      if (std::ranges::find(licenses, license) == licenses.end() || start >= end) return;
      ++deltas[start];
      --deltas[end];
    };
    for (const auto& [license, hold] : closed_) add(license, hold.start, hold.end);
    for (const auto& [key, hold] : open_) {
      if (hold.start != 0) add(key.first, hold.start, std::min(hold.end, now));
    }
    std::map<std::int64_t, Figures> all;
    if (deltas.empty()) return all;
    std::int64_t held = 0;
    auto next = deltas.begin();
    std::vector<std::int64_t> seconds;
    for (base::UnixSeconds at = next->first / kDaySeconds * kDaySeconds; at < now; ++at) {
      for (; next != deltas.end() && next->first <= at; ++next) held += next->second;
      seconds.push_back(held);
      if ((at + 1) % kDaySeconds == 0 || at + 1 == now) {
        const Figures day = figures_of(seconds);
        if (day.peak > 0) all[at / kDaySeconds] = day;
        seconds.clear();
      }
    }
    return all;
  }

 private:
  struct Hold {
    base::UnixSeconds start = 0, end = 0;
  };
  using Key = std::pair<base::Id, std::string>;

  void close(const Key& key, base::UnixSeconds end) {
    Hold& hold = open_[key];
    if (hold.start != 0) closed_.push_back({key.first, {hold.start, end}});
    hold = {};
  }
  static Figures figures_of(std::vector<std::int64_t>& seconds) {
    std::ranges::sort(seconds);
    Figures figures;
    for (const std::int64_t held : seconds) figures.seat_seconds += held;
    const std::size_t rank = (seconds.size() * 95 + 99) / 100;
    figures.p95 = static_cast<std::uint32_t>(seconds[rank - 1]);
    figures.peak = static_cast<std::uint32_t>(seconds.back());
    return figures;
  }

  std::map<Key, Hold> open_;
  std::vector<std::pair<base::Id, Hold>> closed_;
};

}  // namespace lictor::service
