// An open-addressing index from 128-bit digests to 32-bit slots of a slab, 8 bytes a place: the digest's tag and the
// slot. Keys live in the slab; the caller tells whether a slot has the key that is meant. Not thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "service/huge_memory.h"

namespace lictor::service {

// The tables of the indexes of all shards. They grow alike, so tables of one size (a generation) lie side by side and
// together fill huge pages, which each by itself would not; a generation goes when the last table has left it.
// Thread-safe, but for the tables themselves.
class TableMemory {
 public:
  struct Place {
    std::uint32_t tag = 0;
    std::uint32_t number = 0;  // slot + 1; 0: empty, as fresh memory is
  };

  explicit TableMemory(std::uint32_t tables) : tables_(tables) {}

  static std::size_t size_of(unsigned generation) noexcept {  // in places; whole cache lines
    std::size_t size = 16;
    for (unsigned i = 0; i < generation; ++i) size = (size + size / 2 + 7) / 8 * 8;
    return size;
  }
  // The empty table of that number. Throws std::bad_alloc.
  Place* take(unsigned generation, std::uint32_t table) {
    const std::lock_guard lock(mutex_);
    const std::size_t bytes = size_of(generation) * sizeof(Place);
    while (generations_.size() <= generation) generations_.emplace_back();
    Generation& mine = generations_[generation];
    if (!mine.memory) {
      mine.memory = std::make_unique<HugeMemory>(bytes * tables_);
      if (bytes * tables_ > HugeMemory::kPage) mine.memory->prefer_huge();
    }
    return reinterpret_cast<Place*>(static_cast<char*>(mine.memory->data()) + bytes * table);
  }
  // Every table leaves a generation once, for the next.
  void leave(unsigned generation) noexcept {
    const std::lock_guard lock(mutex_);
    Generation& mine = generations_[generation];
    if (++mine.left == tables_) mine.memory.reset();
  }

 private:
  struct Generation {
    std::unique_ptr<HugeMemory> memory;
    std::uint32_t left = 0;
  };

  const std::uint32_t tables_;
  std::mutex mutex_;
  std::vector<Generation> generations_;
};

class CompactIndex {
 public:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  // `table`: the number of this index among those that share `memory`.
  CompactIndex(TableMemory& memory, std::uint32_t table) noexcept : memory_(memory), table_(table) {}
  CompactIndex(const CompactIndex&) = delete;
  CompactIndex& operator=(const CompactIndex&) = delete;

  // Any 64 bits of the digest; ids and digests are random, so no further mixing is needed. May be called while another
  // thread changes the index: a prefetch from a table that is gone does nothing.
  void prefetch(std::uint64_t hash) const noexcept {
    if (capacity() != 0) __builtin_prefetch(places() + home(hash));
  }

  template <class IsKey>
  std::uint32_t find(std::uint64_t hash, IsKey&& is_key) const noexcept {
    if (capacity() == 0) return kNone;
    const Place* const all = places();
    const std::uint32_t tag = tag_of(hash);
    for (std::size_t at = home(hash);; at = next(at)) {
      const Place place = all[at];
      if (place.number == 0) return kNone;
      if (place.tag == tag && is_key(place.number - 1)) return place.number - 1;
    }
  }

  void insert(std::uint64_t hash, std::uint32_t slot) {
    if ((size_ + 1) * 8 > capacity() * 7) grow();
    put({tag_of(hash), slot + 1}, home(hash));
    ++size_;
  }

  // Removes the entry of that slot, which must be there, and closes the gap.
  void erase(std::uint64_t hash, std::uint32_t slot) noexcept {
    Place* const all = places();
    std::size_t gap = home(hash);
    while (all[gap].number != slot + 1) gap = next(gap);
    for (std::size_t at = next(gap); all[at].number != 0; at = next(at)) {
      // An entry may move back into the gap unless its home lies behind the gap.
      const std::size_t from_home = distance(home_of_tag(all[at].tag), at);
      if (from_home >= distance(gap, at)) {
        all[gap] = all[at];
        gap = at;
      }
    }
    all[gap] = {};
    --size_;
  }

  std::size_t size() const noexcept { return size_; }
  std::size_t bytes() const noexcept { return capacity() * sizeof(Place); }

 private:
  using Place = TableMemory::Place;

  static std::uint32_t tag_of(std::uint64_t hash) noexcept { return static_cast<std::uint32_t>(hash >> 32); }
  // The home follows from the tag alone, so that growing needs no key; multiply-shift maps it to any table size.
  std::size_t home_of_tag(std::uint32_t tag) const noexcept {
    return static_cast<std::size_t>((std::uint64_t{tag} * capacity()) >> 32);
  }
  std::size_t home(std::uint64_t hash) const noexcept { return home_of_tag(tag_of(hash)); }
  std::size_t next(std::size_t at) const noexcept { return at + 1 == capacity() ? 0 : at + 1; }
  std::size_t distance(std::size_t from, std::size_t to) const noexcept {
    return to >= from ? to - from : to + capacity() - from;
  }

  Place* places() const noexcept { return places_.load(std::memory_order_relaxed); }
  std::size_t capacity() const noexcept { return capacity_.load(std::memory_order_relaxed); }

  void put(Place entry, std::size_t at) noexcept {
    Place* const all = places();
    while (all[at].number != 0) at = next(at);
    all[at] = entry;
  }

  void grow() {
    const std::size_t old_capacity = capacity();
    const unsigned generation = old_capacity == 0 ? 0 : generation_ + 1;
    Place* const old = places();
    places_.store(memory_.take(generation, table_), std::memory_order_relaxed);
    capacity_.store(TableMemory::size_of(generation), std::memory_order_relaxed);
    for (std::size_t i = 0; i < old_capacity; ++i) {
      if (old[i].number != 0) put(old[i], home_of_tag(old[i].tag));
    }
    if (old_capacity != 0) memory_.leave(generation_);
    generation_ = generation;
  }

  TableMemory& memory_;
  const std::uint32_t table_;
  unsigned generation_ = 0;
  std::atomic<Place*> places_{nullptr};  // changed under the lock of the index's owner; atomic for prefetch() alone
  std::atomic<std::size_t> capacity_{0};
  std::size_t size_ = 0;
};

}  // namespace lictor::service
