#include <chrono>
#include <cstring>
#include <string>
#include <utility>

#include "crypto/crypto.h"
#include "store/placement.h"
#include "store/postgres_connection.h"
#include "store/postgres_queries.h"
#include "store/postgres_server.h"
#include "store/postgres_tx.h"
#include "store/server_tx.h"
#include "store/store.h"
#include "store/written_events.h"

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
        const bool lost = error.kind() == Kind::connection_lost;
        const bool asks = lost && writer_.commit_is_unknown();
        const CommitFate fate = asks ? find_commit(writer_, tx_.last_event()) : CommitFate::undone;
        if (fate == CommitFate::done) return written_.note(tx_.first_event(), tx_.last_event().sequence);
        const bool again = error.kind() == Kind::retry || (lost && fate == CommitFate::undone && tries == 1);
        if (!again || tries == kTries) throw;
      }
    }
  }

  std::unique_ptr<Reader> open_reader() override {
    return std::make_unique<ServerReader>(std::make_unique<PostgresConnection>(connection_options(true)));
  }
  std::unique_ptr<Reader> open_feed_reader(std::chrono::milliseconds timeout) override {
    auto options = connection_options(true);
    options.timeout = timeout;
    return std::make_unique<ServerReader>(std::make_unique<PostgresConnection>(std::move(options)));
  }
  std::array<std::uint8_t, 16> digest_key() const override { return digest_key_; }
  std::string describe() const override { return shown_; }
  bool is_shared() const noexcept override { return true; }
  ConnectionCounts connections() const override { return {counters_->open, counters_->opened, counters_->lost}; }
  bool wrote(std::int64_t sequence) const override { return written_.has(sequence); }
  void forget_written() override { written_.forget(); }

 private:
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
    written_.note(tx_.first_event(), tx_.last_event().sequence);
    if (options_.on_commit) options_.on_commit(std::chrono::duration<double>(SteadyClock::now() - start).count());
  }

  const PostgresOptions options_;
  const std::string shown_;
  const std::shared_ptr<ConnectionCounters> counters_ = std::make_shared<ConnectionCounters>();
  PostgresConnection writer_;
  PostgresTx tx_;
  std::array<std::uint8_t, 16> digest_key_{};
  WrittenEvents written_;
};

}  // namespace

std::unique_ptr<Store> open_postgres(const PostgresOptions& options) {
  return std::make_unique<PostgresStore>(options);
}

}  // namespace lictor::store
