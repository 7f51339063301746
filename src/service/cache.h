// The read cache: licenses and single clients' activations as compact records in memory, bounded, and coherent with the
// database as the write path tells it. Thread-safe: every shard has a lock of its own.
//
// What it holds is a slice of a license, never all its clients: a 64-byte record for the license (its Terms are
// interned in the Catalog) and one for each client that was seen. Both are dropped by a clock hand when the bound is
// reached.
//
// Coherence: a reader that missed takes fill_ticket() before it reads the database and gives it to fill(), which drops
// the fill when a commit was published meanwhile: it may have read the state before that commit.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "crypto/crypto.h"
#include "licensing/license.h"
#include "service/catalog.h"
#include "store/store.h"

namespace lictor::service {

struct LicenseRecord;

struct CacheOptions {  // at most 50 million of each
  std::size_t licenses = 4'000'000;
  std::size_t activations = 4'000'000;
};

struct CacheCounts {
  std::uint64_t licenses = 0, activations = 0, hits = 0, misses = 0, evictions = 0, dropped_fills = 0;
};

// What a validation needs. `license` and `activation` hold only what Validate decides from; see cache_record.h.
struct CachedView {
  base::Id id;
  licensing::License license;
  TermsHandle terms;
  bool has_activation = false;
  licensing::Activation activation;
};

// Where a license may be: what Cache::approach() found, and Cache::find() checks. A default one knows nothing.
class CachePlace {
  friend class Cache;
  std::uint32_t packed_ = 0xFFFFFFFF;
};

class Cache {
 public:
  Cache(const CacheOptions& options, Catalog& catalog, const crypto::Prf::Key& process_key);
  ~Cache();

  // A client of a license, as the cache names it.
  base::Digest seat_key(const base::Id& license, std::string_view client_id) const noexcept;

  // A lookup waits for memory up to four times, one after the other. A caller with other work to do calls these early,
  // each followed by some of that work, and find() at last. Without them find() is as right, only slower.
  void prefetch(const store::LicenseRef& ref) const noexcept;
  CachePlace approach(const store::LicenseRef& ref) const noexcept;
  void prefetch_seat(CachePlace place) const noexcept;

  // False when the license, or the named client's activation, is not here, or when a lease has ended since it was read:
  // the database must be asked. client_id nullptr: the license alone.
  bool find(const store::LicenseRef& ref, const std::string_view* client_id, base::UnixSeconds now, CachedView& out,
            CachePlace place = {}) noexcept;

  std::uint64_t fill_ticket() const noexcept { return commits_.load(std::memory_order_acquire); }
  // `by_key`: the license was asked for by its key, so that it is found by its key from now on.
  void fill(const store::LicenseView& view, const TermsHandle& terms, bool by_key, const std::string_view* client_id,
            std::uint64_t ticket);

  // The write path, after COMMIT and before the answers: first begin_publish(), then the changed rows.
  void begin_publish() noexcept { commits_.fetch_add(1, std::memory_order_acq_rel); }
  void publish(const store::LicenseRow& license, const TermsHandle& terms, bool by_key = false);
  void publish(const base::Id& license, std::string_view client_id, const licensing::Activation& activation);

  // After begin_publish(), of what another process changed: the license must be read again; so many seats are held now.
  // What is not here is left alone. A client's activation is forgotten by publishing one that holds no seat.
  void forget(const base::Id& license) noexcept;
  void note_seats(const base::Id& license, std::uint32_t seats_held) noexcept;
  void clear();  // everything must be read again

  // After begin_publish(): licenses with these terms have others now (a policy was changed). Walks through all records.
  void replace_terms(const TermsReplacements& replacements);

  CacheCounts counts() const noexcept;

 private:
  struct Memory;
  struct LicenseShard;
  struct ActivationShard;
  struct KeyShard;

  std::atomic<std::uint32_t>& last_seat(std::uint32_t license) const noexcept;
  std::uint32_t locate(const store::LicenseRef& ref) noexcept;
  std::uint32_t locate_key(const base::Digest& digest) noexcept;
  std::optional<bool> read_license(std::uint32_t packed, const store::LicenseRef& ref, base::UnixSeconds now,
                                   CachedView& out) noexcept;
  std::uint32_t read_activation(std::uint32_t place, const base::Digest& seat, base::UnixSeconds now,
                                licensing::Activation& out) noexcept;
  void count_miss(const store::LicenseRef& ref) noexcept;
  std::uint32_t put_record(const store::LicenseRow& license, const TermsHandle& terms,
                           std::optional<std::uint64_t> ticket, base::Digest& evicted);
  std::uint32_t put_license(const store::LicenseRow& license, const TermsHandle& terms,
                            std::optional<std::uint64_t> ticket, bool index_key);
  std::uint32_t put_activation(const base::Id& license, std::string_view client_id,
                               const licensing::Activation& activation, std::optional<std::uint64_t> ticket);
  void set_terms(LicenseRecord& record, const TermsHandle& terms);
  LicenseRecord* record_of(LicenseShard& shard, const base::Id& license) noexcept;
  void drop_license(LicenseShard& shard, std::uint32_t slot) noexcept;
  void insert_key(const base::Digest& digest, std::uint32_t packed);
  void erase_key(const base::Digest& digest, std::uint32_t packed) noexcept;
  bool is_stale(std::optional<std::uint64_t> ticket) const noexcept;

  Catalog& catalog_;
  crypto::Prf prf_;
  const std::unique_ptr<Memory> memory_;
  std::vector<std::unique_ptr<LicenseShard>> licenses_;
  std::vector<std::unique_ptr<KeyShard>> keys_;
  std::vector<std::unique_ptr<ActivationShard>> activations_;
  std::atomic<std::uint64_t> commits_{0};
};

}  // namespace lictor::service
