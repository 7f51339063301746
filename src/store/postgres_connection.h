// libpq (https://www.postgresql.org/docs/15/libpq.html) as a Connection, in pipeline mode: statements may be queued and
// are then sent together, so that several of them cost one round trip.
//
// A connection that is lost is opened anew by the next statement outside a transaction; prepared statements are
// prepared again when they are next used. Statements that were under way fail with StoreError connection_lost.
#pragma once

#include <libpq-fe.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/sql_connection.h"

namespace lictor::store {

class PostgresResult {  // owns a PGresult
 public:
  PostgresResult() = default;
  explicit PostgresResult(PGresult* result) noexcept : result_(result) {}
  PGresult* get() const noexcept { return result_.get(); }

 private:
  struct Clear {
    void operator()(PGresult* result) const noexcept { PQclear(result); }
  };
  std::unique_ptr<PGresult, Clear> result_;
};

class PostgresConnection final : public Connection {
 public:
  struct Options {
    std::string url;                      // a connection URI or keywords of libpq
    std::string shown;                    // of it what messages may show: no password
    std::chrono::milliseconds timeout{};  // of connecting, and of each wait for an answer; 0: none
    std::string application;              // application_name
    bool read_only = false;               // for readers: a mistake in a statement can't change anything
    std::chrono::milliseconds recycle{};  // age at which it is opened anew, between transactions; 0: never
    std::shared_ptr<ConnectionCounters> counters = nullptr;
    std::string settings = {};  // statements that run when it was opened
  };

  explicit PostgresConnection(Options options);
  ~PostgresConnection() override;

  std::unique_ptr<Prepared> prepare(std::string_view sql) override;
  void execute(const char* sql) override;
  std::int64_t changed_rows() const override { return changed_rows_; }
  void begin() override;
  void begin_reading() override;
  void commit() override;
  void roll_back() noexcept override;
  bool has_table(std::string_view name) override;
  std::int64_t milliseconds() override {
    return number("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint");
  }
  std::string name() const override { return options_.shown; }

  struct Parameter {
    Oid type = 0;
    const char* data = nullptr;  // nullptr: NULL
    int size = 0;
  };
  // What `sql` is known by on the server: prepared before when it was used before with values of these types.
  struct Known;
  Known& known(std::string_view sql);
  // Sends it with what was queued before, or with what is sent next. Values are copied.
  void queue(Known& statement, std::span<const Parameter> parameters);
  void queue(std::string_view sql, std::span<const Value> values);
  // Sends what is queued and gives the results in order. Throws the first error, after all were read.
  std::vector<PostgresResult> flush();
  // The result of one statement; nothing else is queued.
  PostgresResult run(Known& statement, std::span<const Parameter> parameters);

  std::uint64_t generation() const noexcept override { return generation_; }
  int server_version() const noexcept { return PQserverVersion(connection_); }  // 150018: 15.18
  bool commit_is_unknown() const noexcept override { return commit_is_unknown_; }

 private:
  enum class Patience : std::uint8_t { timeout, endless };
  struct Sent {
    Known* prepares = nullptr;  // nullptr: a statement, whose result somebody waits for
  };

  void open();
  void close() noexcept;
  bool is_old() const noexcept;
  void ensure_open();
  void set_up();
  void prepare_for(Known& statement, std::span<const Parameter> parameters);
  void queue_text(const char* sql);
  void wait(bool for_writing, Patience patience);
  void send_all();
  PGresult* next_result(Patience patience = Patience::timeout);
  void run_text(const char* sql, Patience patience);
  void check_sent(int sent);
  [[noreturn]] void fail_lost(const std::string& what);
  StoreError error_of(const PGresult* result);
  void note_lost(StoreError::Kind kind) noexcept;
  static void note_warning(void* connection, const PGresult* notice);

  const Options options_;
  PGconn* connection_ = nullptr;
  std::uint64_t generation_ = 0;
  std::chrono::steady_clock::time_point opened_at_;
  std::optional<CountedConnection> counted_;
  bool in_transaction_ = false;
  bool commit_is_unknown_ = false;
  bool was_warned_ = false;
  std::int64_t changed_rows_ = 0;
  std::deque<Sent> queued_;
  KnownStatements<Known> known_;
};

struct PostgresConnection::Known {
  std::string sql;   // with $1, $2 …
  std::string name;  // on the server
  std::size_t parameters = 0;
  std::uint64_t prepared_in = 0;  // generation; 0: never
};

class PostgresPrepared final : public Prepared {
 public:
  PostgresPrepared(PostgresConnection& connection, std::string_view sql)
      : connection_(connection), known_(connection.known(sql)) {}

  void run(std::span<const Value> values) override { open(values), close(); }
  void open(std::span<const Value> values) override;
  // In place of open(): what flush() gave for it.
  void adopt(PostgresResult result) noexcept;
  bool next() override { return ++row_ < rows_; }
  void close() noexcept override {
    result_ = {};
    row_ = -1;
    rows_ = 0;
  }
  std::size_t parameters() const noexcept override { return known_.parameters; }

  std::int64_t number(int column) const noexcept override;
  bool is_null(int column) const noexcept override { return PQgetisnull(result_.get(), row_, column) != 0; }
  std::string_view text(int column) const noexcept override {
    return {PQgetvalue(result_.get(), row_, column), static_cast<std::size_t>(length(column))};
  }
  std::span<const std::uint8_t> blob(int column) const noexcept override {
    return {reinterpret_cast<const std::uint8_t*>(PQgetvalue(result_.get(), row_, column)),
            static_cast<std::size_t>(length(column))};
  }

 private:
  int length(int column) const noexcept { return PQgetlength(result_.get(), row_, column); }

  PostgresConnection& connection_;
  PostgresConnection::Known& known_;
  PostgresResult result_;
  int row_ = -1, rows_ = 0;
  std::vector<std::array<char, 8>> numbers_;
  std::vector<PostgresConnection::Parameter> parameters_;
};

// ?1 and ? as PostgreSQL writes them: $1. `highest` becomes the number of values.
std::string with_dollar_parameters(std::string_view sql, std::size_t& highest);

}  // namespace lictor::store
