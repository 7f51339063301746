#include <array>
#include <filesystem>
#include <ranges>

#include "store/lock_file.h"
#include "store/migrations.h"
#include "store/move_end.h"
#include "store/sqlite_connection.h"
#include "store/sqlite_settings.h"
#include "store/whole_file.h"

namespace lictor::store {
namespace {

using Kind = StoreError::Kind;

constexpr int kRowsOfTransaction = 50'000;
constexpr std::array kWrites{"INSERT", "UPDATE", "DELETE"};
constexpr std::array<std::string_view, 2> kOtherTables{"meta", "schema_migrations"};

std::string quoted(const std::string& text) {
  std::string literal = "'";
  for (const char c : text) literal.append(c == '\'' ? 2 : 1, c);
  return literal + "'";
}

class SqliteSink final : public RowSink {
 public:
  SqliteSink(Connection& connection, const CopiedTable& table)
      : connection_(connection), insert_(connection.prepare(text(table))) {}
  ~SqliteSink() override { connection_.roll_back(); }

  void add(std::span<const Value> row) override {
    if (open_rows_ == 0) connection_.begin();
    ++open_rows_;
    insert_->run(row);
    if (open_rows_ == kRowsOfTransaction) finish();
  }
  void finish() override {
    if (open_rows_ != 0) connection_.commit();
    open_rows_ = 0;
  }

 private:
  static std::string text(const CopiedTable& table) {
    std::string marks = "?";
    for (std::size_t i = 1; i < table.columns.size(); ++i) marks += ", ?";
    return "INSERT INTO " + std::string(table.name) + " (" + table.column_list() + ") VALUES (" + marks + ")";
  }
  Connection& connection_;
  const std::unique_ptr<Prepared> insert_;
  int open_rows_ = 0;
};

class SqliteEnd final : public MoveEnd {
 public:
  SqliteEnd(const std::string& path, EndUse use)
      : path_(resolve_database_path(path)),
        connection_(ready(path_, use),
                    use == EndUse::read ? SqliteConnection::Mode::read_only : SqliteConnection::Mode::read_write) {
    if (use != EndUse::read) connection_.execute("PRAGMA synchronous = FULL; PRAGMA cache_size = -65536");
  }

  Connection& connection() override { return connection_; }
  std::string name() const override { return "sqlite:" + path_; }
  void require_unused() override {
    lock_ = std::make_unique<LockFile>(path_);
    give_to_owner_of_directory(path_ + ".lock");
  }

  bool has_schema() override { return !check_application(connection_, path_) && schema_version(connection_) != 0; }
  void make_schema() override {
    if (check_application(connection_, path_)) {
      connection_.execute(("PRAGMA page_size = " + std::to_string(kPageBytes)).c_str());
    }
    use_write_ahead_log();
    migrate(connection_, migrations());
  }
  std::int64_t newest_schema() const override { return migrations().back().version; }

  void hold() override { connection_.begin(); }
  void raise_fence(const std::string& text) override {
    for_triggers([&](const std::string& table, const std::string& write) {
      return "CREATE TRIGGER lictor_moved_" + table + "_" + write + " BEFORE " + write + " ON " + table +
             " BEGIN SELECT RAISE(ABORT, " + quoted(text) + "); END;";
    });
  }
  void lower_fence() override {
    for_triggers([](const std::string& table, const std::string& write) {
      return "DROP TRIGGER IF EXISTS lictor_moved_" + table + "_" + write + ";";
    });
  }

  void clear(bool with_events) override {
    connection_.begin();
    for (const CopiedTable& table : std::views::reverse(copied_tables())) {
      if (&table == &events_table() && !with_events) continue;
      connection_.execute(("DELETE FROM " + std::string(table.name)).c_str());
    }
    connection_.commit();
  }
  std::unique_ptr<RowSink> sink(const CopiedTable& table) override {
    return std::make_unique<SqliteSink>(connection_, table);
  }
  // A row's number is one more than the highest.
  void finish_copy() override {}

 private:
  // The file, before it is opened: closing it afterwards would give up SQLite's locks on it (fcntl(2)).
  static const std::string& ready(const std::string& path, EndUse use) {
    std::error_code error;
    if (use == EndUse::create) {
      create_database_file(path);
      give_to_owner_of_directory(path);
    } else if (!std::filesystem::exists(path, error)) {
      throw StoreError(Kind::other, "there is no database at " + path);
    }
    check_file_is_whole(path);
    return path;
  }

  void use_write_ahead_log() {
    Statement statement(connection_, "PRAGMA journal_mode = WAL");
    auto rows = statement.rows();
    if (rows.next() && rows.text(0) == "wal") return;
    throw StoreError(Kind::other,
                     "database " + path_ + ": its file system can't do write-ahead logging (a network share?)");
  }

  template <class Text>
  void for_triggers(const Text& text) {
    std::string sql;
    const auto add = [&](std::string_view table) {
      for (const char* const write : kWrites) sql += text(std::string(table), write);
    };
    for (const CopiedTable& table : copied_tables()) add(table.name);
    for (const std::string_view table : kOtherTables) add(table);
    connection_.execute(sql.c_str());
  }

  const std::string path_;
  std::unique_ptr<LockFile> lock_;
  SqliteConnection connection_;
};

}  // namespace

std::unique_ptr<MoveEnd> open_sqlite_end(const std::string& path, EndUse use) {
  return std::make_unique<SqliteEnd>(path, use);
}

}  // namespace lictor::store
