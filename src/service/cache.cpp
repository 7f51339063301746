#include "service/cache.h"

#include <cstring>

#include "service/cache_record.h"
#include "service/slab.h"

namespace lictor::service {
namespace {

constexpr std::uint32_t kShardBits = 6;
constexpr std::uint32_t kShards = 1U << kShardBits;
constexpr std::uint32_t kNone = CompactIndex::kNone;

// The low half of an id or digest picks the shard, the high half the place in it.
std::uint32_t shard_of(const base::Bytes16& value) noexcept {
  return static_cast<std::uint32_t>(value.low64()) % kShards;
}
std::uint64_t hash_of(const base::Bytes16& value) noexcept { return value.high64(); }

std::size_t shard_capacity(std::size_t total) noexcept { return total / kShards + 1; }

// Takes the slot of a record that was not touched since the hand came by last.
template <class Shard>
std::uint32_t find_victim(Shard& shard) noexcept {
  while (true) {
    shard.hand = (shard.hand + 1) % shard.records.used();
    auto& record = shard.records[shard.hand];
    if (!record.touched) return shard.hand;
    record.touched = false;
  }
}

}  // namespace

struct alignas(64) Cache::LicenseShard {
  explicit LicenseShard(std::size_t capacity = 1) : records(capacity) {}
  mutable std::mutex mutex;
  CompactIndex by_id;
  Slab<LicenseRecord> records;
  std::uint32_t hand = 0;
  std::uint64_t hits = 0, misses = 0, evictions = 0, dropped_fills = 0;
};

// From key digests to licenses: `slot` is the shard in the low bits and the record's slot in it above.
struct alignas(64) Cache::KeyShard {
  mutable std::mutex mutex;
  CompactIndex by_key;
};

struct alignas(64) Cache::ActivationShard {
  explicit ActivationShard(std::size_t capacity = 1) : records(capacity) {}
  ~ActivationShard() {
    for (std::uint32_t slot = 0; slot < records.used(); ++slot) records[slot].free_fingerprint();
  }
  mutable std::mutex mutex;
  CompactIndex by_seat;
  Slab<ActivationRecord> records;
  std::uint32_t hand = 0;
  std::uint64_t misses = 0, evictions = 0, dropped_fills = 0;
};

namespace {
std::uint32_t pack(std::uint32_t shard, std::uint32_t slot) noexcept { return (slot << kShardBits) | shard; }
}  // namespace

Cache::Cache(const CacheOptions& options, Catalog& catalog, const crypto::Prf::Key& process_key)
    : catalog_(catalog), prf_(process_key) {
  for (std::uint32_t i = 0; i < kShards; ++i) {
    licenses_.push_back(std::make_unique<LicenseShard>(shard_capacity(options.licenses)));
    keys_.push_back(std::make_unique<KeyShard>());
    activations_.push_back(std::make_unique<ActivationShard>(shard_capacity(options.activations)));
  }
}
Cache::~Cache() = default;

base::Digest Cache::seat_key(const base::Id& license, std::string_view client_id) const noexcept {
  constexpr std::size_t kLongest = 256;  // longer client ids are refused on input
  char text[16 + kLongest];
  std::memcpy(text, license.bytes.data(), 16);
  const std::size_t length = std::min(client_id.size(), kLongest);
  std::memcpy(text + 16, client_id.data(), length);
  return prf_({text, 16 + length});
}

void Cache::prefetch(const store::LicenseRef& ref) const noexcept {
  if (ref.by == store::LicenseRef::By::id) licenses_[shard_of(ref.value)]->by_id.prefetch(hash_of(ref.value));
}

// A license's record as `pack`ed shard and slot, for a key digest; the record is checked again under its own lock.
std::uint32_t Cache::locate_key(const base::Digest& digest) noexcept {
  KeyShard& shard = *keys_[shard_of(digest)];
  std::uint32_t found = kNone;
  const std::lock_guard lock(shard.mutex);
  shard.by_key.find(hash_of(digest), [&](std::uint32_t packed) {
    const LicenseShard& owner = *licenses_[packed % kShards];
    const std::lock_guard owner_lock(owner.mutex);
    if (owner.records[packed >> kShardBits].key_digest != digest) return false;
    found = packed;
    return true;
  });
  return found;
}

bool Cache::find_license(const store::LicenseRef& ref, base::UnixSeconds now, CachedView& out) noexcept {
  const bool by_key = ref.by == store::LicenseRef::By::key_digest;
  const std::uint32_t packed = by_key ? locate_key(ref.value) : kNone;
  LicenseShard& shard = *licenses_[by_key && packed != kNone ? packed % kShards : shard_of(ref.value)];
  const std::lock_guard lock(shard.mutex);
  const std::uint32_t slot = by_key ? (packed == kNone ? kNone : packed >> kShardBits)
                                    : shard.by_id.find(hash_of(ref.value), [&](std::uint32_t candidate) {
                                        return shard.records[candidate].id == ref.value;
                                      });
  // By key, the record may have been given to another license since it was located.
  if (slot == kNone || (by_key && shard.records[slot].key_digest != ref.value)) return ++shard.misses, false;
  LicenseRecord& record = shard.records[slot];
  if (now >= lengthen(record.next_lease_end)) return ++shard.misses, false;
  record.touched = 1;
  ++shard.hits;
  out.id = record.id;
  record.get(out.license);
  out.terms = catalog_.at(record.terms);
  return true;
}

bool Cache::find_activation(const base::Digest& seat, licensing::Activation& out) noexcept {
  ActivationShard& shard = *activations_[shard_of(seat)];
  const std::lock_guard lock(shard.mutex);
  const std::uint32_t slot =
      shard.by_seat.find(hash_of(seat), [&](std::uint32_t candidate) { return shard.records[candidate].seat == seat; });
  if (slot == kNone) return ++shard.misses, false;
  shard.records[slot].touched = true;
  shard.records[slot].get(out);
  return true;
}

bool Cache::find(const store::LicenseRef& ref, const std::string_view* client_id, base::UnixSeconds now,
                 CachedView& out) noexcept {
  out.has_activation = false;
  if (!find_license(ref, now, out)) return false;
  if (client_id == nullptr) return true;
  out.has_activation = find_activation(seat_key(out.id, *client_id), out.activation);
  return out.has_activation;
}

bool Cache::is_stale(std::optional<std::uint64_t> ticket) const noexcept {
  return ticket && commits_.load(std::memory_order_acquire) != *ticket;
}

void Cache::drop_license(LicenseShard& shard, std::uint32_t slot) noexcept {
  LicenseRecord& record = shard.records[slot];
  shard.by_id.erase(hash_of(record.id), slot);
  catalog_.drop(record.terms);
  record.id = {};
  record.key_digest = {};
  ++shard.evictions;
}

// Puts the license under its id; returns its packed place, kNone when the fill came too late. `evicted` is the key
// digest of a record that had to go, so that the caller takes it out of the index of keys after the shard's lock is
// given back.
std::uint32_t Cache::put_record(const store::LicenseRow& license, const TermsHandle& terms,
                                std::optional<std::uint64_t> ticket, base::Digest& evicted) {
  const std::uint32_t number = shard_of(license.id);
  LicenseShard& shard = *licenses_[number];
  const std::lock_guard lock(shard.mutex);
  if (is_stale(ticket)) return ++shard.dropped_fills, kNone;
  std::uint32_t slot = shard.by_id.find(
      hash_of(license.id), [&](std::uint32_t candidate) { return shard.records[candidate].id == license.id; });
  if (slot == kNone) {
    if (shard.records.full()) {
      slot = find_victim(shard);
      evicted = shard.records[slot].key_digest;
      drop_license(shard, slot);
    } else {
      slot = shard.records.take();
    }
    shard.by_id.insert(hash_of(license.id), slot);
    shard.records[slot].id = license.id;
    shard.records[slot].key_digest = license.key_digest;
    shard.records[slot].terms = catalog_.detach(terms);
  } else if (shard.records[slot].terms != terms->index) {
    catalog_.drop(shard.records[slot].terms);
    shard.records[slot].terms = catalog_.detach(terms);
  }
  shard.records[slot].set(license.state);
  return pack(number, slot);
}

void Cache::put_license(const store::LicenseRow& license, const TermsHandle& terms, std::optional<std::uint64_t> ticket,
                        bool index_key) {
  base::Digest evicted;
  const std::uint32_t packed = put_record(license, terms, ticket, evicted);
  if (packed == kNone) return;
  if (evicted) erase_key(evicted, packed);
  if (index_key) insert_key(license.key_digest, packed);
}

void Cache::insert_key(const base::Digest& digest, std::uint32_t packed) {
  KeyShard& shard = *keys_[shard_of(digest)];
  const std::lock_guard lock(shard.mutex);
  {
    // The record may have been evicted since it was put, and its key erased: then nobody would erase this entry.
    const LicenseShard& owner = *licenses_[packed % kShards];
    const std::lock_guard owner_lock(owner.mutex);
    if (owner.records[packed >> kShardBits].key_digest != digest) return;
  }
  const auto is_this = [packed](std::uint32_t candidate) { return candidate == packed; };
  if (shard.by_key.find(hash_of(digest), is_this) == kNone) shard.by_key.insert(hash_of(digest), packed);
}

void Cache::erase_key(const base::Digest& digest, std::uint32_t packed) noexcept {
  KeyShard& shard = *keys_[shard_of(digest)];
  const std::lock_guard lock(shard.mutex);
  const auto is_this = [packed](std::uint32_t candidate) { return candidate == packed; };
  if (shard.by_key.find(hash_of(digest), is_this) != kNone) shard.by_key.erase(hash_of(digest), packed);
}

void Cache::put_activation(const base::Id& license, std::string_view client_id, const licensing::Activation& activation,
                           std::optional<std::uint64_t> ticket) {
  const base::Digest seat = seat_key(license, client_id);
  ActivationShard& shard = *activations_[shard_of(seat)];
  const std::lock_guard lock(shard.mutex);
  if (is_stale(ticket)) return void(++shard.dropped_fills);
  std::uint32_t slot =
      shard.by_seat.find(hash_of(seat), [&](std::uint32_t candidate) { return shard.records[candidate].seat == seat; });
  const auto forget = [&](std::uint32_t gone) {
    shard.by_seat.erase(hash_of(shard.records[gone].seat), gone);
    shard.records[gone].free_fingerprint();
  };
  if (!activation.held) {  // what holds no seat is not kept: asking for it again costs a read
    if (slot == kNone) return;
    forget(slot);
    shard.records[slot].seat = {};
    shard.records.give_back(slot);
    return;
  }
  if (slot == kNone) {
    if (shard.records.full()) {
      slot = find_victim(shard);
      forget(slot);
      ++shard.evictions;
    } else {
      slot = shard.records.take();
    }
    shard.by_seat.insert(hash_of(seat), slot);
    shard.records[slot].seat = seat;
  }
  shard.records[slot].set(activation);
}

void Cache::fill(const store::LicenseView& view, const TermsHandle& terms, bool by_key,
                 const std::string_view* client_id, std::uint64_t ticket) {
  put_license(view.license, terms, ticket, by_key);
  if (client_id != nullptr && view.activation) put_activation(view.license.id, *client_id, *view.activation, ticket);
}

void Cache::publish(const store::LicenseRow& license, const TermsHandle& terms) {
  put_license(license, terms, std::nullopt, false);
}

void Cache::publish(const base::Id& license, std::string_view client_id, const licensing::Activation& activation) {
  put_activation(license, client_id, activation, std::nullopt);
}

CacheCounts Cache::counts() const noexcept {
  CacheCounts counts;
  for (std::uint32_t i = 0; i < kShards; ++i) {
    {
      const LicenseShard& shard = *licenses_[i];
      const std::lock_guard lock(shard.mutex);
      counts.licenses += shard.by_id.size();
      counts.hits += shard.hits;
      counts.misses += shard.misses;
      counts.evictions += shard.evictions;
      counts.dropped_fills += shard.dropped_fills;
    }
    const ActivationShard& shard = *activations_[i];
    const std::lock_guard lock(shard.mutex);
    counts.activations += shard.by_seat.size();
    counts.misses += shard.misses;
    counts.evictions += shard.evictions;
    counts.dropped_fills += shard.dropped_fills;
  }
  return counts;
}

}  // namespace lictor::service
