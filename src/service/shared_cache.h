// The second-level cache: what replicas read of licenses, shared through Redis, so that one that was just started need
// not read all of it from the database again. Redis may be slow, full, emptied, set back, gone or hostile: what it
// holds is used only when it is proven to be what the database has (docs/decisions/0012-redis.md):
//
//   - its seal opens with the database's secret, at the place where it was found;
//   - it is of a place of this database's history (ChangeHistory), and its license was not changed behind it;
//   - it says yes: whoever would be refused by it asks the database (api/data_plane).
//
// Whoever asks waits at most for `timeout`, and after somebody waited in vain nobody asks until a probe in the
// background was answered. All else is done by a thread of its own, many commands at a time. Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "redis/connection_pool.h"
#include "service/catalog.h"
#include "service/shared_entry.h"

namespace lictor::service {

struct SharedCacheOptions {
  redis::RedisUrl url;
  std::chrono::milliseconds timeout{50};  // of somebody who waits
  std::chrono::seconds ttl{300};
  std::size_t queue_max = 16'384;  // entries and invalidations that wait; further ones are dropped
  // On any thread; may be empty.
  std::function<void(std::string_view why)> on_lost, on_refused;  // refused: a command was answered with an error
  std::function<void()> on_back;
};

struct SharedCacheCounts {
  std::uint64_t hits = 0, misses = 0;
  std::uint64_t untrusted = 0;  // found, and not used
  std::uint64_t errors = 0;     // not answered in time, or with an error
  std::uint64_t skipped = 0;    // not asked: Redis is away, or all connections are in use
  std::uint64_t dropped = 0;    // entries and invalidations that did not get to Redis
  bool is_up = false;
};

class SharedCache {
 public:
  // `database_secret`: store::Store::digest_key(). Connects in the background.
  SharedCache(const crypto::Prf::Key& database_secret, const base::Clock& clock, const Catalog& catalog,
              ChangeHistory& history, SharedCacheOptions options);
  ~SharedCache();  // stop()

  // What holds of a license and, when it is named, a client that holds a seat; nothing when that is not known here.
  // Waits; never on an I/O thread. Whoever puts it into the first-level cache has taken that one's ticket before.
  std::optional<store::LicenseView> find(const store::LicenseRef& ref, std::optional<std::string_view> client_id);

  // Of a moment before the database is read; what is read is then offered with it.
  HistoryMark mark() const { return history_.mark(); }
  // Kept once it is known that nothing came in between; not waited for. `by_key`: also under the license's key.
  void offer(const store::LicenseView& view, const base::Id& policy, std::optional<std::string_view> client_id,
             bool by_key, const HistoryMark& mark);
  // After a commit of this process with these events, up to that sequence, and before anybody learns of it.
  void committed(std::span<const store::Event> events, std::int64_t last_sequence);

  SharedCacheCounts counts() const noexcept;
  void stop();  // idempotent

 private:
  struct Offer {
    base::Id license;
    base::Digest key_digest;
    bool by_key = false;
    std::string field;
    std::string encoded;
    HistoryMark mark;
    std::uint64_t read = 0;  // of the feed, which must have ended
  };
  struct Work {
    std::vector<Offer> offers;
    std::vector<base::Id> changed;
    std::size_t size() const noexcept { return offers.size() + changed.size(); }
  };

  void loop();
  bool take(Work& work);
  bool connect();
  void write(Work& work);
  void invalidate(const std::vector<base::Id>& changed);
  void put(const Offer& offer);
  bool note_refused(const std::vector<redis::Reply>& replies);  // whether one was
  void lose(std::string_view why);
  void count_dropped(std::size_t number) noexcept { dropped_.fetch_add(number, std::memory_order_relaxed); }
  std::optional<store::LicenseView> judge(const SharedPlace& place, std::string_view bytes,
                                          const store::LicenseRef& ref, bool names_client) const;

  const base::Clock& clock_;
  const Catalog& catalog_;
  ChangeHistory& history_;
  const SharedCacheOptions options_;
  const SharedEntryCodec codec_;
  redis::ConnectionPool readers_;
  std::unique_ptr<redis::Connection> writer_;  // the thread's own, as the next
  bool was_refused_ = false;                   // since something was kept last

  std::atomic<bool> is_up_{false};
  std::atomic<std::uint64_t> hits_{0}, misses_{0}, untrusted_{0}, errors_{0}, skipped_{0}, dropped_{0};
  std::atomic<bool> was_lost_{false};

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Offer> offers_;  // in the order of `read`
  std::vector<base::Id> changed_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace lictor::service
