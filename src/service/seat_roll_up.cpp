#include "service/seat_roll_up.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <span>
#include <tuple>

#include "base/id.h"

namespace lictor::service {
namespace {

constexpr std::size_t kEventsAtOnce = 1'000;

// A number of an event's detail. It is JSON that was written by us: a name with its quotes and colon stands nowhere
// inside a string, where quotes are escaped.
std::optional<std::int64_t> number_in(std::string_view detail, std::string_view name) {
  const std::size_t at = detail.find(name);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = detail.substr(at + name.size());
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  return error == std::errc{} ? std::optional(number) : std::nullopt;
}

std::uint32_t as_count(std::int64_t number) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(number, 0, licensing::kUnlimited));
}

}  // namespace

bool SeatRollUp::run(std::int64_t head, base::UnixSeconds settled, const std::function<bool()>& go_on) {
  store::StatisticsState state = reader_.state();
  bool again = true;
  while (again && go_on()) {
    Window window;
    window.after = window.last = state.license_sequence;
    window.product_sequence = state.product_sequence;
    for (const store::PendingSeats& second : reader_.pending_seats()) {
      window.seconds.emplace(std::pair(second.product, second.at), second);
    }
    read(window, head, go_on);
    again = window.last < head;
    const base::UnixSeconds known = again ? window.newest - kLateSeconds : settled;
    auto products = fold_products(window, known);
    if (window.last == window.after && products.empty()) return !again;
    if (!store(window, std::move(products), go_on)) return false;
    state.license_sequence = window.last;
    state.product_sequence = std::max(state.product_sequence, window.last);
  }
  return !again;
}

void SeatRollUp::read(Window& window, std::int64_t head, const std::function<bool()>& go_on) {
  std::size_t events = 0;
  std::vector<SeatChange> changes;
  const auto end = std::chrono::steady_clock::now() + kWindowTime;
  const auto is_full = [&] {
    return events >= kWindowEvents || window.licenses.size() >= kWindowLicenses ||
           (events > 0 && std::chrono::steady_clock::now() >= end);
  };
  while (window.last < head && !is_full() && go_on()) {
    const auto most = std::min<std::size_t>(kEventsAtOnce, static_cast<std::size_t>(head - window.last));
    changes.clear();
    const std::int64_t last = reader_.seat_events(window.last, most, [&changes](const store::SeatEvent& event) {
      if (const auto change = change_of(event)) changes.push_back(*change);
    });
    if (last == window.last) {  // a hole at the end, which only a damaged database has
      window.last = head;
      return;
    }
    look_up(window, changes);
    for (const SeatChange& change : changes) take(window, change);
    events += most;
    window.last = last;
  }
}

std::optional<SeatRollUp::SeatChange> SeatRollUp::change_of(const store::SeatEvent& event) {
  const bool granted = event.action == "seat.granted";
  if (!granted && event.action != "seat.released") return std::nullopt;
  const auto license = base::parse_id(base::kLicensePrefix, event.subject);
  if (!license) return std::nullopt;
  return SeatChange{.sequence = event.sequence,
                    .at = event.at,
                    .license = *license,
                    .granted = granted,
                    .lease_expired_at = number_in(event.detail, "\"lease_expired_at\":"),
                    .seats_held = number_in(event.detail, "\"seats_held\":")};
}

// The states of the licenses that the window does not have yet.
void SeatRollUp::look_up(Window& window, std::span<const SeatChange> changes) {
  std::vector<base::Id> unknown;
  for (const SeatChange& change : changes) {
    if (!window.licenses.contains(change.license)) unknown.push_back(change.license);
  }
  std::ranges::sort(unknown);
  unknown.erase(std::unique(unknown.begin(), unknown.end()), unknown.end());
  reader_.seats_of(unknown, [&window](store::LicenseSeats&& seats) {
    window.licenses.emplace(seats.license_id, Fold{std::move(seats.state), {}});
  });
}

