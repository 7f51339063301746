#include "service/seat_report.h"

#include <algorithm>

namespace lictor::service {
namespace {

using licensing::Day;

constexpr std::size_t kMostSubjects = 2'000;
constexpr std::size_t kSubjectsAtOnce = 200;

class Report {
 public:
  Report(store::StatisticsReader& reader, const SeatReportQuery& query, base::UnixSeconds now, std::size_t limit)
      : reader_(reader),
        query_(query),
        now_(now),
        limit_(limit),
        first_(std::max(query.first, reader.state().seats_from)) {}

  SeatReportPage read() {
    for (const store::Row product : query_.products) {
      if (query_.after && product < query_.after->product) continue;
      if (!read_product(product)) break;
    }
    return std::move(page_);
  }

 private:
  // The day to begin with: behind the last one that was read of this subject.
  Day first_of(store::Row product, store::Row license) const {
    const auto& after = query_.after;
    const bool goes_on = after && after->product == product && after->license == license;
    return goes_on ? std::max(first_, std::min(after->day, query_.last) + 1) : first_;
  }

  // Each read_…: false when the page ends here.
  bool read_product(store::Row product) {
    if (!query_.by_license) return read_subject({reader_.seats_of(product, 0), {}});
    if (query_.license != 0) return read_subject({reader_.seats_of(product, query_.license), query_.license_id});
    const bool goes_on = query_.after && query_.after->product == product;
    store::Row behind = goes_on ? std::max<store::Row>(query_.after->license, 1) - 1 : 0;
    while (true) {
      const auto some = reader_.seats_of_licenses(product, behind, kSubjectsAtOnce);
      for (const auto& license : some) {
        if (!read_subject(license)) return false;
      }
      if (some.size() < kSubjectsAtOnce) return true;
      behind = some.back().state.license;
    }
  }

  bool read_subject(const store::LicenseSeats& subject) {
    const auto& [product, license, sequence, series] = subject.state;
    if (sequence == 0) return true;
    Day first = first_of(product, license);
    while (first <= query_.last) {
      const std::size_t room = limit_ - page_.rows.size();
      // Without what comes behind them, the days up to the last of these are known.
      const auto closed = reader_.closed_days(product, license, first, room + 1);
      const bool cut = closed.size() == room + 1;
      const Day last = cut ? std::min(query_.last, closed.back().day) : query_.last;
      const auto days = licensing::seat_days(closed, series, first, last, now_, room);
      for (const auto& day : days) page_.rows.push_back({product, license, subject.license_id, day});
      if (page_.rows.size() == limit_) return end_page(product, license, page_.rows.back().day.day);
      if (!cut) break;
      first = last + 1;
    }
    if (++subjects_ == kMostSubjects) return end_page(product, license, query_.last);
    return true;
  }

  bool end_page(store::Row product, store::Row license, Day day) {
    page_.next = {product, license, day};
    return false;
  }

  store::StatisticsReader& reader_;
  const SeatReportQuery& query_;
  const base::UnixSeconds now_;
  const std::size_t limit_;
  const Day first_;
  SeatReportPage page_;
  std::size_t subjects_ = 0;
};

}  // namespace

SeatReportPage read_seat_report(store::StatisticsReader& reader, const SeatReportQuery& query, base::UnixSeconds now,
                                std::size_t limit) {
  return Report(reader, query, now, limit).read();
}

}  // namespace lictor::service
