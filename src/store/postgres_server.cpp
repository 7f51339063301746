#include "store/postgres_server.h"

#include "store/migrations.h"

namespace lictor::store {
namespace {

using Kind = StoreError::Kind;

constexpr int kOldestServer = 140'000;  // 14.0, as PQserverVersion() counts
// Replicas that start at the same time migrate one after the other. "lictor"
constexpr const char* kLockMigrations = "SELECT pg_advisory_lock(118961237815666)";
constexpr const char* kUnlockMigrations = "SELECT pg_advisory_unlock(118961237815666)";

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
  migrate(connection, postgres_migrations());
  connection.execute(kUnlockMigrations);
}

}  // namespace lictor::store
