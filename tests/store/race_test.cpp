#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <future>
#include <thread>

#include "store/conformance.h"

namespace lictor::test {
namespace {

constexpr std::uint32_t kSeats = 10;

// As the service does it: many callers, one thread that writes what waits in one transaction.
class Writer {
 public:
  using Work = std::function<bool(store::Tx&)>;
  explicit Writer(store::Store& store) : store_(store), thread_([this] { run(); }) {}
  ~Writer() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  // Answers after the commit.
  bool submit(Work work) {
    std::future<bool> answer;
    {
      const std::lock_guard lock(mutex_);
      queue_.emplace_back(std::move(work), std::promise<bool>());
      answer = queue_.back().second.get_future();
    }
    wake_.notify_one();
    return answer.get();
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return stop_ || !queue_.empty(); });
      if (queue_.empty()) return;
      auto batch = std::move(queue_);
      queue_.clear();
      lock.unlock();
      std::vector<bool> outcomes;
      store_.write([&](store::Tx& tx) {
        for (auto& [work, answer] : batch) outcomes.push_back(work(tx));
      });
      for (std::size_t i = 0; i < batch.size(); ++i) batch[i].second.set_value(outcomes[i]);
      lock.lock();
    }
  }

  store::Store& store_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::pair<Work, std::promise<bool>>> queue_;
  bool stop_ = false;
  std::thread thread_;
};

// Locks, looks, takes a seat when one is free. Client ids that are asked for again keep their seat.
bool take_seat(store::Tx& tx, const std::string& client_id) {
  const std::vector refs{by_id(1)};
  auto license = tx.lock(refs).front().value();
  const std::vector<store::SeatQuery> queries{{license.row, client_id}};
  if (const auto own = tx.activations(queries).front(); own && own->held) return true;
  if (license.state.seats_held >= kSeats) return false;
  ++license.state.seats_held;
  store::Changes changes;
  changes.licenses.push_back({license.row, license.state});
  changes.activations.push_back(held_seat(license.row, client_id));
  changes.events.push_back(event("seat.granted"));
  tx.apply(changes);
  return true;
}

bool give_back(store::Tx& tx, const std::string& client_id) {
  const std::vector refs{by_id(1)};
  auto license = tx.lock(refs).front().value();
  const std::vector<store::SeatQuery> queries{{license.row, client_id}};
  const auto own = tx.activations(queries).front();
  if (!own || !own->held) return false;
  --license.state.seats_held;
  store::Changes changes;
  changes.licenses.push_back({license.row, license.state});
  changes.activations.push_back(held_seat(license.row, client_id));
  changes.activations.back().state.held = false;
  changes.events.push_back(event("seat.released"));
  tx.apply(changes);
  return true;
}

std::size_t held_seats(store::Reader& reader, store::Row license) {
  const auto clients = reader.clients(license, "", 1'000'000);
  return static_cast<std::size_t>(std::count_if(
      clients.begin(), clients.end(), [](const store::ClientView& client) { return client.activation.held; }));
}

void run_threads(unsigned count, const std::function<void(unsigned)>& work) {
  std::vector<std::thread> threads;
  for (unsigned number = 0; number < count; ++number) threads.emplace_back([&work, number] { work(number); });
  for (std::thread& thread : threads) thread.join();
}

TEST_P(StoreRace, never_oversells) {
  make_licenses(1);
  std::atomic<unsigned> granted{0};
  {
    Writer writer(*store_);
    run_threads(16, [&](unsigned thread) {
      for (unsigned attempt = 0; attempt < 20; ++attempt) {
        const std::string client = "client-" + std::to_string(thread) + "-" + std::to_string(attempt);
        if (writer.submit([&](store::Tx& tx) { return take_seat(tx, client); })) ++granted;
      }
    });
  }
  EXPECT_EQ(granted, kSeats);
  EXPECT_EQ(row_of(1).state.seats_held, kSeats);
  EXPECT_EQ(held_seats(*reader_, row_of(1).row), kSeats);
  EXPECT_EQ(reader_->audit_head().sequence, kSeats);
  EXPECT_EQ(chain_fault(), "");
}

TEST_P(StoreRace, seats_and_counter_agree_while_seats_come_and_go) {
  make_licenses(1);
  std::atomic<bool> done{false};
  std::atomic<unsigned> oversold{0};
  std::thread watcher([&] {
    const auto reader = store_->open_reader();
    while (!done) {
      const auto license = reader->license(by_id(1), std::nullopt, kNow).value().license;
      if (license.state.seats_held > kSeats || held_seats(*reader, license.row) > kSeats) ++oversold;
    }
  });
  {
    Writer writer(*store_);
    run_threads(8, [&](unsigned thread) {
      for (unsigned round = 0; round < 20; ++round) {
        const std::string client = "client-" + std::to_string(thread) + "-" + std::to_string(round % 3);
        writer.submit([&](store::Tx& tx) { return take_seat(tx, client); });
        writer.submit([&](store::Tx& tx) { return give_back(tx, client); });
      }
    });
  }
  done = true;
  watcher.join();
  EXPECT_EQ(oversold, 0U);
  EXPECT_EQ(row_of(1).state.seats_held, 0U);
  EXPECT_EQ(held_seats(*reader_, row_of(1).row), 0U);
  EXPECT_EQ(chain_fault(), "");
}

// Each commit changes two licenses alike; a reader that saw only one of them saw half a commit.
TEST_P(StoreRace, readers_see_whole_commits_during_heavy_writes) {
  make_licenses(1);
  const store::Row license = row_of(1).row;
  std::atomic<std::int64_t> committed{0};
  std::atomic<bool> done{false};
  std::atomic<unsigned> stale{0};
  std::atomic<unsigned> torn{0};
  std::vector<std::thread> readers;
  for (unsigned number = 0; number < 3; ++number) {
    readers.emplace_back([&] {
      const auto reader = store_->open_reader();
      while (!done) {
        const std::int64_t before = committed;
        const auto view = reader->license(by_id(1), "client", kNow).value();
        if (view.license.state.transfers < before) ++stale;
        const std::uint32_t seen = view.activation ? view.activation->vacated_at_transfer : 0;
        if (seen != view.license.state.transfers) ++torn;
      }
    });
  }
  for (std::uint32_t round = 1; round <= 150; ++round) {
    store::Changes changes;
    changes.licenses.push_back({license, {}});
    changes.licenses.back().state.transfers = round;
    changes.activations.push_back(held_seat(license, "client"));
    changes.activations.back().state.vacated_at_transfer = round;
    for (int i = 0; i < 20; ++i) changes.events.push_back(event("seat.granted"));
    apply(changes);
    committed = round;
  }
  done = true;
  for (std::thread& thread : readers) thread.join();
  EXPECT_EQ(stale, 0U);
  EXPECT_EQ(torn, 0U);
  EXPECT_EQ(chain_fault(), "");
}

}  // namespace
}  // namespace lictor::test
