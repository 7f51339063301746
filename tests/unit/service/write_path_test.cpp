#include "service/write_path.h"

#include <random>
#include <set>
#include <thread>

#include "service/read_pool.h"
#include "unit/service/service_test.h"

namespace lictor::service {
namespace {

using AdminEnd = std::pair<Job::End, std::optional<store::StoreError::Kind>>;

class WritePathTest : public ServiceTest {
 protected:
  WritePath& start(std::size_t queue_max = 8192, std::size_t batch_max = 256) {
    WriteOptions write;
    write.queue_max = queue_max;
    write.batch_max = batch_max;
    write.on_batch = [this](std::size_t jobs) { batches_.push_back(jobs); };
    write.on_error = [this](std::string_view what) { errors_.emplace_back(what); };
    return writes_.emplace(*store_, catalog_, cache_, clock_, std::move(write));
  }
  std::optional<std::future<Outcome>> try_submit(std::unique_ptr<TestJob> job, Urgency urgency = Urgency::new_work) {
    auto future = job->done.get_future();
    std::unique_ptr<LicenseJob> handed = std::move(job);
    if (writes_->submit(handed, urgency)) return future;
    EXPECT_NE(handed, nullptr) << "a refused job is left with the caller";
    return std::nullopt;
  }
  std::future<Outcome> submit(std::unique_ptr<TestJob> job) { return *try_submit(std::move(job)); }
  std::future<AdminEnd> submit_admin(decltype(AdminJob::work) work, std::function<void()> committed = {}) {
    auto job = std::make_unique<TestAdminJob>();
    job->work = std::move(work);
    job->committed = std::move(committed);
    auto future = job->done.get_future();
    std::unique_ptr<AdminJob> handed = std::move(job);
    EXPECT_TRUE(writes_->submit(handed));
    return future;
  }

  // Keeps the write path busy until release(), so that what is submitted meanwhile waits in the queue.
  void hold() {
    held_ = submit_admin([this](store::Tx&, base::UnixSeconds, std::vector<store::Event>&) {
      entered_.set_value();
      gate_.get_future().wait();
      return true;
    });
    entered_.get_future().wait();
  }
  void release() {
    gate_.set_value();
    EXPECT_EQ(held_.get().first, Job::End::committed);
  }

