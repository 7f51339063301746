// Three small classes over SQLite's C API (https://www.sqlite.org/c3ref/intro.html): connection, statement,
// transaction. Every failure is a StoreError whose message names the database. A connection and what was made from it
// belong to one thread at a time: SQLite is opened without its own mutexes. A connection outlives its statements.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "store/store.h"

namespace lictor::store {

class Connection {
 public:
  // immutable: a file that nobody writes; no lock is taken and no file is made beside it.
  enum class Mode : std::uint8_t { read_write, read_only, immutable };
  static constexpr int kBusyTimeoutMilliseconds = 5'000;  // only a foreign program (a backup, a shell) makes us wait

  // Opens an existing file.
  Connection(const std::string& path, Mode mode);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void execute(const char* sql);              // one or more statements without values; rows are thrown away
  std::int64_t number(std::string_view sql);  // the first column of the first row
  std::int64_t last_row() const noexcept { return sqlite3_last_insert_rowid(handle_); }
  std::int64_t changed_rows() const noexcept { return sqlite3_changes64(handle_); }
  bool in_transaction() const noexcept { return sqlite3_get_autocommit(handle_) == 0; }

  // For what has no wrapper: checkpoints and hooks.
  sqlite3* handle() const noexcept { return handle_; }
  [[noreturn]] void fail(int code) const;
  [[noreturn]] void fail_corrupt(std::string_view what) const;

 private:
  std::string path_;
  sqlite3* handle_ = nullptr;
};

// A time that is kNever when it never comes, which the database has as NULL.
struct EndTime {
  UnixSeconds at = licensing::kNever;
};

// A prepared statement, kept and run many times.
//
//   update.run(total, row);                                  a statement without rows
//   auto rows = select.rows(row);  while (rows.next()) …     one with rows; reset when `rows` goes
//
// Text and blobs are not copied: they must live until run() returns, or as long as `rows`. While `rows` is alive (and a
// row was read) its snapshot is kept, so that other statements of the connection see the same state.
class Statement {
 public:
  class Rows {
   public:
    explicit Rows(Statement& statement) noexcept : statement_(statement) {}
    ~Rows() { sqlite3_reset(statement_.handle_); }
    Rows(const Rows&) = delete;
    Rows& operator=(const Rows&) = delete;

    bool next() { return statement_.step(); }
    // Columns count from 0. Views are valid until next().
    std::int64_t number(int column) const noexcept { return sqlite3_column_int64(statement_.handle_, column); }
    std::uint32_t count(int column) const noexcept { return static_cast<std::uint32_t>(number(column)); }
    bool flag(int column) const noexcept { return number(column) != 0; }
    bool is_null(int column) const noexcept { return sqlite3_column_type(statement_.handle_, column) == SQLITE_NULL; }
    UnixSeconds end_time(int column) const noexcept { return is_null(column) ? licensing::kNever : number(column); }
    std::string_view text(int column) const noexcept;
    std::span<const std::uint8_t> blob(int column) const noexcept;
    base::Bytes16 bytes16(int column) const;  // any other length: corrupt
    const Connection& connection() const noexcept { return statement_.connection_; }

   private:
    Statement& statement_;
  };

  Statement(Connection& connection, std::string_view sql);
  ~Statement() { sqlite3_finalize(handle_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  template <class... Values>
  void run(const Values&... values) {
    bind_all(values...);
    finish();
  }
  template <class... Values>
  Rows rows(const Values&... values) {
    bind_all(values...);
    return Rows(*this);
  }
  // For statements of a family that take the same values but may not name the last of them.
  template <class... Values>
  Rows rows_as_used(const Values&... values) {
    bind_used(values...);
    return Rows(*this);
  }

 private:
  template <class... Values>
  void bind_all(const Values&... values) {
    int index = 0;
    (check(bind(++index, values)), ...);
  }
  template <class... Values>
  void bind_used(const Values&... values) {
    const int used = sqlite3_bind_parameter_count(handle_);
    int index = 0;
    ((++index <= used ? check(bind(index, values)) : void()), ...);
  }
  int bind(int index, std::int64_t number) noexcept { return sqlite3_bind_int64(handle_, index, number); }
  int bind(int index, EndTime time) noexcept;
  int bind(int index, std::string_view text) noexcept;
  int bind(int index, std::span<const std::uint8_t> blob) noexcept;
  int bind(int index, const base::Bytes16& bytes) noexcept { return bind(index, std::span(bytes.bytes)); }
  int bind(int index, std::nullopt_t) noexcept { return sqlite3_bind_null(handle_, index); }
  void check(int code) const {
    if (code != SQLITE_OK) connection_.fail(code);
  }
  bool step();
  void finish();

  Connection& connection_;
  sqlite3_stmt* handle_ = nullptr;
};

// Prepared when it is first needed, and then kept.
class LateStatement {
 public:
  LateStatement(Connection& connection, std::string_view sql) : connection_(connection), sql_(sql) {}
  Statement& operator*() {
    if (!statement_) statement_.emplace(connection_, sql_);
    return *statement_;
  }
  Statement* operator->() { return &**this; }

 private:
  Connection& connection_;
  const std::string_view sql_;
  std::optional<Statement> statement_;
};

// BEGIN IMMEDIATE … COMMIT; rolled back when it goes without commit().
class Transaction {
 public:
  explicit Transaction(Connection& connection) : connection_(connection) { connection.execute("BEGIN IMMEDIATE"); }
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit() { connection_.execute("COMMIT"); }

 private:
  Connection& connection_;
};

}  // namespace lictor::store
