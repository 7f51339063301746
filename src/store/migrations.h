// The database's schema as numbered steps, each in a transaction of its own, only ever forward. A database is
// recognised by SQLite's application id.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "store/sqlite_connection.h"

namespace lictor::store {

inline constexpr std::int64_t kApplicationId = 0x4C696374;  // "Lict", bytes 68 to 71 of the file

struct Migration {
  int version;  // 1, 2, 3, …
  std::string_view name;
  const char* sql;            // one or more statements
  void (*fill)(Connection&);  // rows that SQL alone can't make; may be nullptr
};

// What this program knows. A released migration is never changed. The same number is the same schema on every engine.
std::span<const Migration> migrations() noexcept;  // of SQLite
std::span<const Migration> postgres_migrations() noexcept;
std::span<const Migration> mysql_migrations(bool is_mariadb);
std::string_view mysql_collation(bool is_mariadb) noexcept;  // of texts: byte by byte

std::int64_t schema_version(Connection& connection);  // 0: there is no schema yet

// Throws StoreError other when the file is a database of another program, corrupt when it is no database. Changes
// nothing. True when the database is empty and may become ours.
bool check_application(SqliteConnection& connection, const std::string& path);

// Brings the database up to the last of `known`. Throws StoreError newer_schema, naming both versions, when it is
// ahead.
void migrate(Connection& connection, std::span<const Migration> known);

}  // namespace lictor::store
