#include "store/meta.h"

#include "store/queries.h"

namespace lictor::store {
namespace {

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

std::optional<std::string> read_meta(Connection& connection, std::string_view name) {
  Statement statement(connection, sql::kMeta);
  auto rows = statement.rows(name);
  if (!rows.next()) return std::nullopt;
  const auto blob = rows.blob(0);
  return std::string(blob.begin(), blob.end());
}

void write_meta(Connection& connection, std::string_view name, std::string_view value) {
  erase_meta(connection, name);
  Statement(connection, sql::kInsertMeta).run(name, bytes_of(value));
}

bool change_meta(Connection& connection, std::string_view name, std::string_view from, std::string_view to) {
  Statement(connection, sql::kChangeMeta).run(name, bytes_of(from), bytes_of(to));
  return connection.changed_rows() == 1;
}

void erase_meta(Connection& connection, std::string_view name) { Statement(connection, sql::kDeleteMeta).run(name); }

}  // namespace lictor::store
