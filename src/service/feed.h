// What other processes changed in the database, learned from its audit events: they are numbered in the order of
// commits (store.h, Reader::changes), so that reading on from the last one misses nothing, however long that was ago.
// The write path's thread applies them to the cache and the catalogue between two transactions of its own: what it
// published itself is then older than what comes after it.
//
// As long as the feed is current, what is in memory is at most `trust` old. Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>

#include "base/clock.h"
#include "service/cache.h"
#include "service/catalog_sync.h"
#include "service/change_history.h"
#include "service/write_path.h"
#include "store/store.h"

namespace lictor::service {

struct FeedOptions {
  std::chrono::milliseconds interval{20};  // between two reads
  // For how long a read that found nothing, or that was applied, lets memory be trusted. It bounds how late a
  // revocation is seen.
  std::chrono::milliseconds trust{700};
  // For how long memory answers while the database can't be read.
  std::chrono::milliseconds staleness{300'000};
  // Put right by the database's clock, once a second; or nullptr. By machines whose clocks differ, a lease that ends on
  // one would still last on another.
  base::CorrectedClock* clock = nullptr;
  // Told all that is read, and what happened before the start as far back as `history_age`; or nullptr.
  ChangeHistory* history = nullptr;
  std::chrono::seconds history_age{300};
  std::function<void(std::string_view why)> on_lost;  // on the feed's thread, as those below; may be empty
  std::function<void(std::chrono::milliseconds after)> on_back;
  // The database has another history than the one that was read so far, up to event `known`; its newest is `newest`.
  std::function<void(std::int64_t known, std::int64_t newest)> on_another;
  std::function<void(std::chrono::milliseconds ahead)> on_clock;  // so much is the database's clock ahead from now on
};

struct FeedCounts {
  std::uint64_t notes = 0;                   // of others' changes that were applied
  std::uint64_t resets = 0;                  // times all that was in memory was dropped
  std::uint64_t lost = 0;                    // times the feed was lost
  std::int64_t sequence = 0;                 // of the last event that is in
  std::chrono::milliseconds clock_ahead{0};  // of the database, before this machine's
};

class Feed {
 public:
  // Reads the catalogue, and begins behind what is in the database then: catch_up() tells when that is done.
  Feed(store::Store& store, WritePath& writes, Cache& cache, CatalogSync& catalog, FeedOptions options);
  ~Feed();  // stop()

  // Whether memory may be answered from, costs a few nanoseconds.
  bool is_current() const noexcept { return now() < current_until_.load(std::memory_order_relaxed) && !is_distrusted_; }
  // Whether it still may when the database can't be read.
  bool is_usable() const noexcept { return now() < usable_until_.load(std::memory_order_relaxed) && !is_distrusted_; }
  std::chrono::milliseconds age() const noexcept;  // since the last read that was applied
  // Until all that was committed before the call is applied; false: not within that time.
  bool catch_up(std::chrono::milliseconds limit);
  // The same, of products, policies and API keys only: most of the time one read tells that there is nothing new.
  bool catch_up_catalog(store::Reader& reader, std::chrono::milliseconds limit);
  // Whether one more look for something unknown is fine now: a stranger must not make us look all the time. A few at
  // once are: several threads of a client that was just given its API key.
  bool may_look() noexcept;
  FeedCounts counts() const noexcept;
  // Memory is to be trusted no more, whatever is read.
  void distrust() noexcept { is_distrusted_ = true; }
  void stop();  // idempotent; before the write path's

 private:
  static std::int64_t now() noexcept;  // milliseconds of CLOCK_BOOTTIME, which goes on while the machine sleeps
  void loop();
  void poll();
  enum class Applied : std::uint8_t { yes, another_history, too_much, stopping };
  Applied apply(store::ChangePage&& page);
  void pass_over_own();
  Applied apply_pages();
  bool reset();
  void read_back();
  void read_clock();
  bool on_write_path(std::function<void()> work);

  store::Store& store_;
  WritePath& writes_;
  Cache& cache_;
  CatalogSync& catalog_;
  const FeedOptions options_;
  std::unique_ptr<store::Reader> reader_;
  std::int64_t clock_read_at_ = 0;
  store::ChangePlace place_;
  bool started_ = false;
  bool reads_back_ = false;  // the history that there was before the place where reading began
  std::atomic<std::int64_t> read_at_{0}, current_until_{0}, usable_until_{0};
  std::atomic<std::uint64_t> notes_{0}, resets_{0}, lost_{0};
  std::atomic<std::int64_t> sequence_{0}, looks_until_{0};
  std::atomic<bool> is_distrusted_{false};

  std::mutex mutex_;
  std::condition_variable wake_, applied_;
  std::uint64_t asked_ = 0, answered_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace lictor::service
