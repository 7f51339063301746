// Statements of many rows. A prepared statement has a fixed number of them, so there is one for each power of two, made
// when it is first needed.
#pragma once

#include <array>
#include <bit>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "store/mysql_connection.h"

namespace lictor::store {

class MysqlSizes {
 public:
  static constexpr std::size_t kMost = 256;
  MysqlSizes(MysqlConnection& connection, std::string_view of_one) : connection_(connection), of_one_(of_one) {}
  MysqlConnection& connection() noexcept { return connection_; }
  // `count` is a power of two, kMost at most.
  Prepared& of(std::size_t count) {
    auto& statement = statements_[static_cast<std::size_t>(std::countr_zero(count))];
    if (!statement) statement = connection_.prepare(with_rows(of_one_, count));
    return *statement;
  }

 private:
  MysqlConnection& connection_;
  const std::string_view of_one_;
  std::array<std::unique_ptr<Prepared>, std::bit_width(kMost)> statements_;
};

// SELECT … IN (…). What is asked for beyond a power of two is the last once more.
class MysqlList {
 public:
  MysqlList(MysqlConnection& connection, std::string_view of_one) : sizes_(connection, of_one) {}
  // `values` are those of all that is asked for, `each` of them belonging together.
  void read(std::span<const Value> values, std::size_t each, const std::function<void(const Statement::Rows&)>& visit);

 private:
  MysqlSizes sizes_;
  std::vector<Value> padded_;
};

// INSERT … VALUES (…), (…) …: as few statements as the powers of two allow, none of many megabytes.
class MysqlRows {
 public:
  MysqlRows(MysqlConnection& connection, std::string_view of_one) : sizes_(connection, of_one) {}
  // Texts and blobs are not copied: they must live until write().
  template <class... Values>
  void add(const Values&... values) {
    each_ = sizeof...(Values);
    (values_.push_back(Value(values)), ...);
  }
  // In the order in which they were added. Forgets them, also when it throws.
  void write();

 private:
  std::size_t next_count(std::span<const Value> values) const noexcept;

  MysqlSizes sizes_;
  std::size_t each_ = 1;
  std::vector<Value> values_;
};

}  // namespace lictor::store
