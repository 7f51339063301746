// Products and policies, all in memory (there are few), and the interned Terms of licenses: one TermsEntry for each
// policy and distinct overrides. Thread-safe.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "licensing/terms.h"
#include "service/policy_document.h"
#include "store/store.h"

namespace lictor::service {

struct Product {
  store::Product stored;
  ProductSettings settings;
};
struct Policy {
  store::Policy stored;
  std::shared_ptr<const Product> product;
};

// How many refer to what all threads refer to all the time: each thread counts on a cache line that is nearly always
// its own, so that counting costs a few nanoseconds.
class StripedReferences {
 public:
  void add() noexcept { mine().taken.fetch_add(1, std::memory_order_relaxed); }
  void drop() noexcept { mine().given_back.fetch_add(1, std::memory_order_release); }
  // Never wrongly true, when new references come from references alone: every one that was given back has been taken
  // before, so that equal sums, of those given back first, leave none.
  bool none() const noexcept;

 private:
  struct alignas(64) Stripe {
    std::atomic<std::uint64_t> taken{0}, given_back{0};
  };
  static constexpr std::size_t kStripes = 16;
  Stripe& mine() noexcept { return stripes_[stripe_of_thread() % kStripes]; }
  static std::uint32_t stripe_of_thread() noexcept {
    thread_local const std::uint32_t number = next_thread_.fetch_add(1, std::memory_order_relaxed);
    return number;
  }

  static inline std::atomic<std::uint32_t> next_thread_{0};
  std::array<Stripe, kStripes> stripes_;
};

struct TermsEntry {
  licensing::Terms terms;
  std::shared_ptr<const Product> product;
  std::shared_ptr<const Policy> policy;
  std::string overrides;
  std::string fragment;  // `"type":…,"features":[…],"entitlements":{…}`, true before fragment_until
  base::UnixSeconds fragment_until = licensing::kNever;
  std::uint32_t index = 0;
  bool retired = false;  // its policy or product was changed: others are built from now on
  // Terms with overrides go with the last reference. Those of a policy without overrides, which all threads use, stay
  // until they are retired, and are `shared`.
  std::atomic<std::uint32_t> references{0};
  std::unique_ptr<StripedReferences> shared;
};

class Catalog;

// Keeps a TermsEntry alive.
class TermsHandle {
 public:
  TermsHandle() = default;
  TermsHandle(const TermsHandle& other) noexcept : catalog_(other.catalog_), entry_(other.entry_) { retain(); }
  TermsHandle(TermsHandle&& other) noexcept : catalog_(other.catalog_), entry_(std::exchange(other.entry_, nullptr)) {}
  TermsHandle& operator=(TermsHandle other) noexcept {
    std::swap(catalog_, other.catalog_);
    std::swap(entry_, other.entry_);
    return *this;
  }
  ~TermsHandle() { release(); }
  const TermsEntry* operator->() const noexcept { return entry_; }
  const TermsEntry& operator*() const noexcept { return *entry_; }
  explicit operator bool() const noexcept { return entry_ != nullptr; }

 private:
  friend class Catalog;
  TermsHandle(Catalog* catalog, TermsEntry* entry) noexcept : catalog_(catalog), entry_(entry) { retain(); }
  void retain() const noexcept {
    if (entry_ == nullptr) return;
    entry_->shared ? entry_->shared->add() : void(entry_->references.fetch_add(1, std::memory_order_relaxed));
  }
  void release() noexcept;

  Catalog* catalog_ = nullptr;
  TermsEntry* entry_ = nullptr;
};

// From the index of terms to those that take their place.
using TermsReplacements = std::unordered_map<std::uint32_t, TermsHandle>;

class Catalog {
 public:
  void load(store::Reader& reader);
  std::shared_ptr<const Product> add(store::Product product);
  std::shared_ptr<const Policy> add(store::Policy policy);

  // After the commit of a change: puts this in the place of the one with the same row. Whoever holds terms built from
  // the old one goes on with them; what terms() and the replacements give is new.
  TermsReplacements replace(store::Product product);
  TermsReplacements replace(store::Policy policy);
  // All that there is, as another process left it: what differs is added, replaced or removed.
  TermsReplacements become(std::vector<store::Product> products, std::vector<store::Policy> policies);
  void remove_product(store::Row row);
  void remove_policy(store::Row row);

  std::shared_ptr<const Product> product(std::string_view name) const;
  std::shared_ptr<const Product> product(store::Row row) const;
  std::shared_ptr<const Policy> policy(store::Row product, std::string_view name) const;
  std::shared_ptr<const Policy> policy(const base::Id& id) const;
  std::vector<std::shared_ptr<const Product>> products() const;  // by name
  std::vector<std::shared_ptr<const Policy>> policies() const;   // by product and name

  // Throws std::runtime_error when the policy is unknown or a stored document does not parse.
  TermsHandle terms(store::Row policy, std::string_view overrides);
  // The entry of an index that a TermsHandle was detached into: see detach().
  TermsHandle at(std::uint32_t index) noexcept;
  // For compact records: the index stands for one reference, given back by drop().
  std::uint32_t detach(TermsHandle handle) noexcept;
  void drop(std::uint32_t index) noexcept;
  std::size_t terms_count() const;
  std::size_t retired_count() const;  // of terms that were changed or removed, and are in memory still
  static constexpr std::size_t kMaxTerms = std::size_t{1} << 24;

 private:
  friend class TermsHandle;
  using Key = std::pair<store::Row, std::string>;
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept {
      return std::hash<std::string>{}(key.second) ^ (static_cast<std::size_t>(key.first) * 0x9E3779B97F4A7C15ULL);
    }
  };
  static constexpr std::size_t kChunk = 1024;
  using Chunk = std::array<std::atomic<TermsEntry*>, kChunk>;
  static constexpr std::size_t kMaxChunks = kMaxTerms / kChunk;

  std::unique_ptr<TermsEntry> build(store::Row policy, std::string_view overrides) const;
  TermsEntry* enter(std::unique_ptr<TermsEntry> entry);
  TermsReplacements rebuild(const std::vector<store::Row>& policies);
  void retire(std::unique_ptr<TermsEntry> entry);
  void free_retired() noexcept;
  void release_last(TermsEntry* entry) noexcept;
  std::atomic<TermsEntry*>& slot(std::uint32_t index) noexcept { return (*chunks_[index / kChunk])[index % kChunk]; }

  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<const Product>> products_;
  std::vector<std::shared_ptr<const Policy>> policies_;
  std::unordered_map<Key, std::unique_ptr<TermsEntry>, KeyHash> entries_;
  std::unordered_map<const TermsEntry*, std::unique_ptr<TermsEntry>> retired_;
  std::vector<std::uint32_t> free_indexes_;
  std::uint32_t next_index_ = 0;
  std::array<std::unique_ptr<Chunk>, kMaxChunks> chunks_;
};

}  // namespace lictor::service
