// The time by which data may be deleted for its age: the wall clock, but what that gained in one step counts only once
// it has lasted. Deleting too late does no harm; deleting by a clock that was wrong for a minute can't be undone.
// Pure: times are arguments.
#pragma once

#include <chrono>
#include <utility>

#include "base/clock.h"

namespace lictor::base {

// Not thread-safe.
class RetentionClock {
 public:
  static constexpr std::chrono::hours kTolerance{1};  // a step forward that is believed at once
  static constexpr std::chrono::hours kDoubt{24};     // how long a longer one must last

  // The wall clock of this moment is believed.
  RetentionClock(UnixSeconds wall, std::chrono::seconds steady) noexcept : believed_(wall), last_(steady) {}

  // `steady` is a clock that nobody sets. The answer never is later than `wall`.
  UnixSeconds observe(UnixSeconds wall, std::chrono::seconds steady) noexcept {
    const UnixSeconds expected = believed_ + (steady - last_).count();
    last_ = steady;
    const bool ahead = wall > expected + std::chrono::seconds(kTolerance).count();
    if (!std::exchange(doubts_, ahead)) doubts_since_ = steady;
    if (ahead && steady - doubts_since_ >= kDoubt) doubts_ = false;
    believed_ = doubts_ ? expected : wall;
    return believed_;
  }

 private:
  UnixSeconds believed_;
  std::chrono::seconds last_;
  bool doubts_ = false;  // the wall clock is further than believed
  std::chrono::seconds doubts_since_{};
};

}  // namespace lictor::base
