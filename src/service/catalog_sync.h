// Brings what this process keeps of products, policies and API keys up to date with a database that other processes
// change, too. The version of the catalogue is the sequence of the newest event about them (store.h, lock_catalog()).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "service/cache.h"
#include "service/catalog.h"
#include "store/store.h"

namespace lictor::service {

// Thrown inside a transaction that found another catalogue than this process has.
struct CatalogChanged {};

class CatalogSync {
 public:
  // `load_api_keys` is called in run(), with a reader whose reads are all of one moment.
  CatalogSync(store::Store& store, Catalog& catalog, Cache& cache, std::function<void(store::Reader&)> load_api_keys);

  // Of what this process has. Thread-safe.
  std::int64_t version() const noexcept { return version_.load(std::memory_order_acquire); }
  // This process made the change of that version itself, and has it in memory. On the write path's thread.
  void note(std::int64_t version) noexcept { version_.store(version, std::memory_order_release); }
  // Reads everything and puts what differs in the place of what was; the cache's licenses get the terms that hold now.
  // On the write path's thread, or before it runs. Throws StoreError.
  void run();

 private:
  const std::unique_ptr<store::Reader> reader_;
  Catalog& catalog_;
  Cache& cache_;
  const std::function<void(store::Reader&)> load_api_keys_;
  std::atomic<std::int64_t> version_{-1};  // nothing was read yet
};

}  // namespace lictor::service
