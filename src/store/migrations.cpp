#include "store/migrations.h"

#include <array>
#include <string>

#include "crypto/crypto.h"
#include "store/mysql_schema.h"
#include "store/postgres_schema.h"
#include "store/queries.h"
#include "store/sqlite_schema.h"
#include "store/sqlite_schema_statistics.h"

namespace lictor::store {
namespace {

using Kind = StoreError::Kind;

void make_digest_key(Connection& connection) {
  std::array<std::uint8_t, 16> key{};
  crypto::random_bytes(key);
  Statement(connection, sql::kInsertMeta).run(sql::kDigestKeyName, std::span<const std::uint8_t>(key));
}

constexpr std::array kMigrations{
    Migration{1, "licenses, activations, usage, events", kSchema1, make_digest_key},
    Migration{2, "search, idempotency keys, addresses of API keys", kSchema2, nullptr},
    Migration{3, "refusals, figures of days", kStatisticsSchema, nullptr},
    Migration{4, "rows of what was deleted are not used again", kSchema4, nullptr},
    Migration{5, "refusals by their time", kSchema5, nullptr},
};

void apply(Connection& connection, const Migration& migration) {
  Transaction transaction(connection);
  connection.execute(migration.sql);
  if (migration.fill != nullptr) migration.fill(connection);
  Statement(connection, sql::kInsertMigration)
      .run(migration.version, migration.name, connection.milliseconds() / 1'000);
  transaction.commit();
}

constexpr std::array kPostgresMigrations{
    Migration{5, "everything", kPostgresSchema, make_digest_key},
};

std::string with_collation(std::string_view schema, std::string_view collation) {
  constexpr std::string_view kPlace = "{collation}";
  std::string text;
  while (true) {
    const std::size_t place = schema.find(kPlace);
    text += schema.substr(0, place);
    if (place == std::string_view::npos) return text;
    text += collation;
    schema.remove_prefix(place + kPlace.size());
  }
}

}  // namespace

std::span<const Migration> migrations() noexcept { return kMigrations; }
std::span<const Migration> postgres_migrations() noexcept { return kPostgresMigrations; }

std::span<const Migration> mysql_migrations(bool is_mariadb) {
  static const std::array schemas{with_collation(kMysqlSchema, mysql_collation(false)),
                                  with_collation(kMysqlSchema, mysql_collation(true))};
  static const std::array of_mysql{Migration{5, "everything", schemas[0].c_str(), make_digest_key}};
  static const std::array of_mariadb{Migration{5, "everything", schemas[1].c_str(), make_digest_key}};
  return is_mariadb ? of_mariadb : of_mysql;
}

std::string_view mysql_collation(bool is_mariadb) noexcept {
  return is_mariadb ? "utf8mb4_nopad_bin" : "utf8mb4_0900_bin";
}

bool check_application(SqliteConnection& connection, const std::string& path) {
  const std::int64_t application = connection.number("PRAGMA application_id");
  if (application == kApplicationId) return false;
  if (application == 0 && connection.number("SELECT count(*) FROM sqlite_schema") == 0) return true;
  throw StoreError(Kind::other, "database " + path + " belongs to another program (application id " +
                                    std::to_string(application) + "); it was left as it is");
}

std::int64_t schema_version(Connection& connection) {
  return connection.has_table("schema_migrations") ? connection.number(sql::kSchemaVersion) : 0;
}

void migrate(Connection& connection, std::span<const Migration> known) {
  const std::int64_t found = schema_version(connection);
  const std::int64_t newest = known.empty() ? 0 : known.back().version;
  if (found > newest) {
    throw StoreError(Kind::newer_schema, "database " + connection.name() + " has schema version " +
                                             std::to_string(found) + ", this program knows versions up to " +
                                             std::to_string(newest) + ": use a newer program");
  }
  for (const Migration& migration : known) {
    if (migration.version > found) apply(connection, migration);
  }
}

}  // namespace lictor::store
