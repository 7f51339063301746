// One prepared statement of libmariadb with its values and the columns of its present row. All rows are taken over when
// it is run, so that other statements may run before they are read.
#pragma once

#include <mysql.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/mysql_text.h"
#include "store/sql_connection.h"

namespace lictor::store {

class MysqlStatement {
 public:
  // False: it failed, see handle(). On the connection of that generation.
  [[nodiscard]] bool prepare(MYSQL* connection, std::uint64_t generation, std::string_view sql);
  std::uint64_t generation() const noexcept { return generation_; }  // 0: never prepared
  [[nodiscard]] bool execute(const MysqlText& text, std::span<const Value> values);
  // For each row of as many values as the text has parameters. One column's values are all of a kind, or NULL. Asks the
  // server once: https://mariadb.com/kb/en/bulk-insert-column-wise-binding/
  [[nodiscard]] bool execute_rows(const MysqlText& text, std::span<const Value> values);
  enum class Step : std::uint8_t { row, end, failed };
  [[nodiscard]] Step next();
  void close() noexcept;  // throws the rows away
  std::int64_t changed_rows() const noexcept;
  MYSQL_STMT* handle() const noexcept { return handle_.get(); }

  std::int64_t number(int column) const noexcept;
  bool is_null(int column) const noexcept { return at(column).is_null != 0; }
  std::string_view text(int column) const noexcept;

 private:
  struct Column {
    bool is_number = false;
    std::int64_t number = 0;
    std::string bytes;         // room for the longest one seen
    unsigned long length = 0;  // NOLINT(google-runtime-int): libmariadb's type
    my_bool is_null = 0, error = 0;
  };
  struct GivenColumn {
    std::vector<std::int64_t> numbers;
    std::vector<const char*> bytes;
    std::vector<unsigned long> lengths;  // NOLINT(google-runtime-int): libmariadb's type
    std::vector<char> indicators;
    MYSQL_BIND bind();
  };
  struct Close {
    void operator()(MYSQL_STMT* statement) const noexcept { mysql_stmt_close(statement); }
  };

  const Column& at(int column) const noexcept { return columns_[static_cast<std::size_t>(column)]; }
  void describe_columns();
  bool bind_columns();
  bool fetch_longer();
  bool run(unsigned int rows);

  std::unique_ptr<MYSQL_STMT, Close> handle_;
  std::uint64_t generation_ = 0;
  std::vector<MYSQL_BIND> given_, wanted_;
  std::vector<GivenColumn> given_columns_;
  std::vector<Column> columns_;
};

}  // namespace lictor::store
