#include "service/refusal_buffer.h"

#include "crypto/crypto.h"

namespace lictor::service {
namespace {

std::uint64_t random_seed() {
  std::array<std::uint8_t, 8> bytes{};
  crypto::random_bytes(bytes);
  std::uint64_t seed = 0;
  std::memcpy(&seed, bytes.data(), sizeof seed);
  return seed | 1U;
}

__extension__ using Product = unsigned __int128;

// A 64 × 64 bit product, folded.
std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  const Product product = static_cast<Product>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

enum Kind : std::uint8_t { kNobody, kLicense, kClaimedId, kClaimedKey };

Kind kind_of(const RefusalNote& note) noexcept {
  if (note.license) return kLicense;
  if (!note.claimed) return kNobody;
  return note.claimed->by == store::LicenseRef::By::id ? kClaimedId : kClaimedKey;
}

std::string actor_of(const RefusalNote& note) {
  if (note.api_key) return base::format_id(base::kApiKeyPrefix, note.api_key);
  return note.by_license_key ? "license" : "";
}

}  // namespace

struct alignas(64) RefusalBuffer::Lane {
  explicit Lane(Hash hash) : counts(0, hash), details_of(0, hash) {}

  std::mutex mutex;
  std::vector<Detailed> detailed;
  boost::unordered_flat_map<Key, Counted, Hash> counts;
  boost::unordered_flat_map<base::Bytes16, std::uint32_t, Hash> details_of;  // license, or API key
};

std::size_t RefusalBuffer::Hash::operator()(const base::Bytes16& value) const noexcept {
  return mix(mix(value.low64() ^ seed, value.high64() ^ (seed * 0x9E3779B97F4A7C15ULL)) ^ seed, 0xD6E8FEB86659FD93ULL);
}

std::size_t RefusalBuffer::Hash::operator()(const Key& key) const noexcept {
  const std::uint64_t rest = (static_cast<std::uint64_t>(key.day) << 16U) |
                             (static_cast<std::uint64_t>(key.kind) << 8U) | static_cast<std::uint64_t>(key.code);
  return mix((*this)(key.value) ^ rest, 0x9E3779B97F4A7C15ULL ^ static_cast<std::uint64_t>(key.only_of));
}

RefusalBuffer::RefusalBuffer(unsigned lanes) : hash_{random_seed()} {
  for (unsigned lane = 0; lane < lanes; ++lane) lanes_.push_back(std::make_unique<Lane>(hash_));
}

RefusalBuffer::~RefusalBuffer() = default;

void RefusalBuffer::add(unsigned number, const RefusalNote& note) {
  totals_[static_cast<std::size_t>(note.code)].fetch_add(1, std::memory_order_relaxed);
  Lane& lane = *lanes_[number % lanes_.size()];
  const Kind kind = kind_of(note);
  Key key{{}, licensing::day_of(note.at), kind, note.code, note.only_of};
  if (kind != kNobody) key.value = kind == kLicense ? note.license : note.claimed->value;
  const Subject subject{note.license, note.product, note.claimed, note.only_of};
  const std::lock_guard lock(lane.mutex);
  // What anybody may claim is no license that others could be kept apart by.
  std::uint32_t& of_one = lane.details_of[kind == kLicense ? note.license : note.api_key];
  if (note.code == licensing::Code::overloaded) {
    // The server had no time: it is counted, and that is all the time it gets.
  } else if (of_one < kDetailedOfOne && lane.detailed.size() < kDetailedOfLane) {
    ++of_one;
    lane.detailed.push_back({{note.at, std::string(note.request_id), std::string(note.endpoint),
                              std::string(licensing::wire_name(note.code)), std::string(note.message),
                              std::string(note.details), 0, std::string(note.client_id), actor_of(note)},
                             subject});
  } else {
    not_kept_.fetch_add(1, std::memory_order_relaxed);
  }
  auto count = lane.counts.find(key);
  if (count == lane.counts.end()) {
    const bool full = lane.counts.size() >= kCountsOfLane;
    if (full) key = {{}, key.day, kNobody, key.code, 0};
    count = lane.counts.try_emplace(key, Counted{full ? Subject{} : subject, key.day, key.code, 0}).first;
  }
  ++count->second.amount;
  waiting_.fetch_add(1, std::memory_order_release);
}

RefusalBuffer::Taken RefusalBuffer::take() {
  Taken taken;
  for (const auto& lane : lanes_) {
    decltype(Lane::detailed) detailed;
    decltype(Lane::counts) counts(0, hash_);
    {
      const std::lock_guard lock(lane->mutex);
      detailed.swap(lane->detailed);
      std::swap(counts, lane->counts);
      lane->details_of.clear();
    }
    std::move(detailed.begin(), detailed.end(), std::back_inserter(taken.detailed));
    for (const auto& [key, counted] : counts) {
      waiting_.fetch_sub(static_cast<std::uint64_t>(counted.amount), std::memory_order_relaxed);
      taken.counted.push_back(counted);
    }
  }
  return taken;
}

std::uint64_t RefusalBuffer::total(licensing::Code code) const noexcept {
  return totals_[static_cast<std::size_t>(code)].load(std::memory_order_relaxed);
}

}  // namespace lictor::service
