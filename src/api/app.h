// What the handlers work with: references to the parts that main() built.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "api/requests.h"
#include "auth/api_keys.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "http/server.h"
#include "service/cache.h"
#include "service/catalog.h"
#include "service/feed.h"
#include "service/read_pool.h"
#include "service/shared_cache.h"
#include "service/statistics.h"
#include "service/write_path.h"
#include "store/store.h"

namespace lictor::api {

// What the last scrape read from the database.
struct ScrapedTotals {
  std::atomic<std::int64_t> licenses{0}, active_licenses{0}, seats_held{0};
};

struct App {
  const base::Clock& clock;
  base::Logger& log;
  base::Metrics& metrics;
  auth::ApiKeys& api_keys;
  service::Catalog& catalog;
  service::Cache& cache;
  service::WritePath& writes;
  service::ReadPool& reads;
  service::Statistics& statistics;
  ScrapedTotals& totals;
  const crypto::Prf key_digest;  // of license keys, keyed with the database's secret
  const FingerprintReader fingerprints;
  const base::UnixSeconds started_at;
  const std::string database;  // for people
  std::function<http::ConnectionCounts()> connections;
  std::function<bool()> stopping;              // true from the moment a stop was asked for: not ready
  std::function<std::uint64_t()> clock_steps;  // by which the system clock was set, since the start
  // Of a database that other processes change, too; otherwise nullptr. Set before the server starts.
  service::Feed* feed = nullptr;
  // Seats granted or renewed in licenses that are nearly full.
  std::shared_ptr<base::Counter> nearly_full = std::make_shared<base::Counter>();
  // Where there is Redis; otherwise nullptr.
  service::SharedCache* shared = nullptr;
  // Imports that hold their rows in memory now.
  std::shared_ptr<std::atomic<int>> imports = std::make_shared<std::atomic<int>>(0);
};

}  // namespace lictor::api
