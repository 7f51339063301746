// Which events this process wrote, as far as it remembers: ranges of sequences. Thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <iterator>
#include <mutex>

namespace lictor::store {

class WrittenEvents {
 public:
  // Of one transaction, after its commit; first 0: it had none.
  void note(std::int64_t first, std::int64_t last) {
    if (first == 0) return;
    const std::lock_guard lock(mutex_);
    // History was set back: what was written behind this place is another's now.
    while (!ranges_.empty() && ranges_.back().last >= first) ranges_.pop_back();
    if (!ranges_.empty() && ranges_.back().last + 1 == first) {
      ranges_.back().last = last;
    } else {
      ranges_.push_back({first, last});
    }
    if (ranges_.size() > kMost) ranges_.pop_front();
  }
  bool has(std::int64_t sequence) const {
    const std::lock_guard lock(mutex_);
    const auto after = std::ranges::upper_bound(ranges_, sequence, {}, &Range::first);
    return after != ranges_.begin() && std::prev(after)->last >= sequence;
  }
  void forget() {
    const std::lock_guard lock(mutex_);
    ranges_.clear();
  }

 private:
  struct Range {
    std::int64_t first = 0, last = 0;
  };
  static constexpr std::size_t kMost = 100'000;

  mutable std::mutex mutex_;
  std::deque<Range> ranges_;  // in order
};

}  // namespace lictor::store
