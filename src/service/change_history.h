// What this process knows of the history of changes: which licenses were changed when, for a bounded number of events.
// From it follows whether something that was read elsewhere at a place of the history (a sequence and the hash of that
// event) is still what the database has: the place must be one of *this* history, which the hash tells, and the license
// must not have changed behind it. Anything that is not known for sure is answered with no. Thread-safe.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <deque>
#include <mutex>
#include <span>

#include "store/store.h"

namespace lictor::service {

// A place in the history, shortened. Two histories that agree in an event's hash agree in all before it.
struct HistoryMark {
  std::int64_t sequence = 0;
  std::uint64_t hash_head = 0;

  bool operator==(const HistoryMark&) const = default;
};
inline HistoryMark mark_of(const store::ChangePlace& place) noexcept {
  return {place.sequence, store::hash_head(place.hash)};
}

class ChangeHistory {
 public:
  explicit ChangeHistory(std::size_t most_events = 200'000) : most_(most_events) {}

  // The feed's thread. After forget() nothing is known until begin(), but for what note() tells meanwhile.
  void forget();
  void begin(const store::ChangePlace& place);
  void append(std::span<const store::ChangeNote> notes);  // in order
  // What was before, the newest first. False: no more of it is wanted.
  bool prepend(std::span<const store::StoredEvent> events);
  std::int64_t first() const;  // sequence
  // Around each read of the feed, so that others know when all of a moment is in: what was committed before a read
  // began is in when it ended.
  void read_begins();
  void read_ends();
  std::uint64_t next_read() const;  // the number of the next read that begins
  bool has_ended(std::uint64_t read) const;

  // The write path's thread, between a commit and everybody else's learning of it: this process changed these.
  void note(std::span<const base::Id> licenses, std::int64_t sequence);

  HistoryMark mark() const;  // of all that is in; sequence -1: nothing is
  bool is_unchanged_since(const HistoryMark& mark, const base::Id& license) const;

 private:
  void note_change(const base::Id& license, std::int64_t sequence);
  void trim();

  const std::size_t most_;
  mutable std::mutex mutex_;
  std::int64_t first_ = 0;                // sequence of the first of `hash_heads_`
  std::deque<std::uint64_t> hash_heads_;  // of each event that is known; empty: nothing is
  boost::unordered_flat_map<base::Id, std::int64_t, base::Bytes16Hash> last_changes_;
  std::uint64_t begun_ = 0, ended_ = 0;
};

}  // namespace lictor::service
