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

// This machine's clock, put right by a difference: several machines with one database go by the database's clock.
class CorrectedClock final : public Clock {
 public:
  UnixSeconds now() const noexcept override {
    return (machine_milliseconds(CLOCK_REALTIME_COARSE) + difference()) / 1000;
  }
  static std::int64_t machine_milliseconds(clockid_t clock = CLOCK_REALTIME) noexcept {
    timespec time{};
    clock_gettime(clock, &time);
    return std::int64_t{time.tv_sec} * 1000 + time.tv_nsec / 1'000'000;
  }
  // Milliseconds that are added to what the machine says.
  std::int64_t difference() const noexcept { return difference_.load(std::memory_order_relaxed); }
  void set_difference(std::int64_t milliseconds) noexcept {
    difference_.store(milliseconds, std::memory_order_relaxed);
  }

 private:
  std::atomic<std::int64_t> difference_{0};
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
