#include "service/statistics.h"

#include <gmock/gmock.h>

#include <random>

#include "service/seat_report.h"
#include "unit/service/seat_timeline.h"

namespace lictor::service {
namespace {

using namespace std::chrono_literals;
using licensing::Code;
using testing::IsEmpty;
using testing::SizeIs;

class StatisticsTest : public ServiceTest {
 protected:
  ~StatisticsTest() override {
    if (statistics_) statistics_->stop();
    writes_.stop();
  }
  void start(const StatisticsOptions& options = {}) {
    statistics_ = std::make_unique<Statistics>(*store_, writes_, clock_, 2, options,
                                               [](std::string_view what) { ADD_FAILURE() << what; });
  }
  void restart() {
    const StatisticsOptions options = statistics_->options();
    statistics_->stop();
    start(options);
  }
  static StatisticsOptions kept_for(std::int64_t days) {
    StatisticsOptions options;
    options.refusals_age = options.reports_age = std::chrono::seconds(days * kDaySeconds);
    return options;
  }
  Outcome run(std::unique_ptr<TestJob> job) {
    auto future = job->done.get_future();
    std::unique_ptr<LicenseJob> handed = std::move(job);
    EXPECT_TRUE(writes_.submit(handed, Urgency::new_work));
    return future.get();
  }
  bool write(const std::function<void(store::Tx&)>& work) {
    store_->write(work);
    return true;
  }

