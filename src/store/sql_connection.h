// Three small classes over a database, whatever its engine: connection, statement, transaction. Every failure is a
// StoreError whose message names the database. A connection and what was made from it belong to one thread at a time. A
// connection outlives its statements. The engines are in sqlite_connection.h, postgres_connection.h and
// mysql_connection.h.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "store/store.h"

namespace lictor::store {

// A time that is kNever when it never comes, which the database has as NULL.
struct EndTime {
  UnixSeconds at = licensing::kNever;
};

// What a statement is given. Text and blobs are views.
struct Value {
  enum class Kind : std::uint8_t { null, number, text, blob, array };

  Value(std::nullopt_t) noexcept {}  // NOLINT(google-explicit-constructor): values are written as they are
  template <std::integral Number>
  Value(Number given) noexcept  // NOLINT(google-explicit-constructor)
      : kind(Kind::number), number(static_cast<std::int64_t>(given)) {}
  Value(EndTime time) noexcept  // NOLINT(google-explicit-constructor)
      : kind(time.at == licensing::kNever ? Kind::null : Kind::number), number(time.at) {}
  Value(std::string_view given) noexcept  // NOLINT(google-explicit-constructor)
      : kind(Kind::text), data(given.data() == nullptr ? "" : given.data()), size(given.size()) {}
  Value(const std::string& given) noexcept : Value(std::string_view(given)) {}  // NOLINT(google-explicit-constructor)
  Value(std::span<const std::uint8_t> given) noexcept                           // NOLINT(google-explicit-constructor)
      : kind(Kind::blob),
        data(given.data() == nullptr ? "" : reinterpret_cast<const char*>(given.data())),
        size(given.size()) {}
  Value(const base::Bytes16& bytes) noexcept  // NOLINT(google-explicit-constructor)
      : Value(std::span<const std::uint8_t>(bytes.bytes)) {}

  // An engine's own: of that type, in that engine's form.
  static Value array(std::uint32_t type, std::string_view bytes) noexcept {
    Value value(bytes);
    value.kind = Kind::array;
    value.number = type;
    return value;
  }

  Kind kind = Kind::null;
  std::int64_t number = 0;
  const char* data = nullptr;  // never null for text and blob
  std::size_t size = 0;
};

class Connection;

// Of all connections of a store to its server.
struct ConnectionCounters {
  std::atomic<std::int64_t> open{0}, opened{0}, lost{0};
};
// One connection's part in them. Open from its making to its end.
class CountedConnection {
 public:
  explicit CountedConnection(std::shared_ptr<ConnectionCounters> counters) noexcept : counters_(std::move(counters)) {
    ++counters_->open;
    ++counters_->opened;
  }
  ~CountedConnection() { --counters_->open; }
  CountedConnection(const CountedConnection&) = delete;
  CountedConnection& operator=(const CountedConnection&) = delete;
  void note_lost() const noexcept { ++counters_->lost; }

 private:
  const std::shared_ptr<ConnectionCounters> counters_;
};

// An engine's prepared statement, behind Statement.
class Prepared {
 public:
  virtual ~Prepared() = default;
  virtual void run(std::span<const Value> values) = 0;   // rows are thrown away
  virtual void open(std::span<const Value> values) = 0;  // then next() … close()
  virtual bool next() = 0;
  virtual void close() noexcept = 0;
  // run() for each row, in order; `values` are those of all rows, parameters() of each.
  virtual void run_rows(std::span<const Value> values);
  virtual std::size_t parameters() const noexcept = 0;  // how many values it takes

  // Of the present row. Columns count from 0. Views are valid until next().
  virtual std::int64_t number(int column) const noexcept = 0;  // NULL: 0
  virtual bool is_null(int column) const noexcept = 0;
  virtual std::string_view text(int column) const noexcept = 0;
  virtual std::span<const std::uint8_t> blob(int column) const noexcept = 0;
};

// What a connection knows of each statement, by its text as given; found without a copy of the text.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
};
template <class Known>
using KnownStatements = std::unordered_map<std::string, std::unique_ptr<Known>, TextHash, std::equal_to<>>;

