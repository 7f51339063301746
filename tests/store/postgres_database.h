// Databases on the PostgreSQL server of the tests.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>

#include "store/conformance.h"
#include "store/postgres_connection.h"

namespace lictor::test {

// Of a server that tests may make databases on (tests/support/database_server.py): ./dev test starts one.
inline std::string postgres_server_url() {
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
  std::string url_for_others() const override { return url(); }
  std::string url() const {
    const std::string server = postgres_server_url();
    return server.substr(0, server.rfind('/') + 1) + name_;
  }

 private:
  static std::atomic<int>& made() {
    static std::atomic<int> count{0};
    return count;
  }
  static store::PostgresConnection& server() {
    static store::PostgresConnection connection(
        {.url = postgres_server_url(), .shown = "the server of the tests", .application = "test_store"});
    return connection;
  }
  const std::string name_;
};

}  // namespace lictor::test
