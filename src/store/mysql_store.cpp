#include <chrono>
#include <cstring>
#include <string>
#include <utility>

#include "store/migrations.h"
#include "store/mysql_connection.h"
#include "store/mysql_queries.h"
#include "store/mysql_schema.h"
#include "store/mysql_tx.h"
#include "store/server_tx.h"
#include "store/store.h"
#include "store/written_events.h"

namespace lictor::store {
namespace {

using Kind = StoreError::Kind;
using SteadyClock = std::chrono::steady_clock;

constexpr int kTries = 5;
constexpr int kMigrationWaits = 60;  // of a second each
// Replicas that start at the same time migrate one after the other. Names of locks are the server's, not the
// database's.
constexpr const char* kLockMigrations = "SELECT get_lock(concat('lictor ', sha1(database())), 1)";
constexpr const char* kUnlockMigrations = "SELECT release_lock(concat('lictor ', sha1(database())))";
constexpr const char* kOtherTables =
    "SELECT table_name FROM information_schema.tables WHERE table_schema = database() AND NOT EXISTS "
    "(SELECT 1 FROM information_schema.tables AS mark WHERE mark.table_schema = database() "
    "AND mark.table_name = 'schema_migrations' AND mark.table_comment = ?) ORDER BY table_name LIMIT 1";
constexpr const char* kOtherCollations =
    "SELECT concat(table_name, '.', column_name), collation_name FROM information_schema.columns "
    "WHERE table_schema = database() AND collation_name <> ? LIMIT 1";
constexpr const char* kOtherEngines =
    "SELECT table_name, engine FROM information_schema.tables WHERE table_schema = database() "
    "AND table_type = 'BASE TABLE' AND engine <> 'InnoDB' LIMIT 1";
// Nothing is changed; but a right that is missing, or a server that only reads, is noticed now and not by the first
// client. As execute() takes them.
constexpr const char* kTryRights =
    "UPDATE meta SET value = value WHERE 1 = 0; DELETE FROM meta WHERE 1 = 0; "
    "INSERT INTO meta (name, value) SELECT name, value FROM meta WHERE 1 = 0";

class MysqlStore final : public Store {
 public:
  explicit MysqlStore(const MysqlOptions& options)
      : options_(options),
        address_(parse_mysql_address(options.url)),
        shown_(address_.shown()),
        writer_({address_, options.timeout, false}),
        tx_(writer_) {
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
    return open_feed_reader(options_.timeout);
  }
  std::unique_ptr<Reader> open_feed_reader(std::chrono::milliseconds timeout) override {
    return std::make_unique<ServerReader>(
        std::make_unique<MysqlConnection>(MysqlConnection::Options{address_, timeout, true}));
  }
  bool is_shared() const noexcept override { return true; }
  bool wrote(std::int64_t sequence) const override { return written_.has(sequence); }
  void forget_written() override { written_.forget(); }
  std::array<std::uint8_t, 16> digest_key() const override { return digest_key_; }
  std::string describe() const override { return shown_; }

 private:
  [[noreturn]] void refuse(Kind kind, const std::string& what) const {
    throw StoreError(kind, "database " + shown_ + ": " + what);
  }

  void prepare() {
    const auto version = writer_.server_version();
    const bool new_enough =
        version.is_mariadb ? std::pair(version.major, version.minor) >= std::pair(10, 6) : version.major >= 8;
    if (!new_enough) {
      refuse(Kind::other,
             "server version " + version.text + " is too old, MySQL 8.0 or MariaDB 10.6 or newer is needed");
    }
    if (writer_.number("SELECT @@global.read_only") != 0) {
      refuse(Kind::read_only,
             "this server only reads (read_only is on; is it a replica?); name one that is written to");
    }
    lock_migrations();
    refuse_other_tables();
    migrate(writer_, mysql_migrations(version.is_mariadb));
    writer_.execute(kUnlockMigrations);
    check_tables(version.is_mariadb);
    writer_.execute(kTryRights);
  }

  void lock_migrations() {
    for (int waited = 0; writer_.number(kLockMigrations) != 1; ++waited) {
      if (waited == kMigrationWaits) refuse(Kind::locked, "another server has been migrating it for a minute");
    }
  }

  // An empty database becomes ours; one of somebody else is left as it is.
  void refuse_other_tables() {
    Statement statement(writer_, kOtherTables);
    auto rows = statement.rows(std::string_view(kMysqlComment));
    if (!rows.next()) return;
    refuse(Kind::other, "it belongs to another program (it has a table " + std::string(rows.text(0)) +
                            "); it was left as it is. An empty database is needed");
  }

  // Later changes by others (ALTER TABLE … CONVERT TO) would change what is equal, and which seats there are.
  void check_tables(bool is_mariadb) {
    Statement collations(writer_, kOtherCollations);
    auto column = collations.rows(mysql_collation(is_mariadb));
    if (column.next()) {
      refuse(Kind::other, "column " + std::string(column.text(0)) + " has the collation " +
                              std::string(column.text(1)) + ", " + std::string(mysql_collation(is_mariadb)) +
                              " is needed");
    }
    Statement engines(writer_, kOtherEngines);
    auto table = engines.rows();
    if (table.next()) {
      refuse(Kind::other, "table " + std::string(table.text(0)) + " has the storage engine " +
                              std::string(table.text(1)) + ", InnoDB is needed");
    }
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

  const MysqlOptions options_;
  const MysqlAddress address_;
  const std::string shown_;
  MysqlConnection writer_;
  MysqlTx tx_;
  std::array<std::uint8_t, 16> digest_key_{};
  WrittenEvents written_;
};

}  // namespace

std::unique_ptr<Store> open_mysql(const MysqlOptions& options) { return std::make_unique<MysqlStore>(options); }

}  // namespace lictor::store