class Connection {
 public:
  Connection() = default;
  virtual ~Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  virtual std::unique_ptr<Prepared> prepare(std::string_view sql) = 0;
  // Whether run_rows() asks the database once and not for each row.
  virtual bool takes_rows() const noexcept { return false; }
  virtual void execute(const char* sql) = 0;      // one or more statements without values; rows are thrown away
  virtual std::int64_t changed_rows() const = 0;  // by the last statement
  virtual void begin() = 0;                       // a transaction that writes
  virtual void begin_reading() = 0;               // one whose reads are all of one moment
  virtual void commit() = 0;
  virtual void roll_back() noexcept = 0;  // nothing when there is no transaction
  // Whether the last COMMIT was sent and its answer never came: it may have happened or not.
  virtual bool commit_is_unknown() const noexcept { return false; }
  virtual bool has_table(std::string_view name) = 0;
  virtual std::uint64_t generation() const noexcept { return 1; }  // counts the times it was opened
  virtual std::int64_t milliseconds() = 0;                         // since 1970, by the database's clock
  virtual std::string name() const = 0;                            // for messages
  // Throws connection_lost when the server only reads from now on: what it has may be behind what was acknowledged.
  // Nothing where such a server ends its connections.
  virtual void require_primary() {}

  std::int64_t number(std::string_view sql);  // the first column of the first row, which must exist; NULL: 0
  std::string text(std::string_view sql);     // likewise; NULL: empty
  [[noreturn]] void fail_corrupt(std::string_view what) const;
};

// A prepared statement, kept and run many times.
//
//   update.run(total, row);                                  a statement without rows
//   auto rows = select.rows(row);  while (rows.next()) …     one with rows; reset when `rows` goes
//
// Text and blobs are not copied: they must live until run() returns, or as long as `rows`.
class Statement {
 public:
  class Rows {
   public:
    Rows(Connection& connection, Prepared& prepared) noexcept : connection_(connection), prepared_(prepared) {}
    ~Rows() { prepared_.close(); }
    Rows(const Rows&) = delete;
    Rows& operator=(const Rows&) = delete;

    bool next() { return prepared_.next(); }
    // Columns count from 0. Views are valid until next().
    std::int64_t number(int column) const noexcept { return prepared_.number(column); }
    std::uint32_t count(int column) const noexcept { return static_cast<std::uint32_t>(number(column)); }
    bool flag(int column) const noexcept { return number(column) != 0; }
    bool is_null(int column) const noexcept { return prepared_.is_null(column); }
    UnixSeconds end_time(int column) const noexcept { return is_null(column) ? licensing::kNever : number(column); }
    std::string_view text(int column) const noexcept { return prepared_.text(column); }
    std::span<const std::uint8_t> blob(int column) const noexcept { return prepared_.blob(column); }
    base::Bytes16 bytes16(int column) const;  // any other length: corrupt
    const Connection& connection() const noexcept { return connection_; }

   private:
    Connection& connection_;
    Prepared& prepared_;
  };

  Statement(Connection& connection, std::string_view sql)
      : connection_(connection), prepared_(connection.prepare(sql)) {}

  template <class... Values>
  void run(const Values&... values) {
    const std::array<Value, sizeof...(Values)> given{Value(values)...};
    prepared_->run(given);
  }
  template <class... Values>
  Rows rows(const Values&... values) {
    const std::array<Value, sizeof...(Values)> given{Value(values)...};
    prepared_->open(given);
    return Rows(connection_, *prepared_);
  }
  // For statements of a family that take the same values but may not name the last of them.
  template <class... Values>
  Rows rows_as_used(const Values&... values) {
    const std::array<Value, sizeof...(Values)> given{Value(values)...};
    prepared_->open(std::span(given).first(std::min(given.size(), prepared_->parameters())));
    return Rows(connection_, *prepared_);
  }

 private:
  Connection& connection_;
  std::unique_ptr<Prepared> prepared_;
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

// Rolled back when it goes without commit().
class Transaction {
 public:
  explicit Transaction(Connection& connection) : connection_(connection) { connection.begin(); }
  ~Transaction() { connection_.roll_back(); }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit() { connection_.commit(); }

 private:
  Connection& connection_;
};

}  // namespace lictor::store
