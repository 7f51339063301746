#include "store/sql_connection.h"

#include <cstring>

namespace lictor::store {
namespace {

template <class Read>
auto read_first(Connection& connection, std::string_view sql, const Read& read) {
  Statement statement(connection, sql);
  auto rows = statement.rows();
  if (!rows.next()) connection.fail_corrupt("a record that must exist is missing");
  return read(rows);
}

}  // namespace

std::int64_t Connection::number(std::string_view sql) {
  return read_first(*this, sql, [](const Statement::Rows& row) { return row.number(0); });
}

std::string Connection::text(std::string_view sql) {
  return read_first(*this, sql, [](const Statement::Rows& row) { return std::string(row.text(0)); });
}

void Connection::fail_corrupt(std::string_view what) const {
  throw StoreError(StoreError::Kind::corrupt, "database " + name() + ": damaged: " + std::string(what));
}

void Prepared::run_rows(std::span<const Value> values) {
  for (const std::size_t each = parameters(); !values.empty(); values = values.subspan(each)) run(values.first(each));
}

base::Bytes16 Statement::Rows::bytes16(int column) const {
  const auto bytes = blob(column);
  base::Bytes16 value;
  if (bytes.size() != value.bytes.size()) connection().fail_corrupt("an id or digest is not 16 bytes long");
  std::memcpy(value.bytes.data(), bytes.data(), value.bytes.size());
  return value;
}

}  // namespace lictor::store
