// Seats over time as reports show them: the days that are over from what is kept of them, the open one up to now, and
// the days without a change in between.
#pragma once

#include <optional>
#include <vector>

#include "store/statistics.h"

namespace lictor::service {

struct SeatReportKey {  // a row that was read; the next one is behind it
  store::Row product = 0, license = 0;
  licensing::Day day = 0;
  bool operator==(const SeatReportKey&) const = default;
};
struct SeatReportQuery {
  licensing::Day first = 0, last = 0;
  std::vector<store::Row> products;  // rising
  bool by_license = false;           // false: whole products
  store::Row license = 0;            // with its product; 0: all
  base::Id license_id;               // of `license`
  std::optional<SeatReportKey> after;
};
struct SeatReportPage {
  struct Row {
    store::Row product = 0, license = 0;
    base::Id license_id;
    licensing::SeatDay day;
  };
  std::vector<Row> rows;              // by product, license and day
  std::optional<SeatReportKey> next;  // where to go on; nothing: that was all
};

// Looks at a bounded number of licenses: a page may hold fewer than `limit` rows, even none, before the end.
SeatReportPage read_seat_report(store::StatisticsReader& reader, const SeatReportQuery& query, base::UnixSeconds now,
                                std::size_t limit);

}  // namespace lictor::service
