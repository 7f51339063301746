#include <memory>
#include <string>
#include <utility>

#include "store/migrations.h"
#include "store/mysql_connection.h"
#include "store/mysql_schema.h"
#include "store/mysql_tx.h"
#include "store/server_store.h"
#include "store/store.h"

namespace lictor::store {
namespace {

using Kind = StoreError::Kind;

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
// 3 flushes as often as 1 does, and at the commit, too; it is MariaDB's alone. With a binary log InnoDB leaves the
// commit to that, and makes of what was prepared what the binary log says
// (https://mariadb.com/kb/en/binary-log-group-commit-and-innodb-flushing-performance/).
constexpr const char* kDurabilityGap =
    "SELECT CASE WHEN @@innodb_flush_log_at_trx_commit NOT IN (1, 3) "
    "THEN concat('innodb_flush_log_at_trx_commit is ', @@innodb_flush_log_at_trx_commit) "
    "WHEN @@log_bin AND @@sync_binlog <> 1 AND @@innodb_flush_log_at_trx_commit <> 3 "
    "THEN concat('sync_binlog is ', @@sync_binlog) END";
// Nothing is changed; but a right that is missing, or a server that only reads, is noticed now and not by the first
// client. As execute() takes them.
constexpr const char* kTryRights =
    "UPDATE meta SET value = value WHERE 1 = 0; DELETE FROM meta WHERE 1 = 0; "
    "INSERT INTO meta (name, value) SELECT name, value FROM meta WHERE 1 = 0";

// Makes the database one that this version can serve, or refuses it by name.
class MysqlPreparation {
 public:
  explicit MysqlPreparation(MysqlConnection& writer) : writer_(writer), shown_(writer.name()) {}

  void run() {
    const auto version = writer_.server_version();
    const bool new_enough =
        version.is_mariadb ? std::pair(version.major, version.minor) >= std::pair(10, 6) : version.major >= 8;
    if (!new_enough) {
      refuse(Kind::other,
             "server version " + version.text + " is too old, MySQL 8.0 or MariaDB 10.6 or newer is needed");
    }
    lock_migrations();
    refuse_other_tables();
    migrate(writer_, mysql_migrations(version.is_mariadb));
    writer_.execute(kUnlockMigrations);
    check_tables(version.is_mariadb);
    writer_.execute(kTryRights);
  }

 private:
  [[noreturn]] void refuse(Kind kind, const std::string& what) const {
    throw StoreError(kind, "database " + shown_ + ": " + what);
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

  MysqlConnection& writer_;
  const std::string shown_;
};

}  // namespace

std::unique_ptr<Store> open_mysql(const MysqlOptions& options) {
  const MysqlConnection::Options connection{.address = parse_mysql_address(options.url),
                                            .timeout = options.timeout,
                                            .recycle = options.recycle,
                                            .takes_rows = options.takes_rows};
  MysqlConnection::Options writing = connection;
  // One that leads and says nothing any more, frozen or gone, has the lock that makes it the leader for so long only.
  writing.settings = "SET SESSION wait_timeout = 10 /*M!100300 , idle_transaction_timeout = " +
                     std::to_string(longest_pause(options.timeout).count()) + " */";
  const auto prepare = [](MysqlConnection& writer) { MysqlPreparation(writer).run(); };
  return open_server_store<MysqlConnection, MysqlTx>(connection, writing, prepare, kDurabilityGap, options.on_commit);
}

}  // namespace lictor::store