  std::vector<std::size_t> batches_;  // read after stop()
  std::vector<std::string> errors_;
  std::promise<void> entered_, gate_;
  std::future<AdminEnd> held_;
  std::optional<WritePath> writes_;
};

TEST_F(WritePathTest, WhatWaitsGoesIntoOneTransaction) {
  const auto license = add_license(R"({"max_clients":100})");
  start();
  hold();
  std::vector<std::future<Outcome>> outcomes;
  for (int i = 0; i < 50; ++i) outcomes.push_back(submit(activate(license, "c" + std::to_string(i))));
  EXPECT_EQ(writes_->queue_length(), 50U);
  const int before = commits_;
  release();
  for (auto& outcome : outcomes) EXPECT_EQ(outcome.get().text(), "ok");
  writes_->stop();
  EXPECT_EQ(batches_, std::vector<std::size_t>{50});
  EXPECT_LE(commits_ - before, 2) << "the holding job's own, and the batch's";
  EXPECT_EQ(read(license).license.state.seats_held, 50U);
}

TEST_F(WritePathTest, BatchesAreBounded) {
  const auto license = add_license(R"({"max_clients":100})");
  start(8192, 8);
  hold();
  std::vector<std::future<Outcome>> outcomes;
  for (int i = 0; i < 20; ++i) outcomes.push_back(submit(activate(license, "c" + std::to_string(i))));
  release();
  for (auto& outcome : outcomes) EXPECT_EQ(outcome.get().text(), "ok");
  writes_->stop();
  EXPECT_EQ(batches_, (std::vector<std::size_t>{8, 8, 4}));
}

TEST_F(WritePathTest, TheQueueIsBoundedAndRenewalsAreShedLast) {
  const auto license = add_license(R"({"max_clients":100})");
  start(16);
  hold();
  std::vector<std::future<Outcome>> accepted;
  const auto submit_until_full = [&](Urgency urgency) {
    int count = 0;
    while (auto future = try_submit(activate(license, "c" + std::to_string(accepted.size())), urgency)) {
      accepted.push_back(std::move(*future));
      ++count;
    }
    return count;
  };
  EXPECT_EQ(submit_until_full(Urgency::new_work), 12);
  EXPECT_EQ(submit_until_full(Urgency::renewal), 4);
  EXPECT_EQ(submit_until_full(Urgency::new_work), 0);
  std::unique_ptr<AdminJob> admin = std::make_unique<TestAdminJob>();
  EXPECT_FALSE(writes_->submit(admin));
  EXPECT_NE(admin, nullptr);
  release();
  for (auto& outcome : accepted) EXPECT_EQ(outcome.get().text(), "ok");
  EXPECT_TRUE(try_submit(activate(license, "later")));
}

// Also of the server itself, which writes refusals down just when many are refused.
TEST_F(WritePathTest, AdministrationTakesNoPlaceThatIsKeptForRenewals) {
  const auto license = add_license(R"({"max_clients":100})");
  start(16);
  hold();
  std::vector<std::future<Outcome>> accepted;
  const auto activate_next = [&](Urgency urgency) {
    auto future = try_submit(activate(license, "c" + std::to_string(accepted.size())), urgency);
    if (future) accepted.push_back(std::move(*future));
    return future.has_value();
  };
  for (int i = 0; i < 12; ++i) EXPECT_TRUE(activate_next(Urgency::new_work));
  auto admin = submit_admin([](store::Tx&, base::UnixSeconds, std::vector<store::Event>&) { return true; });
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(activate_next(Urgency::renewal)) << i;
  EXPECT_FALSE(activate_next(Urgency::renewal));
  release();
  EXPECT_EQ(admin.get().first, Job::End::committed);
  for (auto& outcome : accepted) EXPECT_EQ(outcome.get().text(), "ok");
}

// The usual activation names the license by its key; in the cache it was found by its id alone, so that a renewal could
// not be told from new work.
TEST_F(WritePathTest, WhatWasActivatedByKeyIsFoundByKey) {
  const auto license = add_license(R"({"max_clients":3})");
  start();
  const store::LicenseRef by_key{store::LicenseRef::By::key_digest, read(license).license.key_digest};
  auto job = activate(license, "a");
  job->ref = by_key;
  EXPECT_EQ(submit(std::move(job)).get().text(), "ok");
  const std::string_view client = "a", other = "b";
  CachedView view;
  EXPECT_TRUE(cache_.find(by_key, &client, kNow, view));
  EXPECT_FALSE(cache_.find(by_key, &other, kNow, view));
}

// Whatever the clock does, no more seats than allowed count at the moment it shows, and a seat without a lease stays.
TEST_F(WritePathTest, AClockThatStepsGivesNoSeatTooMany) {
  const auto floating = add_license(R"({"max_clients":3,"lease":3600})");
  const auto fixed = add_license(R"({"max_clients":3})");
  start();
  const auto reader = store_->open_reader();
  std::mt19937 random(17);
  std::set<std::string> kept;
  for (int i = 0; i < 200; ++i) {
    if (i % 5 == 0) clock_.set(kNow + static_cast<std::int64_t>(random() % 121) * 1800);  // 60 hours
    const std::string client = "c" + std::to_string(random() % 9);
    if (submit(activate(fixed, client)).get().text() == "ok") kept.insert(client);
    const bool gives_back = random() % 8 == 0;
    const auto outcome = submit(gives_back ? deactivate(floating, client) : activate(floating, client)).get();
    if (!gives_back && outcome.text() == "ok") {
      EXPECT_GE(outcome.answer.lease_expires_at, clock_.now() + 1800) << "a promise for longer is kept";
    }
    EXPECT_TRUE(outcome.text() == "ok" || outcome.text() == "MAX_CLIENTS_REACHED") << outcome.text();
    std::size_t counting = 0;
    for (int n = 0; n < 9; ++n) {
      const auto view = reader->license(ref_of(floating), "c" + std::to_string(n), clock_.now());
      counting += view->activation && licensing::holds_seat(*view->activation, clock_.now()) ? 1 : 0;
    }
    ASSERT_LE(counting, 3U) << "step " << i;
  }
  EXPECT_EQ(kept.size(), 3U);
  for (const std::string& client : kept) EXPECT_TRUE(read(fixed, client).activation->held) << client;
}

TEST_F(WritePathTest, StopRunsWhatWaitsAndTakesNothingNew) {
  const auto license = add_license(R"({"max_clients":100})");
  start();
  hold();
  auto waiting = submit(activate(license, "a"));
  std::thread stopper([this] { writes_->stop(); });
  release();
  stopper.join();
  EXPECT_EQ(waiting.get().text(), "ok");
  EXPECT_FALSE(try_submit(activate(license, "b")));
  writes_->stop();
  EXPECT_EQ(read(license).license.state.seats_held, 1U);
}

// A license whose policy the catalog does not know makes Batch::run throw.
TEST_F(WritePathTest, AJobThatThrowsDoesNotSinkItsNeighbours) {
  const auto good = add_license(R"({"max_clients":100})");
  store::NewLicense bad;
  bad.id = crypto::random_id();
  bad.key_digest = crypto::random_id();
  bad.key = "BAD-KEY";
  store_->write([&](store::Tx& tx) {
    store::Policy unknown{0, crypto::random_id(), product_.row, "unknown", "{}", kNow};
    bad.policy = tx.insert_policy(unknown);
    tx.insert_licenses(std::span(&bad, 1));
  });
  start();
  hold();
  auto before = submit(activate(good, "a"));
  auto broken = submit(activate(bad.id, "b"));
  auto behind = submit(activate(good, "c"));
  release();
  EXPECT_EQ(before.get().text(), "ok");
  EXPECT_EQ(broken.get().text(), "unavailable");
  EXPECT_EQ(behind.get().text(), "ok");
  EXPECT_EQ(submit(activate(bad.id, "b")).get().text(), "unavailable") << "alone, too";
  writes_->stop();
  EXPECT_FALSE(errors_.empty());
  EXPECT_EQ(read(good).license.state.seats_held, 2U);
  EXPECT_EQ(events("seat.granted").size(), 2U);
}

TEST_F(WritePathTest, AdminJobs) {
  start();
  const auto note = [](std::string action) {
    return [action](store::Tx&, base::UnixSeconds now, std::vector<store::Event>& events) {
      store::Event event;
      event.at = now;
      event.action = action;
      events.push_back(event);
      return true;
    };
  };
  bool told = false;
  EXPECT_EQ(submit_admin(note("test.done"), [&] { told = true; }).get().first, Job::End::committed);
  EXPECT_TRUE(told);
  EXPECT_EQ(events("test.").size(), 1U);

  told = false;
  auto thrown = submit_admin(
      [](store::Tx&, base::UnixSeconds, std::vector<store::Event>&) -> bool { throw std::runtime_error("no"); },
      [&] { told = true; });
  EXPECT_EQ(thrown.get().first, Job::End::unavailable);
  EXPECT_FALSE(told);

  auto unknown = submit_admin(
      [](store::Tx&, base::UnixSeconds, std::vector<store::Event>&) -> bool {
        throw store::StoreError(store::StoreError::Kind::commit_unknown, "cut off");
      },
      [&] { told = true; });
  EXPECT_EQ(unknown.get().first, Job::End::unknown) << "nobody may say that nothing was recorded";
  EXPECT_FALSE(told);

  auto refused = submit_admin(
      [this, note](store::Tx& tx, base::UnixSeconds now, std::vector<store::Event>& events) {
        note("test.refused")(tx, now, events);
        tx.update_product_settings(product_.row, "{\"refused\":1}");
        return false;
      },
      [&] { told = true; });
  EXPECT_EQ(refused.get().first, Job::End::refused);
  EXPECT_FALSE(told);
  EXPECT_EQ(store_->open_reader()->products().front().settings, product_.settings) << "nothing of it stays";

  auto twice = submit_admin([this, note](store::Tx& tx, base::UnixSeconds now, std::vector<store::Event>& events) {
    note("test.undone")(tx, now, events);
    store::Product again = product_;
    again.id = crypto::random_id();
    tx.insert_product(again);
    return true;
  });
  const auto end = twice.get();
  EXPECT_EQ(end.first, Job::End::unavailable);
  EXPECT_EQ(end.second, store::StoreError::Kind::unique_violation);
  EXPECT_EQ(events("test.").size(), 1U);
}

TEST_F(WritePathTest, AdminJobsKeepTheirPlaceInTheQueue) {
  const auto license = add_license(R"({"max_clients":100})");
  start();
  hold();
  auto before = submit(activate(license, "a"));
  auto admin = submit_admin([&](store::Tx& tx, base::UnixSeconds, std::vector<store::Event>&) {
    const auto ref = ref_of(license);
    EXPECT_EQ(tx.lock(std::span(&ref, 1))[0]->state.seats_held, 1U);
    return true;
  });
  auto behind = submit(activate(license, "b"));
  release();
  EXPECT_EQ(before.get().text(), "ok");
  EXPECT_EQ(admin.get().first, Job::End::committed);
  EXPECT_EQ(behind.get().text(), "ok");
}

// ---- concurrent ----

class WritePathRace : public WritePathTest {};

TEST_F(WritePathRace, NeverMoreSeatsThanAllowed) {
  constexpr int kThreads = 32, kRounds = 15;
  const auto license = add_license(R"({"max_clients":10})");
  start();
  std::atomic<int> held{0}, most{0}, refused{0};
  std::vector<std::thread> threads;
  for (int number = 0; number < kThreads; ++number) {
    threads.emplace_back([&, number] {
      const std::string client = "c" + std::to_string(number);
      for (int round = 0; round < kRounds; ++round) {
        const std::string outcome = submit(activate(license, client)).get().text();
        if (outcome != "ok") {
          EXPECT_EQ(outcome, "MAX_CLIENTS_REACHED");
          ++refused;
          continue;
        }
        const int now = ++held;
        for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
        }
        EXPECT_EQ(submit(activate(license, client)).get().answer.seat, licensing::SeatChange::renewed);
        --held;  // before: a seat that is given back may be taken by others before we hear of it
        EXPECT_EQ(submit(deactivate(license, client)).get().text(), "ok");
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_LE(most, 10);
  EXPECT_GT(refused, 0);
  EXPECT_EQ(read(license).license.state.seats_held, 0U);
  EXPECT_EQ(events("seat.granted").size(), events("seat.released").size());
}

TEST_F(WritePathRace, AllAtOnceForTenSeats) {
  const auto license = add_license(R"({"max_clients":10})");
  start();
  std::atomic<int> granted{0}, refused{0};
  std::vector<std::thread> threads;
  for (int number = 0; number < 32; ++number) {
    threads.emplace_back([&, number] {
      for (int i = 0; i < 3; ++i) {
        const auto outcome = submit(activate(license, "c" + std::to_string(number * 3 + i))).get();
        ++(outcome.answer.denial ? refused : granted);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(granted, 10);
  EXPECT_EQ(refused, 86);
  EXPECT_EQ(read(license).license.state.seats_held, 10U);
}

struct PoolJob final : ReadJob {
  std::function<void(store::Reader&)> work;
  std::promise<bool> done;  // failed?
  void run(store::Reader& reader) override { work(reader); }
  void finish(std::unique_ptr<ReadJob> self, bool failed) noexcept override {
    auto promise = std::move(done);
    self.reset();
    promise.set_value(failed);
  }
};

TEST_F(ServiceTest, ReadPool) {
  std::vector<std::string> errors;
  ReadOptions options;
  options.threads = 1;
  options.queue_max = 2;
  options.on_error = [&](std::string_view what) { errors.emplace_back(what); };
  ReadPool pool(*store_, options);
  std::promise<void> entered, gate;
  const auto submit = [&](std::function<void(store::Reader&)> work) -> std::optional<std::future<bool>> {
    auto job = std::make_unique<PoolJob>();
    job->work = std::move(work);
    auto future = job->done.get_future();
    std::unique_ptr<ReadJob> handed = std::move(job);
    if (pool.submit(handed)) return future;
    EXPECT_NE(handed, nullptr);
    return std::nullopt;
  };
  auto first = submit([&](store::Reader&) {
    entered.set_value();
    gate.get_future().wait();
  });
  entered.get_future().wait();
  std::size_t products = 0;
  auto second = submit([&](store::Reader& reader) { products = reader.products().size(); });
  auto third = submit([](store::Reader&) { throw store::StoreError(store::StoreError::Kind::corrupt, "broken"); });
  EXPECT_FALSE(submit([](store::Reader&) {})) << "the queue is full";
  EXPECT_EQ(pool.queue_length(), 2U);
  gate.set_value();
  EXPECT_FALSE(first->get());
  EXPECT_FALSE(second->get());
  EXPECT_TRUE(third->get());
  EXPECT_EQ(products, 1U);
  pool.stop();
  EXPECT_EQ(errors, std::vector<std::string>{"broken"});
  EXPECT_FALSE(submit([](store::Reader&) {}));
}

}  // namespace
}  // namespace lictor::service
