#include "store/postgres_server.h"

#include "store/migrations.h"

namespace lictor::store {
namespace {

using Kind = StoreError::Kind;

constexpr int kOldestServer = 140'000;  // 14.0, as PQserverVersion() counts
// Replicas that start at the same time migrate one after the other. "lictor"
constexpr const char* kLockMigrations = "SELECT pg_advisory_lock(118961237815666)";
constexpr const char* kUnlockMigrations = "SELECT pg_advisory_unlock(118961237815666)";
// Tables of extensions are nobody's.
constexpr const char* kOtherTables =
    "SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') "
    "AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND "
    "deptype = 'e') ORDER BY relname LIMIT 1";

// An empty database becomes ours; one of somebody else is left as it is.
void refuse_other_tables(PostgresConnection& connection) {
  if (connection.has_table("schema_migrations")) return;
  Statement statement(connection, kOtherTables);
  auto rows = statement.rows();
  if (!rows.next()) return;
  throw StoreError(Kind::other, "database " + connection.name() + ": it belongs to another program (it has a table " +
                                    std::string(rows.text(0)) + "); it was left as it is. An empty database is needed");
}

}  // namespace

void require_usable(PostgresConnection& connection, bool for_writing) {
  const std::string start = "database " + connection.name() + ": ";
  const int version = connection.server_version();
  if (version < kOldestServer) {
    throw StoreError(Kind::other,
                     start + "PostgreSQL " + std::to_string(version / 10'000) + " is too old, 14 or newer is needed");
  }
  if (for_writing && connection.number("SELECT CASE WHEN pg_is_in_recovery() THEN 1 ELSE 0 END") != 0) {
    throw StoreError(Kind::read_only, start +
                                          "this server is a standby that only reads; name the primary, or all hosts "
                                          "with target_session_attrs=read-write");
  }
  if (connection.number("SELECT CASE WHEN getdatabaseencoding() = 'UTF8' THEN 1 ELSE 0 END") == 0) {
    throw StoreError(Kind::other,
                     start + "its encoding must be UTF8 (CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0)");
  }
}

void migrate_alone(PostgresConnection& connection) {
  connection.execute(kLockMigrations);
  refuse_other_tables(connection);
  migrate(connection, postgres_migrations());
  connection.execute(kUnlockMigrations);
}

}  // namespace lictor::store