  std::vector<SeatReportPage::Row> report(bool by_license, std::size_t limit = 1'000) {
    SeatReportQuery query{0, 100'000, {product_.row}, by_license, 0, {}, {}};
    std::vector<SeatReportPage::Row> rows;
    while (true) {
      auto page = read_seat_report(reader_->statistics(), query, clock_.now(), limit);
      EXPECT_LE(page.rows.size(), limit);
      std::ranges::move(page.rows, std::back_inserter(rows));
      if (!page.next) return rows;
      query.after = page.next;
    }
  }
  using Figures = std::map<std::int64_t, SeatTimeline::Figures>;
  static Figures figures_of(const std::vector<SeatReportPage::Row>& rows, const base::Id& license) {
    Figures figures;
    for (const auto& row : rows) {
      if (row.license_id == license) figures[row.day.day] = {row.day.peak, row.day.p95, row.day.seat_seconds};
    }
    return figures;
  }
  // Some weeks of some licenses' lives; `between` runs now and then.
  void live(std::vector<base::Id>& licenses, SeatTimeline& timeline, const std::function<void()>& between) {
    std::mt19937 random(11);
    for (const char* terms : {R"({"max_clients":20,"lease":3600})", R"({"max_clients":9,"lease":900})",
                              R"({"max_clients":50})", R"({"max_clients":3,"lease":200000})"}) {
      licenses.push_back(add_license(terms));
    }
    for (int i = 0; i < 700; ++i) {
      const auto& license = licenses[random() % licenses.size()];
      const std::string client = "c" + std::to_string(random() % 25);
      if (random() % 4 == 0) {
        timeline.deactivated(license, client, run(deactivate(license, client)), clock_.now());
      } else {
        timeline.activated(license, client, run(activate(license, client)), clock_.now());
      }
      if (random() % 10 == 0) between();
      clock_.advance(1 + random() % (i % 100 == 0 ? 200'000 : 900));
    }
  }
  void expect_true_figures(const std::vector<base::Id>& licenses, const SeatTimeline& timeline) {
    const auto by_license = report(true, 7);
    for (const auto& license : licenses) {
      EXPECT_EQ(figures_of(by_license, license), timeline.figures({license}, clock_.now()));
    }
    const Figures whole = figures_of(report(false), {});
    EXPECT_EQ(whole, timeline.figures(licenses, clock_.now()));
    EXPECT_GT(whole.size(), 10U);
  }

  std::unique_ptr<store::Reader> reader_ = store_->open_reader();
  WritePath writes_{*store_, catalog_, cache_, clock_, {}};
  std::unique_ptr<Statistics> statistics_;
};

TEST_F(StatisticsTest, SeatsOverTimeAreThoseOfABruteForce) {
  start();
  std::vector<base::Id> licenses;
  SeatTimeline timeline;
  live(licenses, timeline, [&] { EXPECT_TRUE(statistics_->roll_up(10s)); });
  ASSERT_TRUE(statistics_->roll_up(10s));
  expect_true_figures(licenses, timeline);
  clock_.advance(5'000'000);  // leases end with nobody there, quiet days pass
  ASSERT_TRUE(statistics_->roll_up(10s));
  expect_true_figures(licenses, timeline);
  EXPECT_EQ(statistics_->rolled_up(), reader_->audit_head().sequence);
}

TEST_F(StatisticsTest, AnInterruptionNeitherLosesNorRepeatsAnEvent) {
  std::mt19937 random(5);
  int written = 0;
  const auto write_or_not = [&](const std::function<void(store::Tx&)>& work) {
    const auto dice = random() % 4;
    if (dice != 0) store_->write(work);
    ++written;
    return dice > 1;  // 1: committed, but nobody got to know
  };
  const auto round = [&] {
    LeaseSweeper sweeper(reader_->statistics(), writes_);
    ASSERT_TRUE(sweeper.sweep(clock_.now()));
    SeatRollUp roll_up(reader_->statistics(), write_or_not);
    roll_up.run(reader_->audit_head().sequence, clock_.now(), [&random] { return random() % 8 != 0; });
  };
  std::vector<base::Id> licenses;
  SeatTimeline timeline;
  live(licenses, timeline, round);
  const auto head = [&] { return reader_->audit_head().sequence; };
  clock_.advance(1);
  while (reader_->statistics().state().license_sequence < head()) round();
  while (!SeatRollUp(reader_->statistics(), write_or_not).run(head(), clock_.now(), [] { return true; })) {
  }
  expect_true_figures(licenses, timeline);
  EXPECT_GT(written, 30);
}

TEST_F(StatisticsTest, ManyLicensesAreWrittenInSmallTransactions) {
  const auto policy = add_policy(R"({"max_clients":3})");
  std::vector<base::Id> licenses;
  for (int i = 0; i < 1'000; ++i) licenses.push_back(add_license(policy));
  std::vector<std::future<Outcome>> outcomes;
  for (const auto& license : licenses) {
    auto job = activate(license, "c");
    outcomes.push_back(job->done.get_future());
    std::unique_ptr<LicenseJob> handed = std::move(job);
    ASSERT_TRUE(writes_.submit(handed, Urgency::new_work));
  }
  for (auto& outcome : outcomes) ASSERT_EQ(outcome.get().text(), "ok");
  clock_.advance(100);
  int written = 0;
  const auto fail_second = [&](const std::function<void(store::Tx&)>& work) { return ++written != 2 && write(work); };
  SeatRollUp roll_up(reader_->statistics(), fail_second);
  const auto run = [&] { return roll_up.run(reader_->audit_head().sequence, clock_.now(), [] { return true; }); };
  EXPECT_FALSE(run());
  EXPECT_THAT(report(false), SizeIs(1)) << "the product was written before the rest";
  EXPECT_LT(report(true).size(), 1'000U);
  EXPECT_TRUE(run());
  EXPECT_GE(written, 4);
  const auto rows = report(true, 300);
  ASSERT_THAT(rows, SizeIs(1'000));
  for (const auto& row : rows) EXPECT_EQ(row.day.seat_seconds, 100);
  const auto whole = report(false);
  ASSERT_THAT(whole, SizeIs(1));
  EXPECT_EQ(whole[0].day.peak, 1'000U);
  EXPECT_EQ(whole[0].day.seat_seconds, 100'000);
}

TEST_F(StatisticsTest, AWindowEndsSoonAfterItIsToldTo) {
  const auto license = add_license(R"({"max_clients":100})");
  for (int i = 0; i < 50; ++i) run(activate(license, "c" + std::to_string(i)));
  int asked = 0;
  int written = 0;
  const auto count = [&](const std::function<void(store::Tx&)>& work) { return ++written, write(work); };
  SeatRollUp roll_up(reader_->statistics(), count);
  const auto head = reader_->audit_head().sequence;
  for (const int times : {0, 1, 2}) {  // the window, reading it, writing it
    asked = 0;
    EXPECT_FALSE(roll_up.run(head, clock_.now(), [&] { return asked++ < times; }));
    EXPECT_EQ(asked, times + 1);
    EXPECT_EQ(written, 0) << times;
  }
  EXPECT_TRUE(roll_up.run(head, clock_.now(), [] { return true; }));
  EXPECT_EQ(written, 1);
  EXPECT_EQ(reader_->statistics().state().license_sequence, head);
}

TEST_F(StatisticsTest, AWindowThatIsReadForLongIsWritten) {
  const auto license = add_license(R"({"max_clients":3000})");
  std::vector<std::future<Outcome>> outcomes;
  for (int i = 0; i < 1'500; ++i) {
    auto job = activate(license, "c" + std::to_string(i));
    outcomes.push_back(job->done.get_future());
    std::unique_ptr<LicenseJob> handed = std::move(job);
    ASSERT_TRUE(writes_.submit(handed, Urgency::new_work));
  }
  for (auto& outcome : outcomes) ASSERT_EQ(outcome.get().text(), "ok");
  std::vector<std::int64_t> written;
  SeatRollUp roll_up(reader_->statistics(), [&](const std::function<void(store::Tx&)>& work) {
    const bool done = write(work);
    written.push_back(reader_->statistics().state().license_sequence);
    return done;
  });
  int asked = 0;
  EXPECT_TRUE(roll_up.run(reader_->audit_head().sequence, clock_.now(), [&asked] {
    if (++asked == 2) std::this_thread::sleep_for(SeatRollUp::kWindowTime);
    return true;
  }));
  ASSERT_THAT(written, SizeIs(testing::Ge(2U)));
  EXPECT_LT(written.front(), written.back());
}

TEST_F(StatisticsTest, AClockThatGoesBackMakesNoNegativeTime) {
  clock_.advance(-3'000);
  const auto license = add_license(R"({"max_clients":5})");
  start();
  clock_.advance(3'000);
  ASSERT_EQ(run(activate(license, "a")).text(), "ok");
  clock_.advance(-3'000);
  ASSERT_EQ(run(activate(license, "b")).text(), "ok");
  ASSERT_EQ(run(deactivate(license, "a")).text(), "ok");
  clock_.advance(4'000);
  ASSERT_TRUE(statistics_->roll_up(10s));
  for (const bool by_license : {true, false}) {
    const auto rows = report(by_license);
    ASSERT_THAT(rows, SizeIs(1));
    EXPECT_EQ(rows[0].day.seat_seconds, 1'000) << "one seat, since the latest time that was seen";
    EXPECT_EQ(rows[0].day.peak, by_license ? 2U : 1U) << "a product's changes are put in the order of their times";
  }
}

TEST_F(StatisticsTest, EndedLeasesGoWithoutAVisitor) {
  std::vector<base::Id> licenses;
  for (int i = 0; i < 300; ++i) licenses.push_back(add_license(R"({"max_clients":2,"lease":100})"));
  start();
  for (const auto& license : licenses) ASSERT_EQ(run(activate(license, "a")).text(), "ok");
  EXPECT_EQ(reader_->totals().seats_held, 300);
  clock_.advance(100);
  for (int i = 0; i < 100 && reader_->totals().seats_held > 0; ++i) std::this_thread::sleep_for(100ms);
  EXPECT_EQ(reader_->totals().seats_held, 0);
  const auto released = events("seat.released");
  ASSERT_THAT(released, SizeIs(300));
  EXPECT_EQ(released[0].event.actor, "system");
  EXPECT_THAT(released[0].event.detail, testing::HasSubstr("\"seats_held\":0"));
}

RefusalNote note(const base::Id& license, store::Row product, Code code = Code::license_expired) {
  RefusalNote made;
  made.at = kNow;
  made.request_id = "req_1";
  made.endpoint = "/activate";
  made.message = "message";
  made.details = "{}";
  made.client_id = "c";
  made.code = code;
  made.license = license;
  made.product = product;
  return made;
}

std::map<std::string, std::int64_t> counted(store::StatisticsReader& reader, bool by_license) {
  std::map<std::string, std::int64_t> counts;
  for (const auto& row : reader.refusal_days({.first = 0, .last = 99'999, .by_license = by_license}, 1'000).rows) {
    counts[std::to_string(row.count.product) + "/" + std::to_string(row.count.license) + "/" + row.count.name] +=
        row.count.amount;
  }
  return counts;
}

TEST_F(StatisticsTest, ARefusalIsThereWhenItIsAskedFor) {
  const auto license = add_license("{}");
  start();
  const auto row = std::to_string(read(license).license.row);
  statistics_->note_refusal(0, note(license, product_.row));
  RefusalNote claimed = note({}, 0, Code::signature_invalid);
  claimed.claimed = ref_of(license);
  statistics_->note_refusal(1, claimed);
  claimed.claimed = store::LicenseRef{store::LicenseRef::By::key_digest, read(license).license.key_digest};
  statistics_->note_refusal(1, claimed);
  claimed.claimed = ref_of(crypto::random_id());
  claimed.by_license_key = true;
  statistics_->note_refusal(0, claimed);
  ASSERT_TRUE(statistics_->write_refusals(10s));
  ASSERT_TRUE(statistics_->write_refusals(0s)) << "nothing to wait for";
  const auto page = reader_->statistics().refusals({}, 0, 10);
  ASSERT_THAT(page.refusals, SizeIs(4));
  std::vector<bool> known;
  for (const auto& stored : page.refusals) {
    known.push_back(stored.license_id == license);
    EXPECT_EQ(stored.refusal.at, kNow);
    EXPECT_EQ(stored.refusal.actor, stored.license_id ? "" : "license");
  }
  EXPECT_EQ(std::ranges::count(known, true), 3);
  const auto product = std::to_string(product_.row);
  EXPECT_EQ(
      counted(reader_->statistics(), false),
      (std::map<std::string, std::int64_t>{
          {"0/0/SIGNATURE_INVALID", 1}, {product + "/0/LICENSE_EXPIRED", 1}, {product + "/0/SIGNATURE_INVALID", 2}}));
  EXPECT_EQ(counted(reader_->statistics(), true),
            (std::map<std::string, std::int64_t>{{product + "/" + row + "/LICENSE_EXPIRED", 1},
                                                 {product + "/" + row + "/SIGNATURE_INVALID", 2}}));
  EXPECT_EQ(statistics_->buffer().total(Code::signature_invalid), 3U);
}

TEST_F(StatisticsTest, ANoisyClientPushesNobodyOut) {
  StatisticsOptions options;
  options.refusals_max = 1'000;
  start(options);
  const auto noisy = add_license("{}"), quiet = add_license("{}");
  for (int i = 0; i < 5; ++i) statistics_->note_refusal(0, note(quiet, product_.row));
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 1'000; ++i) statistics_->note_refusal(0, note(noisy, product_.row));
    statistics_->note_refusal(0, note({}, 0));
    ASSERT_TRUE(statistics_->write_refusals(10s));
  }
  const auto kept = [&](const base::Id& license) {
    return reader_->statistics().refusals({.license = read(license).license.row}, 0, 5'000).refusals.size();
  };
  EXPECT_EQ(kept(quiet), 5U);
  EXPECT_GE(kept(noisy), 20U);
  EXPECT_LE(kept(noisy), 20U + RefusalBuffer::kDetailedOfOne);
  EXPECT_GE(statistics_->dropped_refusals(), 10'000U - 10 * RefusalBuffer::kDetailedOfOne);
  EXPECT_EQ(counted(reader_->statistics(), false)[std::to_string(product_.row) + "/0/LICENSE_EXPIRED"], 10'005)
      << "counted all the same";
}

TEST_F(StatisticsTest, RefusalsWaitForADatabaseThatCanNotBeWritten) {
  bool works = false;
  RefusalKeeper keeper(*reader_, [&](const auto& work) { return works && write(work); });
  RefusalBuffer buffer(1);
  const auto license = add_license("{}");
  for (int i = 0; i < 700; ++i) buffer.add(0, note(i % 2 == 0 ? license : base::Id{}, 0));
  EXPECT_FALSE(keeper.write(buffer.take(), 10'000));
  buffer.add(0, note(license, 0));
  EXPECT_FALSE(keeper.write(buffer.take(), 10'000));
  EXPECT_THAT(counted(reader_->statistics(), false), IsEmpty());
  works = true;
  EXPECT_TRUE(keeper.write({}, 10'000));
  EXPECT_TRUE(keeper.write({}, 10'000));
  const auto counts = counted(reader_->statistics(), false);
  EXPECT_EQ(counts.at("0/0/LICENSE_EXPIRED"), 350);
  EXPECT_EQ(counts.at(std::to_string(product_.row) + "/0/LICENSE_EXPIRED"), 351);
  EXPECT_EQ(reader_->statistics().state().refusals, 2 * RefusalBuffer::kDetailedOfOne + 1);
}

TEST_F(StatisticsTest, WhatIsOldGoesAtOnceWhenTheOptionsSaySo) {
  const auto license = add_license(R"({"type":"metered","max_clients":5})");
  start();
  run(use(license, 5, "i1"));
  run(activate(license, "a"));
  statistics_->note_refusal(0, note(license, product_.row));
  ASSERT_TRUE(statistics_->roll_up(10s));
  clock_.advance(10 * kDaySeconds);
  run(activate(license, "b"));
  ASSERT_TRUE(statistics_->roll_up(10s));
  EXPECT_THAT(report(true), SizeIs(11));
  restart();  // the clock is believed then
  statistics_->set_options(kept_for(5));
  const auto left = [&] {
    auto& statistics = reader_->statistics();
    return statistics.refusals({}, 0, 10).refusals.size() +
           statistics.usage_days({.first = 0, .last = 99'999}, 10).rows.size() + counted(statistics, false).size();
  };
  for (int i = 0; i < 100 && (left() > 0 || report(true).size() > 6); ++i) std::this_thread::sleep_for(50ms);
  EXPECT_EQ(left(), 0U);
  EXPECT_THAT(report(true), SizeIs(6)) << "a day that was dropped is not made up again";
}

// A clock that was years ahead for a minute took all reports with it.
TEST_F(StatisticsTest, AClockThatJumpsTakesNothingWithIt) {
  const auto license = add_license(R"({"type":"metered","max_clients":5})");
  start(kept_for(5));
  run(use(license, 5, "i1"));
  statistics_->note_refusal(0, note(license, product_.row));
  ASSERT_TRUE(statistics_->write_refusals(10s));
  clock_.advance(3000 * kDaySeconds);
  statistics_->set_options(kept_for(4));  // looks at once
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(statistics_->roll_up(10s));
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(reader_->statistics().refusals({}, 0, 10).refusals.size(), 1U);
  EXPECT_EQ(reader_->statistics().usage_days({.first = 0, .last = 99'999}, 10).rows.size(), 1U);
  EXPECT_THAT(counted(reader_->statistics(), false), SizeIs(1));
}

TEST_F(StatisticsTest, StoppingWritesWhatThereIs) {
  const auto license = add_license(R"({"max_clients":2})");
  start();
  run(activate(license, "a"));
  statistics_->note_refusal(1, note(license, product_.row));
  statistics_->stop();
  EXPECT_EQ(reader_->statistics().state().refusals, 1);
  EXPECT_EQ(reader_->statistics().state().license_sequence, reader_->audit_head().sequence);
  statistics_->stop();
}

TEST(RefusalBufferRace, EveryRefusalIsTakenOnce) {
  RefusalBuffer buffer(3);
  std::atomic<bool> stop{false};
  std::int64_t taken = 0;
  std::thread taker([&] {
    while (true) {
      const bool last = stop;
      for (const auto& counts : buffer.take().counted) taken += counts.amount;
      if (last) return;
    }
  });
  std::vector<std::thread> threads;
  for (unsigned lane = 0; lane < 3; ++lane) {
    threads.emplace_back([&, lane] {
      base::Id license;
      for (int i = 0; i < 20'000; ++i) {
        license.bytes[i % 16] = static_cast<std::uint8_t>(i);
        buffer.add(lane, note(license, 1));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  stop = true;
  taker.join();
  EXPECT_EQ(taken, 60'000);
  EXPECT_TRUE(buffer.empty());
}

TEST(RefusalBuffer, WhatIsTooMuchIsCountedForNoLicense) {
  RefusalBuffer buffer(1);
  for (std::uint64_t i = 0; i < RefusalBuffer::kCountsOfLane + 50; ++i) {
    base::Id license;
    std::memcpy(license.bytes.data(), &i, sizeof i);
    license.bytes[15] = 1;
    buffer.add(0, note(license, 1));
  }
  const auto taken = buffer.take();
  EXPECT_EQ(taken.detailed.size(), RefusalBuffer::kDetailedOfLane);
  EXPECT_EQ(taken.counted.size(), RefusalBuffer::kCountsOfLane + 1);
  std::int64_t of_nobody = 0;
  for (const auto& counts : taken.counted) of_nobody += counts.subject.license ? 0 : counts.amount;
  EXPECT_EQ(of_nobody, 50);
}

}  // namespace
}  // namespace lictor::service
