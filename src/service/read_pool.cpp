#include "service/read_pool.h"

#include <pthread.h>

#include <exception>

namespace lictor::service {

ReadPool::ReadPool(store::Store& store, ReadOptions options) : options_(std::move(options)) {
  for (std::size_t i = 0; i < options_.threads; ++i) readers_.push_back(store.open_reader());
  for (auto& reader : readers_) {
    threads_.emplace_back([this, &reader] { loop(*reader); });
    pthread_setname_np(threads_.back().native_handle(), "lictor-read");
  }
}

ReadPool::~ReadPool() { stop(); }

bool ReadPool::submit(std::unique_ptr<ReadJob>& job) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || queue_.size() >= options_.queue_max) return false;
    queue_.push_back(std::move(job));
    waiting_.store(queue_.size(), std::memory_order_relaxed);
  }
  wake_.notify_one();
  return true;
}

void ReadPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void ReadPool::loop(store::Reader& reader) {
  while (true) {
    std::unique_ptr<ReadJob> job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      job = std::move(queue_.front());
      queue_.pop_front();
      waiting_.store(queue_.size(), std::memory_order_relaxed);
    }
    bool failed = false;
    try {
      job->run(reader);
    } catch (const std::exception& error) {
      failed = true;
      if (options_.on_error) options_.on_error(error.what());
    }
    ReadJob& itself = *job;
    itself.finish(std::move(job), failed);
  }
}

}  // namespace lictor::service
