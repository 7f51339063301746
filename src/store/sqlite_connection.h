// SQLite's C API (https://www.sqlite.org/c3ref/intro.html) as a Connection. SQLite is opened without its own mutexes.
// While rows of a statement are open (and one was read) its snapshot is kept, so that other statements of the
// connection see the same state.
#pragma once

#include <sqlite3.h>

#include "store/sql_connection.h"

namespace lictor::store {

class SqliteConnection final : public Connection {
 public:
  // immutable: a file that nobody writes; no lock is taken and no file is made beside it.
  enum class Mode : std::uint8_t { read_write, read_only, immutable };
  static constexpr int kBusyTimeoutMilliseconds = 5'000;  // only a foreign program (a backup, a shell) makes us wait

  // Opens an existing file.
  SqliteConnection(const std::string& path, Mode mode);
  ~SqliteConnection() override;

  std::unique_ptr<Prepared> prepare(std::string_view sql) override;
  void execute(const char* sql) override;
  std::int64_t changed_rows() const override { return sqlite3_changes64(handle_); }
  void begin() override { execute("BEGIN IMMEDIATE"); }
  void begin_reading() override { execute("BEGIN"); }
  void commit() override { execute("COMMIT"); }
  void roll_back() noexcept override;
  bool has_table(std::string_view name) override;
  std::int64_t milliseconds() override { return 1'000 * number("SELECT unixepoch()"); }
  std::string name() const override { return path_; }

  // For what has no wrapper: checkpoints and hooks.
  sqlite3* handle() const noexcept { return handle_; }
  [[noreturn]] void fail(int code) const;

 private:
  std::string path_;
  sqlite3* handle_ = nullptr;
};

}  // namespace lictor::store
