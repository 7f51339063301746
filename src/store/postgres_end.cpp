#include <array>
#include <vector>

#include "store/database_url.h"
#include "store/migrations.h"
#include "store/move_end.h"
#include "store/postgres_array.h"
#include "store/postgres_connection.h"
#include "store/postgres_server.h"

namespace lictor::store {
namespace {

using Kind = StoreError::Kind;
using Of = PostgresArray::Of;

constexpr std::chrono::seconds kTimeout{300};  // of a statement that takes long, not of a network that is slow
constexpr int kRowsOfStatement = 2000;
constexpr std::size_t kBytesOfStatement = 4U << 20U;
constexpr int kTries = 3;  // to lock all tables while servers write
// Of the session, which ends with it. "lictor" and one more than the lock of migrations.
constexpr const char* kLockMove = "SELECT pg_advisory_lock(118961237815667)";
// What a process that has just ended leaves behind is gone after a moment.
constexpr int kLooks = 10;
constexpr const char* kMoment = "SELECT pg_sleep(0.2)";
constexpr std::string_view kServers =
    "SELECT count(*), coalesce(host(client_addr), 'this machine') AS place FROM pg_stat_activity "
    "WHERE datname = current_database() AND application_name = 'lictord' AND pid <> pg_backend_pid() "
    "GROUP BY place ORDER BY place";
constexpr std::array<std::string_view, 2> kOtherTables{"meta", "schema_migrations"};

std::string quoted(const std::string& text) {
  std::string literal = " E'";
  for (const char c : text) literal.append(c == '\'' || c == '\\' ? 2 : 1, c);
  return literal + "'";
}

std::string all_tables() {
  std::string list = "licenses";  // what each transaction of a server locks first
  for (const CopiedTable& table : copied_tables()) {
    if (table.name != "licenses") list.append(", ").append(table.name);
  }
  for (const std::string_view table : kOtherTables) list.append(", ").append(table);
  return list;
}

// Statements of many rows, an array for each column. One is under way while the next is filled.
class PostgresSink final : public RowSink {
 public:
  PostgresSink(PostgresConnection& connection, const CopiedTable& table)
      : connection_(connection), table_(table), text_(text(table)) {
    begin_statement();
  }

  void add(std::span<const Value> row) override {
    for (std::size_t column = 0; column < row.size(); ++column) {
      const Value& value = row[column];
      PostgresArray& array = arrays_[column];
      if (value.kind == Value::Kind::null) {
        array.add_null();
      } else if (value.kind == Value::Kind::number) {
        array.add(value.number);
      } else {
        array.add(std::string_view(value.data, value.size));
        bytes_ += value.size;
      }
    }
    if (++rows_ == kRowsOfStatement || bytes_ >= kBytesOfStatement) send();
  }
  void finish() override {
    if (rows_ != 0) send();
    connection_.flush();
  }

 private:
  static std::string text(const CopiedTable& table) {
    std::string marks = "?1";
    for (std::size_t i = 2; i <= table.columns.size(); ++i) marks += ", ?" + std::to_string(i);
    return "INSERT INTO " + std::string(table.name) + " (" + table.column_list() + ") SELECT * FROM unnest(" + marks +
           ")";
  }
  void begin_statement() {
    arrays_.clear();
    for (const CopiedColumn& column : table_.columns) {
      arrays_.emplace_back(column.type == CopiedColumn::Type::number ? Of::numbers
                           : column.type == CopiedColumn::Type::text ? Of::texts
                                                                     : Of::blobs);
    }
    rows_ = 0;
    bytes_ = 0;
  }
  void send() {
    connection_.flush();
    std::vector<Value> values;
    for (PostgresArray& array : arrays_) values.push_back(array.value());
    connection_.queue(text_, values);
    begin_statement();
  }

  PostgresConnection& connection_;
  const CopiedTable& table_;
  const std::string text_;
  std::vector<PostgresArray> arrays_;
  int rows_ = 0;
  std::size_t bytes_ = 0;
};

class PostgresEnd final : public MoveEnd {
 public:
  PostgresEnd(const std::string& url, EndUse use)
      : connection_({.url = url,
                     .shown = without_password(url),
                     .timeout = kTimeout,
                     .application = "lictord migrate",
                     .read_only = use == EndUse::read,
                     .settings = "SET idle_in_transaction_session_timeout = 0"}) {
    require_usable(connection_, use != EndUse::read);
  }

