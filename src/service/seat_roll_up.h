// From audit events to seats over time (licensing/seat_series.h): each license's, and each product's. What was taken in
// is remembered by the sequence of its event, with the result and in its transaction, so that an interruption anywhere
// neither loses nor repeats an event. Not thread-safe; reads with a reader of its own.
//
// A license's events come in the order of time. A product's do not: a lease ends before the event that says so, and
// other licenses' events may stand between. A product's changes are therefore kept by their second until nothing can
// come before it any more.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "service/write_function.h"
#include "store/statistics.h"

namespace lictor::service {

class SeatRollUp {
 public:
  // What is held of the events at once, about 200 B a license. Each license in a window is read and written once, so
  // that a small window has the licenses of a busy minute written many times.
  static constexpr std::size_t kWindowEvents = 1'000'000;
  static constexpr std::size_t kWindowLicenses = 100'000;
  // A server ends the session of one that leads and writes nothing for long.
  static constexpr std::chrono::seconds kWindowTime{2};
  static constexpr std::size_t kRowsAtOnce = 400;        // in one transaction
  static constexpr base::UnixSeconds kLateSeconds = 10;  // by which a lease's end may be told late while we lag

  SeatRollUp(store::StatisticsReader& reader, WriteFunction write) : reader_(reader), write_(std::move(write)) {}

  // Takes in the events up to `head`, as long as `go_on` says so, which is asked before each of a few hundred rows.
  // `settled`: behind `head` comes nothing that happened in a second before. False when it was not all written: another
  // run goes on where this one ended.
  bool run(std::int64_t head, base::UnixSeconds settled, const std::function<bool()>& go_on);

 private:
  struct Fold {
    store::SeatState state;
    std::vector<store::ClosedSeatDay> days;
  };
  struct Window {
    std::unordered_map<base::Id, Fold, base::Bytes16Hash> licenses;
    std::map<std::pair<store::Row, base::UnixSeconds>, store::PendingSeats> seconds;
    std::int64_t after = 0, last = 0, product_sequence = 0;
    base::UnixSeconds newest = 0;
  };

  struct SeatChange {  // what an event says
    std::int64_t sequence = 0;
    base::UnixSeconds at = 0;
    base::Id license;
    bool granted = false;
    std::optional<base::UnixSeconds> lease_expired_at;
    std::optional<std::int64_t> seats_held;
  };

  void read(Window& window, std::int64_t head, const std::function<bool()>& go_on);
  static std::optional<SeatChange> change_of(const store::SeatEvent& event);
  void look_up(Window& window, std::span<const SeatChange> changes);
  static void take(Window& window, const SeatChange& change);
  static void change_product(Window& window, store::Row product, base::UnixSeconds at, bool ended, std::int64_t delta);
  std::vector<Fold> fold_products(Window& window, base::UnixSeconds settled);
  bool store(Window& window, std::vector<Fold>&& products, const std::function<bool()>& go_on);

  store::StatisticsReader& reader_;
  const WriteFunction write_;
};

}  // namespace lictor::service
