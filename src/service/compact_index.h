// An open-addressing index from 128-bit digests to 32-bit slots of a slab, 8 bytes a place: the digest's tag and the
// slot. Keys live in the slab; the caller tells whether a slot has the key that is meant. Not thread-safe.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

namespace lictor::service {

class CompactIndex {
 public:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  // Any 64 bits of the digest; ids and digests are random, so no further mixing is needed.
  void prefetch(std::uint64_t hash) const noexcept {
    if (!places_.empty()) __builtin_prefetch(&places_[home(hash)]);
  }

  template <class IsKey>
  std::uint32_t find(std::uint64_t hash, IsKey&& is_key) const noexcept {
    if (places_.empty()) return kNone;
    const std::uint32_t tag = tag_of(hash);
    for (std::size_t at = home(hash);; at = next(at)) {
      const Place place = places_[at];
      if (place.slot == kNone) return kNone;
      if (place.tag == tag && is_key(place.slot)) return place.slot;
    }
  }

  void insert(std::uint64_t hash, std::uint32_t slot) {
    if ((size_ + 1) * 8 > places_.size() * 7) grow();
    place({tag_of(hash), slot}, home_of_tag(tag_of(hash)));
    ++size_;
  }

  // Removes the entry of that slot, which must be there, and closes the gap.
  void erase(std::uint64_t hash, std::uint32_t slot) noexcept {
    std::size_t gap = home(hash);
    while (places_[gap].slot != slot) gap = next(gap);
    for (std::size_t at = next(gap); places_[at].slot != kNone; at = next(at)) {
      // An entry may move back into the gap unless its home lies behind the gap.
      const std::size_t from_home = distance(home_of_tag(places_[at].tag), at);
      if (from_home >= distance(gap, at)) {
        places_[gap] = places_[at];
        gap = at;
      }
    }
    places_[gap] = {};
    --size_;
  }

  std::size_t size() const noexcept { return size_; }
  std::size_t bytes() const noexcept { return places_.capacity() * sizeof(Place); }

 private:
  struct Place {
    std::uint32_t tag = 0;
    std::uint32_t slot = kNone;
  };

  static std::uint32_t tag_of(std::uint64_t hash) noexcept { return static_cast<std::uint32_t>(hash >> 32); }
  // The home follows from the tag alone, so that growing needs no key; multiply-shift maps it to any table size.
  std::size_t home_of_tag(std::uint32_t tag) const noexcept {
    return static_cast<std::size_t>((std::uint64_t{tag} * places_.size()) >> 32);
  }
  std::size_t home(std::uint64_t hash) const noexcept { return home_of_tag(tag_of(hash)); }
  std::size_t next(std::size_t at) const noexcept { return at + 1 == places_.size() ? 0 : at + 1; }
  std::size_t distance(std::size_t from, std::size_t to) const noexcept {
    return to >= from ? to - from : to + places_.size() - from;
  }

  void place(Place entry, std::size_t at) noexcept {
    while (places_[at].slot != kNone) at = next(at);
    places_[at] = entry;
  }

  void grow() {
    std::vector<Place> old = std::exchange(places_, {});
    places_.resize(old.empty() ? 16 : old.size() + old.size() / 2);
    for (const Place& entry : old) {
      if (entry.slot != kNone) place(entry, home_of_tag(entry.tag));
    }
  }

  std::vector<Place> places_;
  std::size_t size_ = 0;
};

}  // namespace lictor::service