void SeatRollUp::take(Window& window, const SeatChange& change) {
  window.newest = std::max(window.newest, change.at);
  const auto found = window.licenses.find(change.license);
  if (found == window.licenses.end()) return;  // deleted
  store::SeatState& state = found->second.state;
  if (change.sequence <= state.sequence) return;  // written before an interruption
  const base::UnixSeconds at = std::min(change.lease_expired_at.value_or(change.at), change.at);
  if (state.sequence == 0) state.series = licensing::begin_series(at);
  const std::int64_t before = state.series.held;
  const std::uint32_t after = as_count(change.seats_held.value_or(change.granted ? before + 1 : before - 1));
  licensing::change(state.series, at, after, after, [&](const licensing::SeatDay& day) {
    found->second.days.push_back({state.product, state.license, day});
  });
  state.sequence = change.sequence;
  if (change.sequence > window.product_sequence) {
    change_product(window, state.product, at, change.lease_expired_at.has_value(), std::int64_t{after} - before);
  }
}

void SeatRollUp::change_product(Window& window, store::Row product, base::UnixSeconds at, bool ended,
                                std::int64_t delta) {
  store::PendingSeats& second = window.seconds[{product, at}];
  second.product = product;
  second.at = at;
  if (ended && delta < 0) {
    second.ended -= delta;
  } else {
    second.net += delta;
    second.top = std::max(second.top, second.net);
  }
}

// Takes what happened before `settled` out of the window's seconds and into the products' series.
std::vector<SeatRollUp::Fold> SeatRollUp::fold_products(Window& window, base::UnixSeconds settled) {
  std::vector<Fold> products;
  for (auto second = window.seconds.begin(); second != window.seconds.end();) {
    const auto [product, at, ended, net, top] = second->second;
    if (at >= settled) {
      ++second;
      continue;
    }
    second = window.seconds.erase(second);
    if (products.empty() || products.back().state.product != product) {
      products.push_back({reader_.seats_of(product, 0), {}});
      if (products.back().state.sequence == 0) products.back().state.series = licensing::begin_series(at);
    }
    store::SeatState& state = products.back().state;
    state.sequence = window.last;
    const std::int64_t low = std::max<std::int64_t>(std::int64_t{state.series.held} - ended, 0);
    licensing::change(state.series, at, as_count(low + net), as_count(low + std::max<std::int64_t>(top, 0)),
                      [&, owner = product](const licensing::SeatDay& day) {
                        products.back().days.push_back({owner, 0, day});
                      });
  }
  return products;
}

// The products first: what was written of the licenses when an interruption comes is then known to be in them.
bool SeatRollUp::store(Window& window, std::vector<Fold>&& products, const std::function<bool()>& go_on) {
  store::SeatChanges changes;
  changes.pending.emplace();
  for (const auto& [key, second] : window.seconds) changes.pending->push_back(second);
  changes.product_sequence = std::max(window.product_sequence, window.last);
  std::vector<Fold> licenses;
  for (auto& [id, fold] : window.licenses) {
    if (fold.state.sequence > window.after) licenses.push_back(std::move(fold));
  }
  std::ranges::sort(licenses, {}, [](const Fold& fold) { return std::pair(fold.state.product, fold.state.license); });
  const auto write = [&] {
    return go_on() && write_([&changes](store::Tx& tx) { tx.statistics().store_seats(changes); });
  };
  const auto add = [&](Fold& fold) {
    changes.states.push_back(std::move(fold.state));
    std::ranges::move(fold.days, std::back_inserter(changes.days));
  };
  for (Fold& product : products) add(product);
  for (Fold& license : licenses) {
    if (changes.states.size() + changes.days.size() >= kRowsAtOnce) {
      if (!write()) return false;
      changes = {};
    }
    add(license);
  }
  changes.license_sequence = window.last;
  return write();
}

}  // namespace lictor::service
