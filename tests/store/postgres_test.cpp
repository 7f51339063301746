#include <atomic>
#include <cstdlib>
#include <iostream>

#include "store/conformance.h"
#include "store/postgres_connection.h"
#include "store/statistics_conformance.h"

namespace lictor::test {
namespace {

// Of a server that tests may make databases on (tests/support/database_server.py): ./dev test starts one.
std::string server_url() {
  const char* const url = std::getenv("LICTOR_TEST_POSTGRESQL");
  return url == nullptr ? std::string() : url;
}

class PostgresDatabase final : public Database {
 public:
  PostgresDatabase() : name_("t" + std::to_string(::getpid()) + "_" + std::to_string(++made())) {
    server().execute(("CREATE DATABASE " + name_ + " TEMPLATE template0 ENCODING 'UTF8'").c_str());
  }
  ~PostgresDatabase() override { server().execute(("DROP DATABASE " + name_ + " WITH (FORCE)").c_str()); }

  std::unique_ptr<store::Store> open() override { return store::open_postgres({.url = url(), .on_commit = {}}); }
  std::string url() const {
    const std::string server = server_url();
    return server.substr(0, server.rfind('/') + 1) + name_;
  }

 private:
  static std::atomic<int>& made() {
    static std::atomic<int> count{0};
    return count;
  }
  static store::PostgresConnection& server() {
    static store::PostgresConnection connection(
        {.url = server_url(), .shown = "the server of the tests", .application = "test_store"});
    return connection;
  }
  const std::string name_;
};

std::vector<Engine> engines() {
  if (!server_url().empty()) return {{"postgresql", [] { return std::make_unique<PostgresDatabase>(); }}};
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