  Connection& connection() override { return connection_; }
  std::string name() const override { return connection_.name(); }

  void require_unused() override {
    try {
      connection_.execute(kLockMove);  // waits for a while (lock_timeout)
    } catch (const StoreError& error) {
      if (error.kind() != Kind::retry) throw;
      throw StoreError(Kind::locked, "database " + name() + " is being moved by another process");
    }
    for (int looks = 1;; ++looks) {
      const std::string found = servers();
      if (found.empty()) return;
      if (looks == kLooks) {
        throw StoreError(Kind::locked, "database " + name() + " is in use by lictord on " + found);
      }
      connection_.execute(kMoment);
    }
  }

  bool has_schema() override {
    const bool migrations = connection_.has_table("schema_migrations"), head = connection_.has_table("audit_head");
    if (migrations && head) return schema_version(connection_) != 0;
    for (const CopiedTable& table : copied_tables()) {
      if (!migrations && !connection_.has_table(table.name)) continue;
      throw StoreError(Kind::other, "database " + name() + " belongs to another program (it has a table " +
                                        std::string(migrations ? "schema_migrations" : table.name) +
                                        " of its own); create one for lictord alone (CREATE DATABASE)");
    }
    return false;
  }
  void make_schema() override { migrate_alone(connection_); }
  std::int64_t newest_schema() const override { return postgres_migrations().back().version; }

  void hold() override {
    const std::string lock = "LOCK TABLE " + all_tables() + " IN EXCLUSIVE MODE";
    for (int tries = 1;; ++tries) {
      try {
        connection_.begin();
        return connection_.execute(lock.c_str());
      } catch (const StoreError& error) {
        connection_.roll_back();
        if (error.kind() != Kind::retry || tries == kTries) throw;
      }
    }
  }
  void raise_fence(const std::string& text) override {
    std::string sql =
        "CREATE OR REPLACE FUNCTION lictor_moved() RETURNS trigger LANGUAGE plpgsql AS $lictor$ BEGIN "
        "RAISE EXCEPTION USING ERRCODE = 'LM001', MESSAGE = TG_ARGV[0]; END $lictor$;";
    for_tables([&](const std::string& table) {
      sql += "CREATE TRIGGER lictor_moved BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON " + table +
             " FOR EACH STATEMENT EXECUTE FUNCTION lictor_moved(" + quoted(text) + ");";
    });
    connection_.execute(sql.c_str());
  }
  void lower_fence() override {
    std::string sql;
    for_tables([&](const std::string& table) { sql += "DROP TRIGGER IF EXISTS lictor_moved ON " + table + ";"; });
    connection_.execute((sql + "DROP FUNCTION IF EXISTS lictor_moved()").c_str());
  }

  void clear(bool with_events) override {
    std::string list;
    for (const CopiedTable& table : copied_tables()) {
      if (&table == &events_table() && !with_events) continue;
      list.append(list.empty() ? "" : ", ").append(table.name);
    }
    connection_.execute(("TRUNCATE " + list).c_str());
  }
  std::unique_ptr<RowSink> sink(const CopiedTable& table) override {
    return std::make_unique<PostgresSink>(connection_, table);
  }
  void finish_copy() override {
    for (const CopiedTable& table : copied_tables()) {
      if (!table.numbers_rows) continue;
      const std::string name(table.name);
      connection_.execute(("SELECT setval(pg_get_serial_sequence('" + name +
                           "', 'row'), coalesce(max(row), 1), max(row) IS NOT NULL) FROM " + name)
                              .c_str());
    }
    connection_.execute("ANALYZE");
  }

 private:
  std::string servers() {
    std::string found;
    Statement statement(connection_, kServers);
    for (auto rows = statement.rows(); rows.next();) {
      found.append(found.empty() ? "" : ", ").append(rows.text(1)).append(" (connections: ");
      found.append(std::to_string(rows.number(0))).append(")");
    }
    return found;
  }

  template <class Work>
  static void for_tables(const Work& work) {
    for (const CopiedTable& table : copied_tables()) work(std::string(table.name));
    for (const std::string_view table : kOtherTables) work(std::string(table));
  }

  PostgresConnection connection_;
};

}  // namespace

std::unique_ptr<MoveEnd> open_postgres_end(const std::string& url, EndUse use) {
  return std::make_unique<PostgresEnd>(url, use);
}

}  // namespace lictor::store
