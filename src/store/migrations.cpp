#include "store/migrations.h"

#include <array>
#include <string>

#include "crypto/crypto.h"
#include "store/sqlite_queries.h"
#include "store/sqlite_schema.h"
#include "store/sqlite_statistics_schema.h"

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

std::int64_t version_of(Connection& connection) {
  if (connection.number(sql::kHasMigrations) == 0) return 0;
  return connection.number(sql::kSchemaVersion);
}

void apply(Connection& connection, const Migration& migration) {
  Transaction transaction(connection);
  if (migration.version == 1) {
    connection.execute(("PRAGMA application_id = " + std::to_string(kApplicationId)).c_str());
  }
  connection.execute(migration.sql);
  if (migration.fill != nullptr) migration.fill(connection);
  Statement(connection, sql::kInsertMigration).run(migration.version, migration.name);
  transaction.commit();
}

}  // namespace

std::span<const Migration> migrations() noexcept { return kMigrations; }

bool check_application(Connection& connection, const std::string& path) {
  const std::int64_t application = connection.number("PRAGMA application_id");
  if (application == kApplicationId) return false;
  if (application == 0 && connection.number(sql::kCountSchema) == 0) return true;
  throw StoreError(Kind::other, "database " + path + " belongs to another program (application id " +
                                    std::to_string(application) + "); it was left as it is");
}

void migrate(Connection& connection, const std::string& path, std::span<const Migration> known) {
  const std::int64_t found = version_of(connection);
  const std::int64_t newest = known.empty() ? 0 : known.back().version;
  if (found > newest) {
    throw StoreError(Kind::newer_schema, "database " + path + " has schema version " + std::to_string(found) +
                                             ", this program knows versions up to " + std::to_string(newest) +
                                             ": use a newer program");
  }
  for (const Migration& migration : known) {
    if (migration.version > found) apply(connection, migration);
  }
}

}  // namespace lictor::store
