// Statements of many rows, on every engine. A prepared statement has a fixed number of them, so there is one for each
// power of two, made when it is first needed. Not thread-safe, as the connection.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/sql_connection.h"

namespace lictor::store {

// A statement of one row as one of `count`: the row behind VALUES, else the list within IN (…), comes that often, with
// values of its own each time. Nothing but that row or list takes values.
std::string with_rows(std::string_view of_one, std::size_t count);

class RowSets {
 public:
  static constexpr std::size_t kMost = 256;
  RowSets(Connection& connection, std::string_view of_one) : connection_(connection), of_one_(of_one) {}
  Connection& connection() noexcept { return connection_; }
  // `count` is a power of two, kMost at most.
  Prepared& of(std::size_t count);

 private:
  Connection& connection_;
  const std::string_view of_one_;
  std::array<std::unique_ptr<Prepared>, std::bit_width(kMost)> statements_;
};

// SELECT … IN (…). What is asked for beyond a power of two is the last once more.
class SetReader {
 public:
  SetReader(Connection& connection, std::string_view of_one) : sets_(connection, of_one) {}
  // `values` are those of all that is asked for, `each` of them belonging together.
  void read(std::span<const Value> values, std::size_t each, const std::function<void(const Statement::Rows&)>& visit);

 private:
  RowSets sets_;
  std::vector<Value> padded_;
};

// INSERT … VALUES (…), (…) …: as few statements as the powers of two allow, or one that takes rows where the engine has
// such; none of many megabytes.
class SetWriter {
 public:
  SetWriter(Connection& connection, std::string_view of_one) : sets_(connection, of_one) {}
  // Texts and blobs are not copied: they must live until write(). With ON CONFLICT, no row comes twice.
  template <class... Values>
  void add(const Values&... values) {
    each_ = sizeof...(Values);
    (values_.push_back(Value(values)), ...);
  }
  // In the order in which they were added. Forgets them, also when it throws.
  void write();

 private:
  std::size_t next_count(std::span<const Value> values, bool takes_rows) const noexcept;

  RowSets sets_;
  std::size_t each_ = 1;
  std::vector<Value> values_;
};

}  // namespace lictor::store
