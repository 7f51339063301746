#include "store/sqlite_connection.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/encoding.h"
#include "store/sqlite_log_vfs.h"

namespace lictor::store {
namespace {

using Kind = StoreError::Kind;

struct Explanation {
  Kind kind;
  const char* words;
};

bool is_out_of_space(int system_error) { return system_error == ENOSPC || system_error == EDQUOT; }

// `code` is an extended result code: https://www.sqlite.org/rescode.html
Explanation explain(int code, int system_error) {
  switch (code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
      return {Kind::unique_violation, "a value that must be unique exists already"};
    case SQLITE_CONSTRAINT_FOREIGNKEY:
      return {Kind::in_use, "other records refer to it"};
    case SQLITE_CONSTRAINT_TRIGGER:  // placement.h has the only ones
      return {Kind::moved, "nothing is written here any more"};
    default:
      break;
  }
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {Kind::retry, "another program holds the database"};
    case SQLITE_FULL:
      return {Kind::disk_full, "the disk is full"};
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
      return {Kind::read_only, "the database can't be opened for writing; check its directory and its permissions"};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {Kind::corrupt, "the file is damaged or is no database"};
    case SQLITE_IOERR:
      if (is_out_of_space(system_error)) return {Kind::disk_full, "the disk is full"};
      return {Kind::other, "reading or writing failed"};
    default:
      return {Kind::other, "the database refused"};
  }
}

// Without the count of allocated bytes, which costs a process-wide mutex at each allocation. Too late (another user of
// SQLite in this process came first) is no harm.
void configure_library() {
  static const int once = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  static_cast<void>(once);
}

// As an address (https://www.sqlite.org/uri.html), the only way to ask for `immutable`.
std::string immutable_uri(const std::string& path) {
  std::string uri = path.starts_with('/') ? "file://" : "file:";
  for (const char c : path) {
    if (c == '%' || c == '?' || c == '#') {
      uri += '%' + base::to_hex(std::array{static_cast<std::uint8_t>(c)});
    } else {
      uri += c;
    }
  }
  return uri + "?immutable=1";
}

[[noreturn]] void throw_error(const std::string& path, int code, sqlite3* handle) {
  const int system_error = handle != nullptr ? sqlite3_system_errno(handle) : 0;
  const Explanation explanation = explain(code, system_error);
  std::string message = "database " + path + ": " + explanation.words + " (SQLite: ";
  message += handle != nullptr ? sqlite3_errmsg(handle) : sqlite3_errstr(code);
  if ((code & 0xff) == SQLITE_IOERR && system_error != 0) message += std::string("; ") + std::strerror(system_error);
  message += ")";
  throw StoreError(explanation.kind, message);
}

class SqlitePrepared final : public Prepared {
 public:
  SqlitePrepared(SqliteConnection& connection, std::string_view sql) : connection_(connection) {
    check(sqlite3_prepare_v3(connection.handle(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                             &handle_, nullptr));
  }
  ~SqlitePrepared() override { sqlite3_finalize(handle_); }
  SqlitePrepared(const SqlitePrepared&) = delete;
  SqlitePrepared& operator=(const SqlitePrepared&) = delete;

  void run(std::span<const Value> values) override {
    open(values);
    const int code = sqlite3_step(handle_);
    if (code == SQLITE_DONE || code == SQLITE_ROW) return close();
    try {
      connection_.fail(code);  // reads the message, which the reset would keep but a later call would not
    } catch (...) {
      close();
      throw;
    }
  }
  void open(std::span<const Value> values) override {
    int index = 0;
    for (const Value& value : values) check(bind(++index, value));
  }
  bool next() override {
    const int code = sqlite3_step(handle_);
    if (code == SQLITE_ROW) return true;
    if (code != SQLITE_DONE) connection_.fail(code);
    return false;
  }
  void close() noexcept override { sqlite3_reset(handle_); }
  std::size_t parameters() const noexcept override {
    return static_cast<std::size_t>(sqlite3_bind_parameter_count(handle_));
  }

  std::int64_t number(int column) const noexcept override { return sqlite3_column_int64(handle_, column); }
  bool is_null(int column) const noexcept override { return sqlite3_column_type(handle_, column) == SQLITE_NULL; }
  std::string_view text(int column) const noexcept override {
    const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(handle_, column));
    if (data == nullptr) return {};
    return {data, static_cast<std::size_t>(sqlite3_column_bytes(handle_, column))};
  }
  std::span<const std::uint8_t> blob(int column) const noexcept override {
    const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(handle_, column));
    if (data == nullptr) return {};
    return {data, static_cast<std::size_t>(sqlite3_column_bytes(handle_, column))};
  }

 private:
  int bind(int index, const Value& value) noexcept {
    const int size = static_cast<int>(value.size);
    switch (value.kind) {
      case Value::Kind::number:
        return sqlite3_bind_int64(handle_, index, value.number);
      case Value::Kind::text:
        return sqlite3_bind_text(handle_, index, value.data, size, SQLITE_STATIC);
      case Value::Kind::blob:
        return sqlite3_bind_blob(handle_, index, value.data, size, SQLITE_STATIC);
      case Value::Kind::null:
      case Value::Kind::array:
        break;
    }
    return sqlite3_bind_null(handle_, index);
  }
  void check(int code) const {
    if (code != SQLITE_OK) connection_.fail(code);
  }

  SqliteConnection& connection_;
  sqlite3_stmt* handle_ = nullptr;
};

}  // namespace

SqliteConnection::SqliteConnection(const std::string& path, Mode mode) : path_(path) {
  const int flags = (mode == Mode::read_write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) | SQLITE_OPEN_NOMUTEX |
                    SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_PRIVATECACHE | (mode == Mode::immutable ? SQLITE_OPEN_URI : 0);
  configure_library();
  const char* const vfs = mode == Mode::read_write ? joined_log_vfs() : nullptr;
  const std::string name = mode == Mode::immutable ? immutable_uri(path) : path;
  const int code = sqlite3_open_v2(name.c_str(), &handle_, flags, vfs);
  try {
    if (code != SQLITE_OK) throw_error(path_, code, handle_);
    // SQLite falls back to reading when it may not write.
    if (mode == Mode::read_write && sqlite3_db_readonly(handle_, "main") == 1) fail(SQLITE_READONLY);
    sqlite3_busy_timeout(handle_, kBusyTimeoutMilliseconds);
    sqlite3_db_config(handle_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    execute("PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY");
  } catch (...) {
    sqlite3_close_v2(handle_);
    throw;
  }
}

SqliteConnection::~SqliteConnection() { sqlite3_close_v2(handle_); }

void SqliteConnection::fail(int code) const { throw_error(path_, code, handle_); }

void SqliteConnection::execute(const char* sql) {
  const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code);
}

// Some errors (a full disk among them) have rolled back already.
void SqliteConnection::roll_back() noexcept {
  if (sqlite3_get_autocommit(handle_) == 0) sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
}

bool SqliteConnection::has_table(std::string_view name) {
  Statement statement(*this, "SELECT 1 FROM sqlite_schema WHERE name = ?");
  return statement.rows(name).next();
}

std::unique_ptr<Prepared> SqliteConnection::prepare(std::string_view sql) {
  return std::make_unique<SqlitePrepared>(*this, sql);
}

}  // namespace lictor::store
