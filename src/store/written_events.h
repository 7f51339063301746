// Which events this process wrote and nobody has read back yet. Sequences alone do not tell: a fail-over to a standby
// that was behind takes events back, and others' get their sequences. So each is known by its hash, too. Thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "store/store.h"

namespace lictor::store {

class WrittenEvents {
 public:
  // Of one transaction, after its commit: the events from `first` on, by the heads of their hashes, and the last one's
  // hash.
  void note(std::int64_t first, std::span<const std::uint64_t> hash_heads, std::string last_hash) {
    if (hash_heads.empty()) return;
    const std::lock_guard lock(mutex_);
    was_set_back_ = was_set_back_ || first <= newest_;
    while (!events_.empty() && events_.back().sequence >= first) events_.pop_back();
    for (const std::uint64_t head : hash_heads) events_.push_back({first++, head});
    newest_ = first - 1;
    newest_hash_ = std::move(last_hash);
    while (events_.size() > kMost) events_.pop_front();
  }
  EventAuthor author_of(std::int64_t sequence, std::uint64_t hash_head) const {
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::lower_bound(events_, sequence, {}, &Event::sequence);
    if (found == events_.end() || found->sequence != sequence) return EventAuthor::other;
    return found->hash_head == hash_head ? EventAuthor::own : EventAuthor::other_instead;
  }
  std::int64_t newest() const {
    const std::lock_guard lock(mutex_);
    return newest_;
  }
  // Its newest event, when all behind `sequence` are its own; nothing: others' may be between.
  std::optional<ChangePlace> end_of_own(std::int64_t sequence) const {
    const std::lock_guard lock(mutex_);
    const bool all = !events_.empty() && events_.front().sequence == sequence + 1 &&
                     newest_ - sequence == static_cast<std::int64_t>(events_.size());
    if (!all || was_set_back_) return std::nullopt;
    return ChangePlace{newest_, newest_hash_};
  }
  bool was_set_back() const {
    const std::lock_guard lock(mutex_);
    return was_set_back_;
  }
  // They need not be known any more.
  void forget_until(std::int64_t sequence) {
    const std::lock_guard lock(mutex_);
    while (!events_.empty() && events_.front().sequence <= sequence) events_.pop_front();
  }
  void forget() {
    const std::lock_guard lock(mutex_);
    events_.clear();
    newest_ = 0;
    was_set_back_ = false;
  }

 private:
  struct Event {
    std::int64_t sequence = 0;
    std::uint64_t hash_head = 0;
  };
  static constexpr std::size_t kMost = 500'000;  // what is forgotten passes for another's

  mutable std::mutex mutex_;
  std::deque<Event> events_;  // in order
  std::int64_t newest_ = 0;
  std::string newest_hash_;
  bool was_set_back_ = false;
};

}  // namespace lictor::store
