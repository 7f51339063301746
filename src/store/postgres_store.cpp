#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>
#include <mutex>
#include <string>
#include <utility>

#include "crypto/crypto.h"
#include "store/placement.h"
#include "store/postgres_connection.h"
#include "store/postgres_queries.h"
#include "store/postgres_server.h"
#include "store/postgres_tx.h"
#include "store/sql_reader.h"
#include "store/store.h"

namespace lictor::store {
namespace {

using Kind = StoreError::Kind;
using SteadyClock = std::chrono::steady_clock;

// What batches ask for is found by indexes, however many rows there are now or will be: a plan for a table that was
// small when it was made would walk through all of it later.
constexpr const char* kWriterSettings =
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET plan_cache_mode = "
    "force_generic_plan";
constexpr int kTries = 5;
constexpr std::size_t kWrittenRanges = 100'000;

class PostgresReader final : public SqlReader {
 public:
  explicit PostgresReader(std::unique_ptr<Connection> own) : SqlReader(std::move(own)) {}
  std::int64_t catalog_version() override { return connection().number(sql::kCatalogVersion); }
};

class PostgresStore final : public Store {
 public:
  explicit PostgresStore(const PostgresOptions& options)
      : options_(options), shown_(without_password(options.url)), writer_(connection_options(false)), tx_(writer_) {
    prepare();
    Statement statement(writer_, sql::kMeta);
    auto rows = statement.rows(sql::kDigestKeyName);
    if (!rows.next() || rows.blob(0).size() != digest_key_.size()) writer_.fail_corrupt("the digest key is missing");
    std::memcpy(digest_key_.data(), rows.blob(0).data(), digest_key_.size());
  }

  void write(const std::function<void(Tx&)>& work) override {
    for (int tries = 1;; ++tries) {
      try {
        return write_once(work);
      } catch (const StoreError& error) {
        if (error.kind() == Kind::connection_lost && writer_.commit_is_unknown() && happened()) return note_written();
        const bool again = error.kind() == Kind::retry ||
                           (error.kind() == Kind::connection_lost && !writer_.commit_is_unknown() && tries == 1);
        if (!again || tries == kTries) throw;
      }
    }
  }

  std::unique_ptr<Reader> open_reader() override {
    return std::make_unique<PostgresReader>(std::make_unique<PostgresConnection>(connection_options(true)));
  }
  std::unique_ptr<Reader> open_feed_reader(std::chrono::milliseconds timeout) override {
    auto options = connection_options(true);
    options.timeout = timeout;
    return std::make_unique<PostgresReader>(std::make_unique<PostgresConnection>(std::move(options)));
  }
  std::array<std::uint8_t, 16> digest_key() const override { return digest_key_; }
  std::string describe() const override { return shown_; }
  bool is_shared() const noexcept override { return true; }
  ConnectionCounts connections() const override { return {counters_->open, counters_->opened, counters_->lost}; }
  bool wrote(std::int64_t sequence) const override {
    const std::lock_guard lock(written_mutex_);
    const auto after = std::ranges::upper_bound(written_, sequence, {}, &EventRange::first);
    return after != written_.begin() && std::prev(after)->last >= sequence;
  }
  void forget_written() override {
    const std::lock_guard lock(written_mutex_);
    written_.clear();
  }

 private:
  struct EventRange {
    std::int64_t first = 0, last = 0;
  };

  PostgresConnection::Options connection_options(bool read_only) const {
    return {.url = options_.url,
            .shown = shown_,
            .timeout = options_.timeout,
            .application = "lictord",
            .read_only = read_only,
            .recycle = options_.recycle,
            .counters = counters_,
            .settings = read_only ? "" : kWriterSettings};
  }

  void prepare() {
    require_usable(writer_, true);
    require_servable(writer_);
    migrate_alone(writer_);
    note_served(writer_);
  }

  void write_once(const std::function<void(Tx&)>& work) {
    Transaction transaction(writer_);
    tx_.begin_on_server();
    work(tx_);
    tx_.finish();
    const auto start = SteadyClock::now();
    transaction.commit();
    note_written();
    if (options_.on_commit) options_.on_commit(std::chrono::duration<double>(SteadyClock::now() - start).count());
  }

  // Whether the transaction whose COMMIT was not answered is there: its last event is, or is not.
  bool happened() {
    const ChainLink last = tx_.last_event();
    if (last.sequence == 0) return false;
    Statement statement(writer_, sql::kEventHash);
    auto rows = statement.rows(last.sequence);
    return rows.next() && std::ranges::equal(rows.blob(0), last.hash);
  }

  void note_written() {
    const ChainLink& last = tx_.last_event();
    if (last.sequence == 0) return;
    const std::lock_guard lock(written_mutex_);
    if (!written_.empty() && written_.back().last + 1 == tx_.first_event()) {
      written_.back().last = last.sequence;
    } else {
      // History was set back: what was written of it before is another's now.
      while (!written_.empty() && written_.back().last >= tx_.first_event()) written_.pop_back();
      written_.push_back({tx_.first_event(), last.sequence});
    }
    if (written_.size() > kWrittenRanges) written_.pop_front();
  }

  const PostgresOptions options_;
  const std::string shown_;
  const std::shared_ptr<ConnectionCounters> counters_ = std::make_shared<ConnectionCounters>();
  PostgresConnection writer_;
  PostgresTx tx_;
  std::array<std::uint8_t, 16> digest_key_{};
  mutable std::mutex written_mutex_;
  std::deque<EventRange> written_;  // in order
};

}  // namespace

std::unique_ptr<Store> open_postgres(const PostgresOptions& options) {
  return std::make_unique<PostgresStore>(options);
}

}  // namespace lictor::store
