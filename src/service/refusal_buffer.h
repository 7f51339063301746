// Refusals between the I/O thread that gave one and the thread that writes them down: one lane for each I/O thread, a
// short lock, no waiting. Every refusal is counted; what one license (or, without one, one caller) adds in detail
// between two take() is bounded, and so is the whole, so that a noisy client neither fills the memory nor pushes what
// others were told out. OVERLOADED is only counted. Thread-safe.
#pragma once

#include <array>
#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "licensing/codes.h"
#include "store/statistics.h"

namespace lictor::service {

// What the answer said, and which license it was about as far as the I/O thread knows.
struct RefusalNote {
  base::UnixSeconds at = 0;
  std::string_view request_id, endpoint, message, details, client_id;
  licensing::Code code = licensing::Code::internal;
  bool by_license_key = false;  // the license key was the credential
  base::Id api_key;             // zero: none that holds
  base::Id license;             // zero: not known for sure; then `claimed` may tell
  store::Row product = 0;       // of `license`
  std::optional<store::LicenseRef> claimed;
  store::Row only_of = 0;  // 0: any; the product whose licenses the caller may know of
};

class RefusalBuffer {
 public:
  // Whom a count belongs to; a claimed license is looked up by whoever takes it.
  struct Subject {
    base::Id license;
    store::Row product = 0;
    std::optional<store::LicenseRef> claimed;
    store::Row only_of = 0;
  };
  struct Detailed {
    store::Refusal refusal;  // without its license
    Subject subject;
  };
  struct Counted {
    Subject subject;
    licensing::Day day = 0;
    licensing::Code code = licensing::Code::internal;
    std::int64_t amount = 0;
  };
  struct Taken {
    std::vector<Detailed> detailed;  // in the order of each lane; also counted in `counted`
    std::vector<Counted> counted;
    bool empty() const noexcept { return counted.empty(); }
  };

  static constexpr std::uint32_t kDetailedOfOne = 200;
  static constexpr std::size_t kDetailedOfLane = 2'000;
  static constexpr std::size_t kCountsOfLane = 100'000;  // distinct ones; further refusals are counted for no license

  explicit RefusalBuffer(unsigned lanes);
  ~RefusalBuffer();

  void add(unsigned lane, const RefusalNote& note);
  Taken take();
  bool empty() const noexcept { return waiting_.load(std::memory_order_acquire) == 0; }

  std::uint64_t total(licensing::Code code) const noexcept;
  std::uint64_t not_kept() const noexcept { return not_kept_.load(std::memory_order_relaxed); }  // in detail

 private:
  struct Key {
    base::Bytes16 value;
    licensing::Day day = 0;
    std::uint8_t kind = 0;
    licensing::Code code = licensing::Code::internal;
    store::Row only_of = 0;
    bool operator==(const Key&) const = default;
  };
  // Clients choose some of the values: with the seed nobody can choose ones that collide.
  struct Hash {
    std::uint64_t seed = 0;
    std::size_t operator()(const base::Bytes16& value) const noexcept;
    std::size_t operator()(const Key& key) const noexcept;
  };
  struct Lane;

  const Hash hash_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::array<std::atomic<std::uint64_t>, licensing::kCodeCount> totals_{};
  std::atomic<std::uint64_t> not_kept_{0};
  std::atomic<std::uint64_t> waiting_{0};
};

}  // namespace lictor::service
