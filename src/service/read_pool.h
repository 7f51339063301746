// Threads that read the database for requests that memory can't answer: cache misses, details, lists. I/O threads never
// wait for the database. A thread, with a connection of its own, is made when one is needed: up to `threads`, which
// stay, and up to `overflow` more, which go when they had nothing to do for a while.
//
// While a database server can't be reached, jobs fail at once but for one now and then, which finds out whether it is
// back.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>

#include "store/store.h"

namespace lictor::service {

struct ReadJob {
  virtual ~ReadJob() = default;
  // On a pool thread, first and once: true when what was asked is known without the database, so that only finish() is
  // left to do.
  virtual bool run_without_database() noexcept { return false; }
  // On a pool thread. Throws what the reader throws; then failed() is called instead of finish(). Called again when the
  // connection was lost.
  virtual void run(store::Reader& reader) = 0;
  // `self` is this job; `failed`: run() threw, nothing was read.
  virtual void finish(std::unique_ptr<ReadJob> self, bool failed) noexcept = 0;
};

struct ReadOptions {
  std::size_t threads = 2;
  std::size_t overflow = 0;
  std::size_t queue_max = 8192;
  std::chrono::milliseconds idle{10'000};  // after which a thread of the overflow goes
  std::chrono::milliseconds pause{0};      // between two tries while the database can't be reached; 0: each job tries
  std::function<void(std::string_view what)> on_error;
};

class ReadPool {
 public:
  ReadPool(store::Store& store, ReadOptions options);
  ~ReadPool();  // stop()

  // False when the queue is full or the pool is stopping: the job is left with the caller. Thread-safe.
  [[nodiscard]] bool submit(std::unique_ptr<ReadJob>& job);
  void stop();  // runs what waits, then ends the threads; idempotent
  std::size_t queue_length() const noexcept { return waiting_.load(std::memory_order_relaxed); }
  std::size_t threads() const noexcept { return running_.load(std::memory_order_relaxed); }
  std::size_t busy() const noexcept { return busy_.load(std::memory_order_relaxed); }
  // False from the first read that found no database until one finds it again.
  bool is_reachable() const noexcept { return failed_at_.load(std::memory_order_relaxed) == 0; }

 private:
  struct Worker {
    std::thread thread;
    bool ended = false;
  };

  void start_thread();
  void loop(Worker& worker);
  std::unique_ptr<ReadJob> take(bool may_end);
  bool run(ReadJob& job, std::unique_ptr<store::Reader>& reader);
  void report(std::string_view what) const;
  bool may_try() noexcept;

  store::Store& store_;
  const ReadOptions options_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::unique_ptr<ReadJob>> queue_;
  std::atomic<std::size_t> waiting_{0}, running_{0}, busy_{0};
  std::size_t idle_ = 0;
  bool stopping_ = false;
  std::list<Worker> workers_;
  std::atomic<std::int64_t> failed_at_{0};  // milliseconds of the steady clock; 0: the database could be reached last
};

}  // namespace lictor::service
