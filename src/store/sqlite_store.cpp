#include <chrono>
#include <cstring>
#include <string>

#include "store/lock_file.h"
#include "store/migrations.h"
#include "store/placement.h"
#include "store/queries.h"
#include "store/sql_reader.h"
#include "store/sql_tx.h"
#include "store/sqlite_checkpointer.h"
#include "store/sqlite_connection.h"
#include "store/sqlite_settings.h"
#include "store/store.h"
#include "store/whole_file.h"

namespace lictor::store {
namespace {

void use_write_ahead_log(SqliteConnection& connection, const std::string& path, int checkpoint_pages) {
  Statement statement(connection, "PRAGMA journal_mode = WAL");
  auto rows = statement.rows();
  if (!rows.next() || rows.text(0) != "wal") {
    throw StoreError(StoreError::Kind::other,
                     "database " + path + ": its file system can't do write-ahead logging (a network share?)");
  }
  // A longer log's file is cut when it starts over; up to here its blocks are kept, which makes commits cheaper.
  const std::int64_t kept_bytes = std::int64_t{checkpoint_pages} * kPageBytes * Checkpointer::kMaxLogFactor;
  connection.execute(("PRAGMA journal_size_limit = " + std::to_string(kept_bytes)).c_str());
}

SqliteConnection& prepare(SqliteConnection& connection, const SqliteOptions& options) {
  if (check_application(connection, options.path)) {
    connection.execute(("PRAGMA page_size = " + std::to_string(kPageBytes)).c_str());
  }
  use_write_ahead_log(connection, options.path, options.checkpoint_pages);
  connection.execute(kWriterSettings);
  require_servable(connection);
  migrate(connection, migrations());
  note_served(connection);
  return connection;
}

SqliteOptions resolved(SqliteOptions options) {
  options.path = resolve_database_path(options.path);
  return options;
}

const std::string& with_file(const std::string& path) {
  create_database_file(path);
  check_file_is_whole(path);
  return path;
}

class SqliteStore final : public Store {
 public:
  explicit SqliteStore(const SqliteOptions& options)
      : options_(resolved(options)),
        lock_(options_.path),
        writer_(with_file(options_.path), SqliteConnection::Mode::read_write),
        tx_(prepare(writer_, options_)),
        checkpointer_(options_.path, writer_, options_.checkpoint_pages) {
    Statement statement(writer_, sql::kMeta);
    auto rows = statement.rows(sql::kDigestKeyName);
    if (!rows.next() || rows.blob(0).size() != digest_key_.size()) writer_.fail_corrupt("the digest key is missing");
    std::memcpy(digest_key_.data(), rows.blob(0).data(), digest_key_.size());
  }

  void write(const std::function<void(Tx&)>& work) override {
    checkpointer_.between_transactions();
    Transaction transaction(writer_);
    tx_.begin();
    work(tx_);
    tx_.finish();
    const auto start = std::chrono::steady_clock::now();
    transaction.commit();
    if (options_.on_commit) {
      options_.on_commit(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
  }

  std::unique_ptr<Reader> open_reader() override {
    auto connection = std::make_unique<SqliteConnection>(options_.path, SqliteConnection::Mode::read_only);
    connection->execute(kReaderSettings);
    return std::make_unique<SqlReader>(std::move(connection));
  }
  std::array<std::uint8_t, 16> digest_key() const override { return digest_key_; }
  std::string describe() const override { return "sqlite:" + options_.path; }

 private:
  // In the order in which they are needed: the lock is taken first and given back last.
  const SqliteOptions options_;
  LockFile lock_;
  SqliteConnection writer_;
  SqlTx tx_;
  Checkpointer checkpointer_;
  std::array<std::uint8_t, 16> digest_key_{};
};

}  // namespace

std::unique_ptr<Store> open_sqlite(const SqliteOptions& options) { return std::make_unique<SqliteStore>(options); }

}  // namespace lictor::store
