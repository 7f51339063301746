// Time as an argument: services take a Clock, nothing below them reads one.
#pragma once

#include <atomic>
#include <cstdint>
#include <ctime>

namespace lictor::base {

using UnixSeconds = std::int64_t;  // UTC

class Clock {
 public:
  virtual ~Clock() = default;
  virtual UnixSeconds now() const noexcept = 0;  // thread-safe
};

class SystemClock final : public Clock {
 public:
  UnixSeconds now() const noexcept override {
    timespec time{};
    clock_gettime(CLOCK_REALTIME_COARSE, &time);  // a few ms behind at most; the promise is whole seconds
    return time.tv_sec;
  }
};

// For tests: stands still until it is set.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(UnixSeconds now) : now_(now) {}
  UnixSeconds now() const noexcept override { return now_.load(std::memory_order_relaxed); }
  void set(UnixSeconds now) noexcept { now_.store(now, std::memory_order_relaxed); }
  void advance(UnixSeconds seconds) noexcept { now_.fetch_add(seconds, std::memory_order_relaxed); }

 private:
  std::atomic<UnixSeconds> now_;
};

}  // namespace lictor::base
