// Latencies in buckets of a constant relative width (below 1 %), so that a sample costs one increment.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace lictor::bench {

class LatencyHistogram {
 public:
  void add(std::uint64_t nanoseconds) noexcept {
    ++buckets_[std::min(bucket_of(nanoseconds), kBuckets - 1)];
    ++count_;
    max_ = std::max(max_, nanoseconds);
  }
  void add(const LatencyHistogram& other) noexcept {
    for (std::size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
    count_ += other.count_;
    max_ = std::max(max_, other.max_);
  }
  std::uint64_t count() const noexcept { return count_; }
  double max_microseconds() const noexcept { return static_cast<double>(max_) / 1e3; }

  // The upper end of the bucket that holds the sample of this rank; 0 without samples. `share` in (0, 1].
  double microseconds_at(double share) const noexcept {
    const auto rank = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < kBuckets; ++i) {
      seen += buckets_[i];
      if (seen >= rank && seen > 0) return static_cast<double>(std::min(upper_end(i), max_)) / 1e3;
    }
    return 0;
  }

 private:
  static constexpr unsigned kSubBits = 7;  // buckets in each power of two: 128
  static constexpr std::size_t kSub = std::size_t{1} << kSubBits;
  static constexpr std::size_t kBuckets = kSub * 32;  // up to 2^38 ns, more than four minutes

  // Values below kSub have a bucket each; above, the leading kSubBits + 1 bits choose it.
  static std::size_t bucket_of(std::uint64_t value) noexcept {
    if (value < kSub) return value;
    const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - kSubBits - 1;
    return (shift + 1) * kSub + ((value >> shift) - kSub);
  }
  static std::uint64_t upper_end(std::size_t bucket) noexcept {
    if (bucket < kSub) return bucket;
    const std::size_t shift = bucket / kSub - 1;
    return ((kSub + bucket % kSub + 1) << shift) - 1;
  }

  std::array<std::uint64_t, kBuckets> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace lictor::bench
