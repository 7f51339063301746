// The write path: one thread that drains what waits (group commit) and runs one transaction for it. Jobs are finished
// after the commit and after the cache has learned of it, so that every later validation sees what was acknowledged.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <variant>
#include <vector>

#include "service/batch.h"
#include "service/cache.h"
#include "service/catalog_sync.h"
#include "service/job.h"
#include "service/shared_cache.h"

namespace lictor::service {

struct WriteOptions {
  std::size_t batch_max = 256;   // jobs in one transaction; 1: a transaction for each
  std::size_t queue_max = 8192;  // waiting jobs; further ones are refused
  // Called on the write path's thread; may be empty.
  std::function<void(std::size_t jobs)> on_batch;
  std::function<void(std::string_view what)> on_error;
  std::function<void()> on_recovered;  // a change was committed after the database had failed
  SharedCache* shared = nullptr;       // told of each commit before the cache is; or nullptr
};

// How willingly a job is shed when the queue is long: new work first, renewals of what clients already hold last. What
// is taken runs in the order it came: a client that gave up on one call and made another is not to find them exchanged.
enum class Urgency : std::uint8_t { new_work, renewal };

class WritePath {
 public:
  // `sync`: of a database that other processes change, too; otherwise nullptr.
  WritePath(store::Store& store, Catalog& catalog, Cache& cache, const base::Clock& clock, WriteOptions options,
            CatalogSync* sync = nullptr);
  ~WritePath();  // stop()

  // False when the queue is full or the path is stopping: the job is left with the caller. Thread-safe.
  [[nodiscard]] bool submit(std::unique_ptr<LicenseJob>& job, Urgency urgency);
  [[nodiscard]] bool submit(std::unique_ptr<AdminJob>& job);
  // Runs `work` on the write path's thread between two transactions, before what waits. False when the path is
  // stopping: then it is not run. Thread-safe.
  [[nodiscard]] bool interpose(std::function<void()> work);
  // Runs what waits, then ends the thread. Idempotent.
  void stop();
  std::size_t queue_length() const noexcept { return waiting_.load(std::memory_order_relaxed); }
  // Below this nothing is shed, so nobody needs to know what is a renewal.
  bool is_short() const noexcept { return queue_length() < std::min(kShortQueue, options_.queue_max / 4); }

 private:
  static constexpr std::size_t kShortQueue = 64;
  using Waiting = std::variant<std::unique_ptr<LicenseJob>, std::unique_ptr<AdminJob>>;

  bool enqueue(Waiting&& job, std::size_t limit);
  void loop();
  bool take(std::vector<std::unique_ptr<LicenseJob>>& licenses, std::unique_ptr<AdminJob>& admin);
  void run(std::vector<std::unique_ptr<LicenseJob>>& jobs);
  void write_current(const std::function<void(store::Tx&)>& work);
  enum class Commit : std::uint8_t { done, isolate, failed, unknown };
  Commit commit(std::span<LicenseJob* const> jobs);
  static Job::End end_of(Commit commit) noexcept;
  void run(std::unique_ptr<AdminJob> job);
  void tell_shared(std::span<const store::Event> events);
  void failed(const store::StoreError& error);
  void report(std::string_view what) const;
  void succeeded(std::span<const store::Event> events);

  store::Store& store_;
  Cache& cache_;
  const base::Clock& clock_;
  const WriteOptions options_;
  CatalogSync* const sync_;
  Batch batch_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Waiting> queue_;
  std::size_t license_jobs_ = 0;  // of those in the queue
  std::vector<std::function<void()>> interposed_;
  std::atomic<std::size_t> waiting_{0};
  bool failing_ = false;  // the write path's thread only
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace lictor::service
