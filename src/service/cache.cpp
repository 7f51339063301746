#include "service/cache.h"

#include <cstring>

#include "service/cache_record.h"
#include "service/compact_index.h"
#include "service/slab.h"

namespace lictor::service {
namespace {

constexpr std::uint32_t kShardBits = 6;
constexpr std::uint32_t kShards = 1U << kShardBits;
constexpr std::uint32_t kNone = CompactIndex::kNone;
constexpr std::uint32_t kTermsMask = (1U << 24) - 1;  // the Catalog has no more
static_assert(Catalog::kMaxTerms <= kTermsMask + 1);

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
    const std::uint32_t slot = shard.records.slot_of(shard.hand);
    auto& record = shard.records[slot];
    if (!record.touched) return slot;
    record.touched = false;
  }
}

}  // namespace

struct alignas(64) Cache::LicenseShard {
  LicenseShard(Memory& memory, std::uint32_t number, std::size_t capacity);
  mutable std::mutex mutex;
  CompactIndex by_id;
  SlabShare<LicenseRecord> records;
  std::uint32_t hand = 0;
  std::uint64_t hits = 0, misses = 0, evictions = 0, dropped_fills = 0;
};

// From key digests to licenses: `slot` is the shard in the low bits and the record's slot in it above.
struct alignas(64) Cache::KeyShard {
  KeyShard(Memory& memory, std::uint32_t number);
  mutable std::mutex mutex;
  CompactIndex by_key;
};

struct alignas(64) Cache::ActivationShard {
  ActivationShard(Memory& memory, std::uint32_t number, std::size_t capacity);
  ~ActivationShard() {
    for (std::uint32_t i = 0; i < records.used(); ++i) records[records.slot_of(i)].free_fingerprint();
  }
  mutable std::mutex mutex;
  CompactIndex by_seat;
  SlabShare<ActivationRecord> records;
  std::uint32_t hand = 0;
  std::uint64_t misses = 0, evictions = 0, dropped_fills = 0;
};

// What the shards share.
struct Cache::Memory {
  Memory(std::size_t license_each, std::size_t activation_each)
      : licenses(kShards, license_each), activations(kShards, activation_each) {}
  TableMemory ids{kShards}, keys{kShards}, seats{kShards};
  Slab<LicenseRecord> licenses;
  Slab<ActivationRecord> activations;
};

Cache::LicenseShard::LicenseShard(Memory& memory, std::uint32_t number, std::size_t capacity)
    : by_id(memory.ids, number), records(memory.licenses, capacity) {}
Cache::KeyShard::KeyShard(Memory& memory, std::uint32_t number) : by_key(memory.keys, number) {}
Cache::ActivationShard::ActivationShard(Memory& memory, std::uint32_t number, std::size_t capacity)
    : by_seat(memory.seats, number), records(memory.activations, capacity) {}

namespace {
std::uint32_t pack(std::uint32_t shard, std::uint32_t slot) noexcept { return (slot << kShardBits) | shard; }
}  // namespace

