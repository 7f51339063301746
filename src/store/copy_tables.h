// What a database holds, for copying it whole: each table with its columns, the same on every engine. A table stands
// behind those that it refers to. What is not here: schema_migrations, which is each database's own, and `meta`, of
// which copy_database.cpp takes what is not about a move.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace lictor::store {

struct CopiedColumn {
  enum class Type : std::uint8_t { number, text, blob };
  std::string_view name;
  Type type = Type::number;
};

struct CopiedTable {
  std::string_view name;
  std::span<const CopiedColumn> columns;
  std::size_t keys = 1;       // how many of the columns, from the first, tell the rows apart and put them in order
  bool numbers_rows = false;  // the engine gives each new row a number that is higher than those before, in `row`

  std::string column_list() const;  // "row, id, name"
};

std::span<const CopiedTable> copied_tables() noexcept;
const CopiedTable& events_table() noexcept;  // append-only, and vouched for by the audit chain

}  // namespace lictor::store
