// A slab of fixed records addressed by 32-bit slots: memory comes from the kernel page by page as it is first touched
// and never moves. Once it has grown past a huge page the rest is asked for in huge pages: a walk over millions of
// records then misses the TLB less, while a small slab stays small. Not thread-safe.
#pragma once

#include <sys/mman.h>

#include <cstdint>
#include <new>
#include <utility>
#include <vector>

namespace lictor::service {

template <class Record>
class Slab {
 public:
  explicit Slab(std::size_t capacity) : capacity_(capacity) {
    void* memory = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    records_ = static_cast<Record*>(memory);
  }
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  ~Slab() { munmap(records_, bytes()); }

  bool full() const noexcept { return free_.empty() && used_ == capacity_; }
  std::uint32_t take() {
    if (!free_.empty()) {
      const std::uint32_t slot = free_.back();
      free_.pop_back();
      return slot;
    }
    if (used_ != 0 && used_ * sizeof(Record) % kHugePage == 0) ask_for_huge_pages();
    new (&records_[used_]) Record();
    return used_++;
  }
  void give_back(std::uint32_t slot) { free_.push_back(slot); }

  Record& operator[](std::uint32_t slot) noexcept { return records_[slot]; }
  const Record& operator[](std::uint32_t slot) const noexcept { return records_[slot]; }
  std::uint32_t used() const noexcept { return used_; }  // slots ever taken
  std::size_t touched_bytes() const noexcept { return used_ * sizeof(Record); }

 private:
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;
  static_assert(kHugePage % sizeof(Record) == 0);

  std::size_t bytes() const noexcept { return capacity_ * sizeof(Record); }
  void ask_for_huge_pages() noexcept {  // for what is filled and one huge page more
    const std::size_t wanted = (used_ * sizeof(Record)) + kHugePage;
    madvise(records_, wanted < bytes() ? wanted : bytes(), MADV_HUGEPAGE);  // only a hint
  }

  std::size_t capacity_;
  Record* records_ = nullptr;
  std::uint32_t used_ = 0;
  std::vector<std::uint32_t> free_;
};

}  // namespace lictor::service
