#include <iostream>

#include "store/conformance.h"
#include "store/postgres_database.h"
#include "store/statistics_conformance.h"

namespace lictor::test {
namespace {

std::vector<Engine> engines() {
  if (!postgres_server_url().empty()) return {{"postgresql", [] { return std::make_unique<PostgresDatabase>(); }}};
  std::cout << "PostgreSQL is not tested: LICTOR_TEST_POSTGRESQL names no server\n";
  return {};
}
const std::vector<Engine> kEngines = engines();

INSTANTIATE_TEST_SUITE_P(PostgreSql, StoreConformance, testing::ValuesIn(kEngines), engine_name);
INSTANTIATE_TEST_SUITE_P(PostgreSql, LicenseOrders, testing::ValuesIn(kEngines), engine_name);
INSTANTIATE_TEST_SUITE_P(PostgreSql, StoreRace, testing::ValuesIn(kEngines), engine_name);
INSTANTIATE_TEST_SUITE_P(PostgreSql, StatisticsConformance, testing::ValuesIn(kEngines), engine_name);

}  // namespace
}  // namespace lictor::test