Cache::Cache(const CacheOptions& options, Catalog& catalog, const crypto::Prf::Key& process_key)
    : catalog_(catalog),
      prf_(process_key),
      memory_(std::make_unique<Memory>(shard_capacity(options.licenses), shard_capacity(options.activations))) {
  for (std::uint32_t i = 0; i < kShards; ++i) {
    licenses_.push_back(std::make_unique<LicenseShard>(*memory_, i, shard_capacity(options.licenses)));
    keys_.push_back(std::make_unique<KeyShard>(*memory_, i));
    activations_.push_back(std::make_unique<ActivationShard>(*memory_, i, shard_capacity(options.activations)));
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
  const std::uint32_t number = shard_of(ref.value);
  ref.by == store::LicenseRef::By::id ? licenses_[number]->by_id.prefetch(hash_of(ref.value))
                                      : keys_[number]->by_key.prefetch(hash_of(ref.value));
}

// The first record whose tag fits: nearly always the right one.
CachePlace Cache::approach(const store::LicenseRef& ref) const noexcept {
  constexpr auto any = [](std::uint32_t) { return true; };
  const std::uint32_t number = shard_of(ref.value);
  CachePlace place;
  if (ref.by == store::LicenseRef::By::id) {
    const LicenseShard& shard = *licenses_[number];
    const std::lock_guard lock(shard.mutex);
    const std::uint32_t slot = shard.by_id.find(hash_of(ref.value), any);
    place.packed_ = slot == kNone ? kNone : pack(number, slot);
  } else {
    const KeyShard& shard = *keys_[number];
    const std::lock_guard lock(shard.mutex);
    place.packed_ = shard.by_key.find(hash_of(ref.value), any);
  }
  if (place.packed_ != kNone) __builtin_prefetch(&last_seat(place.packed_));
  return place;
}

void Cache::prefetch_seat(CachePlace place) const noexcept {
  if (place.packed_ == kNone) return;
  const std::uint32_t seat = last_seat(place.packed_).load(std::memory_order_relaxed);
  if (seat != LicenseRecord::kNoSeat) __builtin_prefetch(&memory_->activations[seat >> kShardBits]);
}

// Slabs never move, so that this needs no lock; the rest of the record does.
std::atomic<std::uint32_t>& Cache::last_seat(std::uint32_t license) const noexcept {
  return memory_->licenses[license >> kShardBits].last_seat;
}

// A license's record for a key digest; the record is checked again under its own lock.
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

// A license's record as `pack`ed shard and slot.
std::uint32_t Cache::locate(const store::LicenseRef& ref) noexcept {
  if (ref.by == store::LicenseRef::By::key_digest) return locate_key(ref.value);
  const std::uint32_t number = shard_of(ref.value);
  LicenseShard& shard = *licenses_[number];
  const std::lock_guard lock(shard.mutex);
  const std::uint32_t slot = shard.by_id.find(
      hash_of(ref.value), [&](std::uint32_t candidate) { return shard.records[candidate].id == ref.value; });
  return slot == kNone ? kNone : pack(number, slot);
}

// Nothing when another license is there: the record may have been given away since it was located.
std::optional<bool> Cache::read_license(std::uint32_t packed, const store::LicenseRef& ref, base::UnixSeconds now,
                                        CachedView& out) noexcept {
  LicenseShard& shard = *licenses_[packed % kShards];
  const std::lock_guard lock(shard.mutex);
  LicenseRecord& record = shard.records[packed >> kShardBits];
  const base::Bytes16& name = ref.by == store::LicenseRef::By::id ? record.id : record.key_digest;
  if (name != ref.value) return std::nullopt;
  if (now >= lengthen(record.next_lease_end)) return ++shard.misses, false;
  record.touched = 1;
  ++shard.hits;
  out.id = record.id;
  record.get(out.license);
  out.terms = catalog_.at(static_cast<std::uint32_t>(record.terms));
  return true;
}

// Where the activation is, or kNone, also when its lease has ended: another process may have extended it. `place` is
// tried first.
std::uint32_t Cache::read_activation(std::uint32_t place, const base::Digest& seat, base::UnixSeconds now,
                                     licensing::Activation& out) noexcept {
  const std::uint32_t number = shard_of(seat);
  ActivationShard& shard = *activations_[number];
  const std::lock_guard lock(shard.mutex);
  const auto is_seat = [&](std::uint32_t candidate) { return shard.records[candidate].seat == seat; };
  std::uint32_t slot = place >> kShardBits;
  if (place == LicenseRecord::kNoSeat || place % kShards != number || !is_seat(slot))
    slot = shard.by_seat.find(hash_of(seat), is_seat);
  if (slot == kNone) return ++shard.misses, kNone;
  if (lengthen(shard.records[slot].lease_expires_at) <= now) return ++shard.misses, kNone;
  shard.records[slot].touched = true;
  shard.records[slot].get(out);
  return pack(number, slot);
}

bool Cache::find(const store::LicenseRef& ref, const std::string_view* client_id, base::UnixSeconds now,
                 CachedView& out, CachePlace place) noexcept {
  out.has_activation = false;
  std::optional<bool> found;
  std::uint32_t packed = place.packed_;
  if (packed != kNone) found = read_license(packed, ref, now, out);
  if (!found) {
    packed = locate(ref);
    if (packed != kNone) found = read_license(packed, ref, now, out);
    if (!found) count_miss(ref);
  }
  if (!found || !*found) return false;
  if (client_id == nullptr) return true;
  std::atomic<std::uint32_t>& hint = last_seat(packed);
  const std::uint32_t hinted = hint.load(std::memory_order_relaxed);
  const std::uint32_t seat = read_activation(hinted, seat_key(out.id, *client_id), now, out.activation);
  if (seat != kNone && seat != hinted) hint.store(seat, std::memory_order_relaxed);
  out.has_activation = seat != kNone;
  return out.has_activation;
}

void Cache::count_miss(const store::LicenseRef& ref) noexcept {
  LicenseShard& shard = *licenses_[shard_of(ref.value)];
  const std::lock_guard lock(shard.mutex);
  ++shard.misses;
}

bool Cache::is_stale(std::optional<std::uint64_t> ticket) const noexcept {
  return ticket && commits_.load(std::memory_order_acquire) != *ticket;
}

void Cache::drop_license(LicenseShard& shard, std::uint32_t slot) noexcept {
  LicenseRecord& record = shard.records[slot];
  shard.by_id.erase(hash_of(record.id), slot);
  catalog_.drop(static_cast<std::uint32_t>(record.terms));
  record.id = {};
  record.key_digest = {};
  ++shard.evictions;
}

void Cache::set_terms(LicenseRecord& record, const TermsHandle& terms) {
  if (record.terms == terms->index) return;
  catalog_.drop(static_cast<std::uint32_t>(record.terms));
  record.terms = catalog_.detach(terms) & kTermsMask;
}

// Under the shard's lock; nullptr when it is not here.
LicenseRecord* Cache::record_of(LicenseShard& shard, const base::Id& license) noexcept {
  const std::uint32_t slot = shard.by_id.find(
      hash_of(license), [&](std::uint32_t candidate) { return shard.records[candidate].id == license; });
  return slot == kNone ? nullptr : &shard.records[slot];
}

// A record whose next lease has ended is read again before it is used.
void Cache::forget(const base::Id& license) noexcept {
  LicenseShard& shard = *licenses_[shard_of(license)];
  const std::lock_guard lock(shard.mutex);
  if (LicenseRecord* const record = record_of(shard, license)) record->next_lease_end = 0;
}

void Cache::note_seats(const base::Id& license, std::uint32_t seats_held) noexcept {
  LicenseShard& shard = *licenses_[shard_of(license)];
  const std::lock_guard lock(shard.mutex);
  if (LicenseRecord* const record = record_of(shard, license)) record->set_seats(seats_held);
}

void Cache::clear() {
  for (const auto& shard : licenses_) {
    const std::lock_guard lock(shard->mutex);
    for (std::uint32_t number = 0; number < shard->records.used(); ++number) {
      shard->records[shard->records.slot_of(number)].next_lease_end = 0;
    }
  }
  for (const auto& shard : activations_) {
    const std::lock_guard lock(shard->mutex);
    for (std::uint32_t number = 0; number < shard->records.used(); ++number) {
      const std::uint32_t slot = shard->records.slot_of(number);
      ActivationRecord& record = shard->records[slot];
      if (!record.seat) continue;
      shard->by_seat.erase(hash_of(record.seat), slot);
      record.free_fingerprint();
      record.seat = {};
      shard->records.give_back(slot);
    }
  }
}

void Cache::replace_terms(const TermsReplacements& replacements) {
  for (const auto& shard : licenses_) {
    const std::lock_guard lock(shard->mutex);
    for (std::uint32_t number = 0; number < shard->records.used(); ++number) {
      LicenseRecord& record = shard->records[shard->records.slot_of(number)];
      if (!record.id) continue;
      const auto found = replacements.find(static_cast<std::uint32_t>(record.terms));
      if (found != replacements.end()) set_terms(record, found->second);
    }
  }
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
    shard.records[slot].terms = catalog_.detach(terms) & kTermsMask;
  } else {
    set_terms(shard.records[slot], terms);
    if (shard.records[slot].key_digest != license.key_digest) {  // the license was given another key
      evicted = shard.records[slot].key_digest;
      shard.records[slot].key_digest = license.key_digest;
    }
  }
  shard.records[slot].set(license.state);
  return pack(number, slot);
}

