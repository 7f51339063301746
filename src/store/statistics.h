// What the store keeps beside its licenses for those who ask later: refusals with their reasons, and figures of each
// day (UTC): usage, refusals, seats. Reached through Tx::statistics() and Reader::statistics(). Usage is counted in the
// transaction that records it (Tx::apply); the rest is written by service::Statistics.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "licensing/seat_series.h"
#include "store/store.h"

namespace lictor::store {

using licensing::Day;

// An answer of failure that a client was given. Never a secret.
struct Refusal {
  UnixSeconds at = 0;
  std::string request_id;
  std::string endpoint;  // "/activate"
  std::string code;      // the wire code
  std::string message;
  std::string details;  // JSON object; empty: none
  Row license = 0;      // 0: none is known
  std::string client_id;
  std::string actor;  // "key_…", "license", or empty: nobody proved who it was
};
struct StoredRefusal {
  Row row = 0;
  Refusal refusal;
  Id license_id;  // zero: none is known
};
struct RefusalFilter {
  std::string request_id = {}, client_id = {}, code = {};  // empty: any
  Row license = 0;                                         // 0: any
};
struct RefusalPage {
  std::vector<StoredRefusal> refusals;
  Row next = 0;  // where to go on; 0: nothing is left
};

// So much of `name` (a metric, a code) on a day.
struct DayCount {
  Day day = 0;
  Row product = 0;  // 0: of a license that is not known
  Row license = 0;  // 0: of the whole product
  std::string name;
  std::int64_t amount = 0;
  bool operator==(const DayCount&) const = default;
};
struct DayCountKey {  // the order of reports
  Day day = 0;
  Row product = 0, license = 0;
  std::string name;
  bool operator==(const DayCountKey&) const = default;
};
struct DayCountQuery {
  Day first = 0, last = 0;
  Row product = 0;                        // 0: all
  Row license = 0;                        // with its product; 0: all, or whole products
  bool by_license = false;                // false: whole products
  std::string name = {};                  // empty: all
  std::optional<DayCountKey> after = {};  // nothing: from the beginning
};
struct DayCountPage {
  struct Row {
    DayCount count;
    Id license_id;
  };
  std::vector<Row> rows;
  std::optional<DayCountKey> next;  // where to go on; nothing: that was all
};

// The seats of a license, or, with license 0, of a whole product.
struct SeatState {
  Row product = 0, license = 0;
  std::int64_t sequence = 0;  // of the last event that is in it; 0: there is none yet
  licensing::SeatSeries series;
};
struct LicenseSeats {
  SeatState state;
  Id license_id;
};
struct ClosedSeatDay {
  Row product = 0, license = 0;
  licensing::SeatDay day;
};
// What happened to a product's seats within one second that may not be over yet. Leases that ended come before the
// rest, whose sum is `net` and whose highest sum on the way was `top`.
struct PendingSeats {
  Row product = 0;
  UnixSeconds at = 0;
  std::int64_t ended = 0, net = 0, top = 0;
  bool operator==(const PendingSeats&) const = default;
};
// Each member that is not empty is written.
struct SeatChanges {
  std::vector<SeatState> states;
  std::vector<ClosedSeatDay> days;
  std::optional<std::vector<PendingSeats>> pending;                // in place of all there are
  std::optional<std::int64_t> license_sequence, product_sequence;  // see StatisticsState
};

struct StatisticsState {
  // The last event that is in the series of all licenses, of all products.
  std::int64_t license_sequence = 0, product_sequence = 0;
  std::int64_t refusals = 0;  // kept
  Day seats_from = 0;         // the days before it are dropped
};

enum class ExpiryNotice : std::uint8_t { expired, expiring };
// Up to which license, in the order LicenseOrder::expires, notice was given.
struct ExpiryPlace {
  UnixSeconds expires_at = 0;
  Row row = 0;
  std::chrono::seconds ahead{0};  // of their expiry, when that was
  bool operator==(const ExpiryPlace&) const = default;
};

// Valid inside the visit only.
struct SeatEvent {
  std::int64_t sequence = 0;
  UnixSeconds at = 0;
  std::string_view action, subject, detail;
};

class StatisticsTx {
 public:
  virtual ~StatisticsTx() = default;
  virtual void add_refusals(std::span<const Refusal> refusals) = 0;
  // Adds to the day's counts of the license, if there is one, and of its product.
  virtual void count_refusals(std::span<const DayCount> counts) = 0;
  virtual void store_seats(const SeatChanges& changes) = 0;
  // From where StatisticsReader::noticed() is to somewhere else. False, and nothing is changed: it is not there.
  virtual bool move_noticed(ExpiryNotice notice, const std::optional<ExpiryPlace>& from, const ExpiryPlace& to) = 0;

  // Each takes the oldest away, at most `most`, and says how many it took.
  // Of refusals: those before that time, whenever they came in; then those that came in first and are more than `keep`.
  virtual std::size_t drop_refusals(UnixSeconds before, std::int64_t keep, std::size_t most) = 0;
  virtual std::size_t drop_refusals_of(Row license, std::int64_t keep, std::size_t most) = 0;  // 0: of none
  virtual std::size_t drop_usage_days(Day before, std::size_t most) = 0;
  virtual std::size_t drop_refusal_days(Day before, std::size_t most) = 0;
  virtual std::size_t drop_seat_days(Day before, std::size_t most) = 0;
};

// Each call looks at a bounded number of rows, whatever is asked for.
class StatisticsReader {
 public:
  virtual ~StatisticsReader() = default;
  virtual StatisticsState state() = 0;
  // Newest first, those before the row `before` (0: from the newest on).
  virtual RefusalPage refusals(const RefusalFilter& filter, Row before, std::size_t limit) = 0;
  virtual DayCountPage usage_days(const DayCountQuery& query, std::size_t limit) = 0;
  virtual DayCountPage refusal_days(const DayCountQuery& query, std::size_t limit) = 0;

  virtual std::vector<PendingSeats> pending_seats() = 0;
  // Visits the events about seats behind `after`; looks at `limit` events at most and returns the last it looked at.
  virtual std::int64_t seat_events(std::int64_t after, std::size_t limit,
                                   const std::function<void(const SeatEvent&)>& visit) = 0;
  // Visits each once, in no order; those that don't exist are left out.
  virtual void seats_of(std::span<const Id> licenses, const std::function<void(LicenseSeats&&)>& visit) = 0;
  std::optional<SeatState> seats_of(const Id& license) {  // nothing: there is no such license
    std::optional<SeatState> state;
    seats_of(std::span(&license, 1), [&state](LicenseSeats&& seats) { state = std::move(seats.state); });
    return state;
  }
  virtual SeatState seats_of(Row product, Row license) = 0;
  // Those with a license behind `after`, in the order of their rows.
  virtual std::vector<LicenseSeats> seats_of_licenses(Row product, Row after, std::size_t limit) = 0;
  virtual std::vector<licensing::SeatDay> closed_days(Row product, Row license, Day first, std::size_t limit) = 0;

  // Nothing: of none yet.
  virtual std::optional<ExpiryPlace> noticed(ExpiryNotice notice) = 0;
  // Licenses whose next_lease_end has come, the longest due first.
  virtual std::vector<Id> due_licenses(UnixSeconds now, std::size_t limit) = 0;
};

}  // namespace lictor::store
