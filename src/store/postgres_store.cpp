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
        if (error.kind() == Kind::connection_lost && writer_.commit_is_unknown() && happened()) return;
        const bool again = error.kind() == Kind::retry ||
                           (error.kind() == Kind::connection_lost && !writer_.commit_is_unknown() && tries == 1);
        if (!again || tries == kTries) throw;
      }
    }
  }

  std::unique_ptr<Reader> open_reader() override {
    return std::make_unique<SqlReader>(std::make_unique<PostgresConnection>(connection_options(true)));
  }
  std::array<std::uint8_t, 16> digest_key() const override { return digest_key_; }
  std::string describe() const override { return shown_; }

 private:
  PostgresConnection::Options connection_options(bool read_only) const {
    return {options_.url, shown_,    options_.timeout,
            "lictord",    read_only, read_only ? std::string() : std::string(kWriterSettings)};
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

  const PostgresOptions options_;
  const std::string shown_;
  PostgresConnection writer_;
  PostgresTx tx_;
  std::array<std::uint8_t, 16> digest_key_{};
};

}  // namespace

std::unique_ptr<Store> open_postgres(const PostgresOptions& options) {
  return std::make_unique<PostgresStore>(options);
}

}  // namespace lictor::store
