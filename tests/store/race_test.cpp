#include <algorithm>
#include <atomic>
#include <thread>

#include "store/conformance.h"
#include "store/seat_takers.h"

namespace lictor::test {
namespace {

bool give_back(store::Tx& tx, const std::string& client_id) {
  const std::vector refs{by_key(1, client_id)};
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
        writer.submit([&](store::Tx& tx) { return take_seat(tx, 1, client); });
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
