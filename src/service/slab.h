// Fixed records addressed by 32-bit slots. A Slab is shared by the shards of a cache; each shard has a SlabShare, which
// takes runs of records from it. Memory comes from the kernel as it is first touched and never moves. Once a slab has
// grown past a huge page the rest is asked for in huge pages: looking up one of millions of records then misses the TLB
// less, while a small slab stays small.
#pragma once

#include <sys/mman.h>

#include <atomic>
#include <cstdint>
#include <new>
#include <vector>

#include "service/huge_memory.h"

namespace lictor::service {

// Thread-safe, but for the records themselves.
template <class Record>
class Slab {
 public:
  static constexpr std::uint32_t kRun = 64;  // records

  // Enough for `shares` of `each` records.
  Slab(std::size_t shares, std::size_t each)
      : capacity_(shares * ((each + kRun - 1) / kRun) * kRun), memory_(capacity_ * sizeof(Record)) {}

  // The first slot of kRun fresh records. Throws std::bad_alloc when all are taken.
  std::uint32_t take_run() {
    const std::size_t first = next_.fetch_add(kRun, std::memory_order_relaxed);
    if (first + kRun > capacity_) throw std::bad_alloc();
    if (first != 0 && first * sizeof(Record) % HugeMemory::kPage == 0) memory_.prefer_huge(first * sizeof(Record));
    for (std::size_t slot = first; slot < first + kRun; ++slot) new (records() + slot) Record();
    return static_cast<std::uint32_t>(first);
  }
  Record& operator[](std::uint32_t slot) noexcept { return records()[slot]; }

 private:
  static_assert(HugeMemory::kPage % (kRun * sizeof(Record)) == 0);
  Record* records() noexcept { return static_cast<Record*>(memory_.data()); }

  const std::size_t capacity_;
  HugeMemory memory_;
  std::atomic<std::size_t> next_{0};
};

// A shard's records. Not thread-safe.
template <class Record>
class SlabShare {
 public:
  SlabShare(Slab<Record>& slab, std::size_t limit) : slab_(slab), limit_(limit) {}

  bool full() const noexcept { return free_.empty() && used_ == limit_; }
  std::uint32_t take() {
    if (!free_.empty()) {
      const std::uint32_t slot = free_.back();
      free_.pop_back();
      return slot;
    }
    if (used_ % Slab<Record>::kRun == 0) runs_.push_back(slab_.take_run());
    return slot_of(used_++);
  }
  void give_back(std::uint32_t slot) { free_.push_back(slot); }

  Record& operator[](std::uint32_t slot) noexcept { return slab_[slot]; }
  const Record& operator[](std::uint32_t slot) const noexcept { return slab_[slot]; }
  std::uint32_t used() const noexcept { return used_; }         // slots ever taken
  std::uint32_t slot_of(std::uint32_t number) const noexcept {  // of the slots ever taken, from 0
    return runs_[number / Slab<Record>::kRun] + number % Slab<Record>::kRun;
  }

 private:
  Slab<Record>& slab_;
  const std::size_t limit_;
  std::uint32_t used_ = 0;
  std::vector<std::uint32_t> runs_;  // their first slots
  std::vector<std::uint32_t> free_;
};

}  // namespace lictor::service
