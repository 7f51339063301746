// A few threads that read the database for requests that memory can't answer: cache misses, details, lists. I/O threads
// never wait for the database.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "store/store.h"

namespace lictor::service {

struct ReadJob {
  virtual ~ReadJob() = default;
  // On a pool thread. Throws what the reader throws; then failed() is called instead of finish().
  virtual void run(store::Reader& reader) = 0;
  // `self` is this job; `failed`: run() threw, nothing was read.
  virtual void finish(std::unique_ptr<ReadJob> self, bool failed) noexcept = 0;
};

struct ReadOptions {
  std::size_t threads = 2;
  std::size_t queue_max = 8192;
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

 private:
  void loop(store::Reader& reader);

  const ReadOptions options_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::unique_ptr<ReadJob>> queue_;
  std::atomic<std::size_t> waiting_{0};
  bool stopping_ = false;
  std::vector<std::unique_ptr<store::Reader>> readers_;
  std::vector<std::thread> threads_;
};

}  // namespace lictor::service
