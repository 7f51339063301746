// libmariadb (https://mariadb.com/kb/en/mariadb-connectorc/) as a Connection to MySQL or MariaDB, with prepared
// statements in the binary protocol; their texts are those of queries.h as mysql_text.h puts them.
//
// A connection that is lost is opened anew by the next statement outside a transaction; prepared statements are
// prepared again when they are next used. Statements that were under way fail with StoreError connection_lost.
#pragma once

#include <mysql.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/mysql_address.h"
#include "store/mysql_statement.h"
#include "store/mysql_text.h"
#include "store/sql_connection.h"

namespace lictor::store {

class MysqlConnection final : public Connection {
 public:
  struct Options {
    MysqlAddress address;
    std::chrono::milliseconds timeout{};  // of connecting, and of each wait for an answer; 0: none
    bool read_only = false;               // for readers: a mistake in a statement can't change anything
    std::chrono::milliseconds recycle{};  // age at which it is opened anew, between transactions; 0: never
    std::shared_ptr<ConnectionCounters> counters = nullptr;
    std::string settings = {};  // statements that run when it was opened
    bool takes_rows = true;     // where the server can
  };

  explicit MysqlConnection(Options options);
  ~MysqlConnection() override;

  std::unique_ptr<Prepared> prepare(std::string_view sql) override;
  // MariaDB does, MySQL does not.
  bool takes_rows() const noexcept override { return takes_rows_; }
  void execute(const char* sql) override;
  std::int64_t changed_rows() const override { return changed_rows_; }  // those that a statement found
  void begin() override;
  void begin_reading() override;
  void commit() override;
  void roll_back() noexcept override;
  bool has_table(std::string_view name) override;
  std::uint64_t generation() const noexcept override { return generation_; }
  std::int64_t milliseconds() override;
  void require_primary() override { leave_if(number("SELECT @@global.read_only") != 0); }
  std::string name() const override { return shown_; }

  struct Version {
    bool is_mariadb = false;
    int major = 0, minor = 0;
    std::string text;  // as the server says it
  };
  Version server_version();
  bool commit_is_unknown() const noexcept override { return commit_is_unknown_; }

  // For MysqlPrepared. A text's statements that nobody uses are kept to be used again; several may be in use at once.
  struct Known {
    MysqlText text;
    std::vector<std::unique_ptr<MysqlStatement>> idle;
  };
  Known& known(std::string_view sql);
  // Sends the statement, prepared on this connection if it was not yet.
  void run(MysqlStatement& statement, const MysqlText& text, std::span<const Value> values);
  void run_rows(MysqlStatement& statement, const MysqlText& text, std::span<const Value> values);
  // Sends it with what is sent next, at last with the COMMIT. A whole statement without values; within a transaction.
  void queue(std::string_view sql);
  // Of a statement, or of the connection when it is nullptr.
  [[noreturn]] void fail(MYSQL_STMT* statement);
  [[noreturn]] void fail(unsigned int error, const std::string& message);

 private:
  template <class Work>
  void ask(const Work& work, bool changes_nothing);
  template <class Execute>
  void run_once(MysqlStatement& statement, const MysqlText& text, const Execute& execute);
  void send(const char* sql);
  void leave_transactions();
  void open();
  bool is_old() const noexcept;
  void ensure_open();
  void set_up();
  void leave_if(bool only_reads);
  void close() noexcept;

  const Options options_;
  const std::string shown_;
  MYSQL* connection_ = nullptr;
  std::uint64_t generation_ = 0;
  std::chrono::steady_clock::time_point opened_at_;
  std::optional<CountedConnection> counted_;
  bool takes_rows_ = false;
  bool in_transaction_ = false;
  bool begins_by_itself_ = false;  // with its first statement: autocommit is off
  std::string queued_;
  bool commit_is_unknown_ = false;
  std::int64_t changed_rows_ = 0;
  KnownStatements<Known> known_;
};

}  // namespace lictor::store
