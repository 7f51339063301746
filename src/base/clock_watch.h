// Finds steps of the wall clock: what it gained or lost against a clock that nobody sets. Pure: times are arguments.
#pragma once

#include <chrono>
#include <optional>

namespace lictor::base {

// Both clocks at one moment. `steady` counts on while the machine sleeps (CLOCK_BOOTTIME): waking up is no step.
struct ClockReading {
  std::chrono::milliseconds wall{};    // since 1970
  std::chrono::milliseconds steady{};  // since some moment in the past
};

// Not thread-safe.
class ClockWatch {
 public:
  // More than this between two observations is a step; a clock that is slewed moves by less than a millisecond a
  // second.
  static constexpr std::chrono::milliseconds kTolerance{5000};

  explicit ClockWatch(const ClockReading& first) noexcept : last_(first) {}

  // How far the wall clock was set since the last observation: positive forward, negative back. Nothing: it was not.
  std::optional<std::chrono::milliseconds> observe(const ClockReading& now) noexcept {
    const auto step = (now.wall - last_.wall) - (now.steady - last_.steady);
    last_ = now;
    if (step <= kTolerance && step >= -kTolerance) return {};
    return step;
  }

 private:
  ClockReading last_;
};

}  // namespace lictor::base
