// What every engine must keep for reports (store/statistics.h). An engine joins with an INSTANTIATE_TEST_SUITE_P.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "store/conformance.h"
#include "store/statistics.h"

namespace lictor::test {

class StatisticsConformance : public StoreTest {
 protected:
  void write(const std::function<void(store::StatisticsTx&)>& work) {
    store_->write([&](store::Tx& tx) { work(tx.statistics()); });
  }
  store::StatisticsReader& statistics() { return reader_->statistics(); }
  store::Row product() { return reader_->products().front().row; }

  void use(store::Row license, const std::string& metric, store::Day day, std::int64_t quantity) {
    store::Changes changes;
    store::UsageUpdate update;
    update.license = license;
    update.metric = metric;
    update.period_start = kNow;
    update.total = ++total_;
    update.product = product();
    update.day = day;
    update.quantity = quantity;
    changes.usage = {update, update};
    apply(changes);
  }
  // Through all pages of `limit` rows.
  std::vector<store::DayCount> usage(store::DayCountQuery query, std::size_t limit) {
    std::vector<store::DayCount> all;
    while (true) {
      const auto page = statistics().usage_days(query, limit);
      EXPECT_LE(page.rows.size(), limit);
      for (const auto& row : page.rows) all.push_back(row.count);
      if (!page.next) return all;
      query.after = page.next;
    }
  }
  std::vector<std::string> refused(const store::RefusalFilter& filter, std::size_t limit) {
    std::vector<std::string> ids;
    store::Row before = 0;
    do {
      const auto page = statistics().refusals(filter, before, limit);
      for (const auto& stored : page.refusals) ids.push_back(stored.refusal.request_id);
      before = page.next;
    } while (before != 0);
    return ids;
  }
  std::int64_t total_ = 0;
};

}  // namespace lictor::test
