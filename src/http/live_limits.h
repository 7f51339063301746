// The limits that may change while the server runs, shared by whoever sets them and the I/O threads that read them.
#pragma once

#include <atomic>

#include "http/server.h"

namespace lictor::http {

// Thread-safe. A relaxed load is a plain one, so reading costs what a member costs. Values that are set together may be
// seen one after the other: each stands for itself.
class LiveLimits {
 public:
  explicit LiveLimits(const ServerLimits& limits) noexcept { set(limits); }
  void set(const ServerLimits& limits) noexcept {
    max_connections_.store(limits.max_connections, std::memory_order_relaxed);
    header_timeout_.store(limits.header_timeout, std::memory_order_relaxed);
    body_timeout_.store(limits.body_timeout, std::memory_order_relaxed);
    idle_timeout_.store(limits.idle_timeout, std::memory_order_relaxed);
    write_timeout_.store(limits.write_timeout, std::memory_order_relaxed);
  }

  std::size_t max_connections() const noexcept { return max_connections_.load(std::memory_order_relaxed); }
  std::chrono::milliseconds header_timeout() const noexcept { return header_timeout_.load(std::memory_order_relaxed); }
  std::chrono::milliseconds body_timeout() const noexcept { return body_timeout_.load(std::memory_order_relaxed); }
  std::chrono::milliseconds idle_timeout() const noexcept { return idle_timeout_.load(std::memory_order_relaxed); }
  std::chrono::milliseconds write_timeout() const noexcept { return write_timeout_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::size_t> max_connections_;
  std::atomic<std::chrono::milliseconds> header_timeout_, body_timeout_, idle_timeout_, write_timeout_;
};

}  // namespace lictor::http
