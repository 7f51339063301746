// Zeroed memory from the kernel, of which no page exists before it is touched. Begins at the border of a huge page.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

namespace lictor::service {

class HugeMemory {
 public:
  static constexpr std::size_t kPage = std::size_t{2} << 20;  // a huge page on x86-64, and on arm64 with pages of 4 KiB

  explicit HugeMemory(std::size_t bytes) : bytes_(bytes), mapped_bytes_(bytes + kPage) {
    mapped_ = mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped_ == MAP_FAILED) throw std::bad_alloc();
  }
  HugeMemory(HugeMemory&& other) noexcept
      : bytes_(other.bytes_), mapped_bytes_(other.mapped_bytes_), mapped_(std::exchange(other.mapped_, nullptr)) {}
  HugeMemory& operator=(HugeMemory&&) = delete;
  ~HugeMemory() {
    if (mapped_ != nullptr) munmap(mapped_, mapped_bytes_);
  }

  void* data() const noexcept {
    return reinterpret_cast<void*>((reinterpret_cast<std::uintptr_t>(mapped_) + kPage - 1) & ~(kPage - 1));
  }
  std::size_t size() const noexcept { return bytes_; }

  // Only a hint: the huge page that begins at `offset` shall be one.
  void prefer_huge(std::size_t offset) const noexcept {
    if (offset < bytes_) madvise(static_cast<char*>(data()) + offset, std::min(kPage, bytes_ - offset), MADV_HUGEPAGE);
  }
  void prefer_huge() const noexcept { madvise(data(), bytes_, MADV_HUGEPAGE); }

 private:
  std::size_t bytes_;
  std::size_t mapped_bytes_;
  void* mapped_;
};

}  // namespace lictor::service