std::uint32_t Cache::put_license(const store::LicenseRow& license, const TermsHandle& terms,
                                 std::optional<std::uint64_t> ticket, bool index_key) {
  base::Digest evicted;
  const std::uint32_t packed = put_record(license, terms, ticket, evicted);
  if (packed == kNone) return kNone;
  if (evicted) erase_key(evicted, packed);
  if (index_key) insert_key(license.key_digest, packed);
  return packed;
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

std::uint32_t Cache::put_activation(const base::Id& license, std::string_view client_id,
                                    const licensing::Activation& activation, std::optional<std::uint64_t> ticket) {
  const base::Digest seat = seat_key(license, client_id);
  const std::uint32_t number = shard_of(seat);
  ActivationShard& shard = *activations_[number];
  const std::lock_guard lock(shard.mutex);
  if (is_stale(ticket)) return ++shard.dropped_fills, kNone;
  std::uint32_t slot =
      shard.by_seat.find(hash_of(seat), [&](std::uint32_t candidate) { return shard.records[candidate].seat == seat; });
  const auto forget = [&](std::uint32_t gone) {
    shard.by_seat.erase(hash_of(shard.records[gone].seat), gone);
    shard.records[gone].free_fingerprint();
  };
  if (!activation.held) {  // what holds no seat is not kept: asking for it again costs a read
    if (slot == kNone) return kNone;
    forget(slot);
    shard.records[slot].seat = {};
    shard.records.give_back(slot);
    return kNone;
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
  return pack(number, slot);
}

void Cache::fill(const store::LicenseView& view, const TermsHandle& terms, bool by_key,
                 const std::string_view* client_id, std::uint64_t ticket) {
  const std::uint32_t license = put_license(view.license, terms, ticket, by_key);
  if (client_id == nullptr) return;
  const licensing::Activation none;  // takes away what may be there of it
  const std::uint32_t seat =
      put_activation(view.license.id, *client_id, view.activation ? *view.activation : none, ticket);
  if (license != kNone && seat != kNone) last_seat(license).store(seat, std::memory_order_relaxed);
}

void Cache::publish(const store::LicenseRow& license, const TermsHandle& terms, bool by_key) {
  put_license(license, terms, std::nullopt, by_key);
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
