#include "service/read_pool.h"

#include <pthread.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace lictor::service {
namespace {

std::int64_t steady_milliseconds() noexcept {
  const auto time = std::chrono::steady_clock::now().time_since_epoch();
  return std::max<std::int64_t>(1, std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
}

}  // namespace

ReadPool::ReadPool(store::Store& store, ReadOptions options) : store_(store), options_(std::move(options)) {}

ReadPool::~ReadPool() { stop(); }

bool ReadPool::submit(std::unique_ptr<ReadJob>& job) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || queue_.size() >= options_.queue_max) return false;
    queue_.push_back(std::move(job));
    waiting_.store(queue_.size(), std::memory_order_relaxed);
    if (queue_.size() > idle_ && running_ < options_.threads + options_.overflow) start_thread();
  }
  wake_.notify_one();
  return true;
}

// With the lock.
void ReadPool::start_thread() {
  for (auto worker = workers_.begin(); worker != workers_.end();) {
    if (!worker->ended) {
      ++worker;
      continue;
    }
    worker->thread.join();
    worker = workers_.erase(worker);
  }
  Worker& worker = workers_.emplace_back();
  ++running_;
  ++idle_;
  worker.thread = std::thread([this, &worker] { loop(worker); });
  pthread_setname_np(worker.thread.native_handle(), "lictor-read");
}

void ReadPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (Worker& worker : workers_) {
    if (worker.thread.joinable()) worker.thread.join();
  }
}

// Nothing: the thread has to end.
std::unique_ptr<ReadJob> ReadPool::take(bool may_end) {
  std::unique_lock lock(mutex_);
  const auto ready = [this] { return stopping_ || !queue_.empty(); };
  if (may_end) {
    wake_.wait_for(lock, options_.idle, ready);
  } else {
    wake_.wait(lock, ready);
  }
  if (queue_.empty()) return nullptr;
  auto job = std::move(queue_.front());
  queue_.pop_front();
  waiting_.store(queue_.size(), std::memory_order_relaxed);
  --idle_;
  return job;
}

void ReadPool::loop(Worker& worker) {
  std::unique_ptr<store::Reader> reader;
  while (auto job = take(running_ > options_.threads)) {
    ++busy_;
    const bool failed = !job->run_without_database() && !run(*job, reader);
    --busy_;
    ReadJob& itself = *job;
    itself.finish(std::move(job), failed);
    const std::lock_guard lock(mutex_);
    ++idle_;
  }
  reader.reset();
  const std::lock_guard lock(mutex_);
  worker.ended = true;
  --running_;
  --idle_;
}

// Whether it is this job's turn to find out.
bool ReadPool::may_try() noexcept {
  std::int64_t failed_at = failed_at_.load(std::memory_order_relaxed);
  if (failed_at == 0) return true;
  const std::int64_t now = steady_milliseconds();
  return now - failed_at >= options_.pause.count() && failed_at_.compare_exchange_strong(failed_at, now);
}

bool ReadPool::run(ReadJob& job, std::unique_ptr<store::Reader>& reader) {
  if (!may_try()) return false;
  for (bool again = true;; again = false) {
    try {
      if (!reader) reader = store_.open_reader();
      job.run(*reader);
      failed_at_ = 0;
      return true;
    } catch (const store::StoreError& error) {
      const bool lost = error.kind() == store::StoreError::Kind::connection_lost;
      if (lost && reader && again) continue;  // perhaps while nobody used it
      failed_at_ = lost ? steady_milliseconds() : 0;
      report(error.what());
    } catch (const std::exception& error) {
      report(error.what());
    }
    return false;
  }
}

void ReadPool::report(std::string_view what) const {
  if (options_.on_error) options_.on_error(what);
}

}  // namespace lictor::service
