#include <gmock/gmock.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <thread>
#include <utility>

#include "store/audit_chain.h"
#include "store/conformance.h"
#include "store/cutting_proxy.h"
#include "store/mysql_connection.h"
#include "store/mysql_queries.h"
#include "store/mysql_text.h"
#include "store/row_sets.h"
#include "store/statistics_conformance.h"
#include "store/statistics_queries.h"

namespace lictor::test {
namespace {

using store::MysqlAddress;
using store::StoreError;
using testing::HasSubstr;

// Of a server that tests may make databases on (tests/support/database_server.py): ./dev test starts one.
std::string server_url() {
  const char* const url = std::getenv("LICTOR_TEST_MYSQL");
  return url == nullptr ? std::string() : url;
}

store::MysqlConnection::Options options_of(const std::string& url) {
  return {.address = store::parse_mysql_address(url), .timeout = std::chrono::seconds(10)};
}

class MysqlDatabase final : public Database {
 public:
  // `takes_rows` false: what MySQL does is done on MariaDB, too.
  explicit MysqlDatabase(bool takes_rows = true)
      : takes_rows_(takes_rows), name_("t" + std::to_string(::getpid()) + "_" + std::to_string(++made())) {
    server().execute(("CREATE DATABASE " + name_).c_str());
  }
  ~MysqlDatabase() override { server().execute(("DROP DATABASE " + name_).c_str()); }

  std::unique_ptr<store::Store> open() override {
    return store::open_mysql({.url = url(), .on_commit = {}, .takes_rows = takes_rows_});
  }
  std::string url_for_others() const override { return url(); }
  const std::string& name() const { return name_; }
  std::string url() const {
    const MysqlAddress address = store::parse_mysql_address(server_url());
    return url_of(address.user, address.password);
  }
  // With the host and the parameters of the server's.
  std::string url_of(const std::string& user, const std::string& password) const {
    const std::string given = server_url();
    const std::size_t host = given.find('@') + 1, path = given.find('/', host), parameters = given.find('?');
    return "mysql://" + user + ":" + password + "@" + given.substr(host, path + 1 - host) + name_ +
           (parameters == std::string::npos ? "" : given.substr(parameters));
  }
  std::string url_by_port(std::uint16_t port) const {
    const MysqlAddress address = store::parse_mysql_address(server_url());
    return "mysql://" + address.user + ":" + address.password + "@127.0.0.1:" + std::to_string(port) + "/" + name_;
  }
  static store::MysqlConnection& server() {
    static store::MysqlConnection connection(options_of(server_url()));
    return connection;
  }

 private:
  static std::atomic<int>& made() {
    static std::atomic<int> count{0};
    return count;
  }
  const bool takes_rows_;
  const std::string name_;
};

std::vector<Engine> engines() {
  if (!server_url().empty())
    return {{"mysql", [] { return std::make_unique<MysqlDatabase>(); }},
            {"mysql_row_lists", [] { return std::make_unique<MysqlDatabase>(false); }}};
  std::cout << "MySQL and MariaDB are not tested: LICTOR_TEST_MYSQL names no server\n";
  return {};
}
const std::vector<Engine> kEngines = engines();

INSTANTIATE_TEST_SUITE_P(MySql, StoreConformance, testing::ValuesIn(kEngines), engine_name);
INSTANTIATE_TEST_SUITE_P(MySql, LicenseOrders, testing::ValuesIn(kEngines), engine_name);
INSTANTIATE_TEST_SUITE_P(MySql, StoreRace,
                         testing::ValuesIn(kEngines.begin(), kEngines.empty() ? kEngines.end() : kEngines.begin() + 1),
                         engine_name);
INSTANTIATE_TEST_SUITE_P(MySql, StatisticsConformance, testing::ValuesIn(kEngines), engine_name);

class MysqlServer : public testing::Test {
 protected:
  void SetUp() override {
    if (server_url().empty()) GTEST_SKIP() << "LICTOR_TEST_MYSQL names no server";
    database_.emplace();
  }
  static void execute(const std::string& sql) { MysqlDatabase::server().execute(sql.c_str()); }
  void execute_in(const std::string& sql) { store::MysqlConnection(options_of(database_->url())).execute(sql.c_str()); }
  // What opening it is refused with.
  std::string refusal(const std::string& url, StoreError::Kind kind = StoreError::Kind::other) {
    try {
      store::open_mysql({.url = url, .on_commit = {}});
    } catch (const StoreError& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "it was opened";
    return "";
  }
  std::vector<std::int64_t> connections() {
    std::vector<std::int64_t> ids;
    store::Statement statement(MysqlDatabase::server(), "SELECT id FROM information_schema.processlist WHERE db = ?");
    auto rows = statement.rows(database_->name());
    while (rows.next()) ids.push_back(rows.number(0));
    return ids;
  }
  // All to the database; returns when the server has let them go.
  void kill_connections() {
    for (const std::int64_t id : connections()) execute("KILL " + std::to_string(id));
    while (!connections().empty()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }

  std::optional<MysqlDatabase> database_;
};

void add_event(store::Tx& tx, const std::string& action) {
  store::Changes changes;
  changes.events.push_back(event(action));
  tx.apply(changes);
}

// libmariadb goes on without TLS when the server has none. The server of the tests has none.
TEST_F(MysqlServer, TlsThatIsAskedForIsInsistedOn) {
  const std::string url = database_->url_by_port(store::parse_mysql_address(server_url()).port);
  for (const char* const mode : {"required", "verify-identity"}) {
    std::string said;
    try {
      store::open_mysql({.url = url + "?ssl-mode=" + mode, .on_commit = {}});
      ADD_FAILURE() << "it was opened: " << mode;
    } catch (const StoreError& error) {
      said = error.what();
    }
    EXPECT_THAT(said, HasSubstr("TLS")) << mode;
  }
}

// In a zone with summer time one hour of autumn comes twice, and is told as the later one both times.
TEST_F(MysqlServer, time_is_told_in_UTC) {
  EXPECT_EQ(store::MysqlConnection(options_of(database_->url())).text("SELECT @@session.time_zone"), "+00:00");
}

TEST_F(MysqlServer, a_connection_that_is_killed_is_opened_anew) {
  const auto store = database_->open();
  const auto reader = store->open_reader();
  kill_connections();
  store->write([&](store::Tx& tx) { add_event(tx, "one"); });
  EXPECT_EQ(reader->audit_head().sequence, 1);
  kill_connections();
  reader->at_one_moment([&] { EXPECT_EQ(reader->totals().events, 1); });
  int runs = 0;
  store->write([&](store::Tx& tx) {
    if (++runs == 1) kill_connections();
    add_event(tx, "two");
  });
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(reader->audit_head().sequence, 2);
  const auto between = [&] {
    reader->ping();
    kill_connections();
    reader->ping();
  };
  EXPECT_THROW(reader->at_one_moment(between), StoreError) << "the moment is over";
  EXPECT_NO_THROW(reader->ping());
}

TEST_F(MysqlServer, a_commit_without_an_answer_is_looked_for_and_done_once) {
  const auto store = database_->open();
  int runs = 0;
  store->write([&](store::Tx& tx) {
    add_event(tx, "one");
    if (++runs == 1) kill_connections();  // only COMMIT comes behind it
  });
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(store->open_reader()->audit_head().sequence, 1);
}

TEST_F(MysqlServer, a_commit_that_happened_without_an_answer_is_not_done_again) {
  const MysqlAddress address = store::parse_mysql_address(server_url());
  if (!address.socket.empty() || address.tls != MysqlAddress::Tls::disabled) GTEST_SKIP() << "only by plain TCP";
  CuttingProxy proxy(address.port, "COMMIT");
  const auto store = store::open_mysql({.url = database_->url_by_port(proxy.port()), .on_commit = {}});
  int runs = 0;
  const auto count = [&](store::Tx& tx) { ++runs, add_event(tx, "one"); };
  store->write(count);
  proxy.cut_next();
  store->write(count);
  EXPECT_EQ(proxy.cuts(), 1);
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(store->open_reader()->audit_head().sequence, 2);
  // One that left no event can't be found: the caller is told.
  proxy.cut_next();
  EXPECT_THROW(store->write([](store::Tx& tx) { tx.statistics().drop_seat_days(1, 1); }), StoreError);
  EXPECT_EQ(proxy.cuts(), 2);
}

TEST_F(MysqlServer, a_migration_that_was_interrupted_is_begun_again) {
  database_->open();
  execute_in(
      "DELETE FROM schema_migrations; DELETE FROM meta; DELETE FROM totals; DELETE FROM audit_head; DELETE FROM "
      "catalog_head; "
      "DELETE FROM statistics; DROP TABLE activations; DROP TABLE events");
  const auto store = database_->open();
  store->write([](store::Tx& tx) { add_event(tx, "one"); });
  EXPECT_EQ(store->open_reader()->totals().events, 1);
}

TEST_F(MysqlServer, a_database_of_another_program_is_left_alone) {
  execute_in("CREATE TABLE products (id INT); CREATE TABLE schema_migrations (version BIGINT)");
  EXPECT_THAT(refusal(database_->url()), HasSubstr("belongs to another program (it has a table products)"));
}

TEST_F(MysqlServer, a_newer_schema_is_refused) {
  database_->open();
  execute_in("INSERT INTO schema_migrations (version, name, applied_at) VALUES (99, 'later', 0)");
  EXPECT_THAT(refusal(database_->url(), StoreError::Kind::newer_schema), HasSubstr("99"));
}

TEST_F(MysqlServer, columns_that_compare_otherwise_are_refused) {
  database_->open();
  execute_in("ALTER TABLE meta MODIFY name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci");
  EXPECT_THAT(refusal(database_->url()), HasSubstr("column meta.name has the collation utf8mb4_general_ci"));
}

TEST_F(MysqlServer, missing_rights_are_named) {
  const std::string user = "u_" + database_->name();
  execute("CREATE USER " + user + " IDENTIFIED BY 'secret'");
  execute("GRANT SELECT ON " + database_->name() + ".* TO " + user);
  const std::string url = database_->url_of(user, "secret");
  EXPECT_THAT(refusal(url), HasSubstr("the account needs SELECT, INSERT"));
  database_->open();
  EXPECT_THAT(refusal(url), HasSubstr("the account needs SELECT, INSERT")) << "also when there is nothing to migrate";
  execute("GRANT SELECT, INSERT, UPDATE, DELETE ON " + database_->name() + ".* TO " + user);
  EXPECT_NO_THROW(store::open_mysql({.url = url, .on_commit = {}}));
  execute("DROP USER " + user);
  EXPECT_THAT(refusal(url, StoreError::Kind::connection_lost), testing::Not(HasSubstr("secret")));
}

// Bytes decide: neither case, nor accents, nor spaces at the end make two names one.
TEST_F(MysqlServer, names_differ_byte_by_byte) {
  const auto store = database_->open();
  const std::vector<std::string> names{"a", "A", "a ", "\xC3\xA4"};
  store->write([&](store::Tx& tx) {
    for (std::size_t i = 0; i < names.size(); ++i)
      tx.insert_product({.id = id_of('p', i), .name = names[i], .settings = "{}", .created_at = kNow});
  });
  EXPECT_EQ(store->open_reader()->products().size(), names.size());
}

TEST_F(MysqlServer, without_its_totals_it_is_not_opened) {
  database_->open();
  execute_in("DELETE FROM totals");
  EXPECT_THAT(refusal(database_->url(), StoreError::Kind::corrupt), HasSubstr("the record of totals is missing"));
}

// As when a dump is put back into it: a server that appended alone goes on where the trail ends now.
TEST_F(MysqlServer, a_trail_that_was_set_back_is_gone_on_with_from_there) {
  const auto store = database_->open();
  for (int i = 0; i < 30; ++i) store->write([](store::Tx& tx) { add_event(tx, "before"); });
  store::EventFilter until;
  until.before = 11;
  const auto kept = store->open_reader()->events(until, 20).events.back();
  execute_in("DELETE FROM events WHERE sequence > 10; UPDATE audit_head SET sequence = 10, hash = x'" + kept.hash +
             "'");
  store->write([](store::Tx& tx) { add_event(tx, "after"); });
  const auto reader = store->open_reader();
  EXPECT_EQ(reader->audit_head().sequence, 11);
  store::ChainLink link;
  const auto events = reader->events({}, 100).events;
  ASSERT_EQ(events.size(), 11U);
  EXPECT_FALSE(store::verify_chain(link, events));
  EXPECT_FALSE(store::verify_head(link, reader->audit_head()));
}

// More rows than one statement has, of a number that is no power of two, and more bytes than one should have.
TEST_F(MysqlServer, batches_of_any_size) {
  const auto store = database_->open();
  store::Changes changes;
  for (int i = 0; i < 2 * 256 + 37; ++i) changes.events.push_back(event("a"));
  changes.events[5].detail = std::string(1'500'000, 'x');
  for (std::size_t i = 0; i < 9; ++i) changes.events[40 + i].detail = std::string(300'000, 'y');
  store->write([&](store::Tx& tx) { tx.apply(changes); });
  const auto reader = store->open_reader();
  EXPECT_EQ(reader->audit_head().sequence, 549);
  store::EventFilter filter;
  filter.after = 5;
  EXPECT_EQ(reader->events(filter, 1).events.front().event.detail.size(), 1'500'000U);
  filter.after = 548;
  EXPECT_EQ(reader->events(filter, 1).events.front().event.detail, "{}") << "what was long before is short again";
}

struct Statement {
  std::string text;
  std::vector<store::Value> values;
};

std::vector<Statement> statements_of_lists() {
  namespace sql = store::sql;
  using namespace std::string_view_literals;
  static const std::vector<store::Id> ids = [] {
    std::vector<store::Id> made;
    for (std::uint64_t i = 0; i < 64; ++i) made.push_back(id_of('k', i));
    return made;
  }();
  const store::Id& id = ids[7];
  std::vector<Statement> all{{std::string(sql::kEventsUp), {10, 2'000, 50}},
                             {std::string(sql::kEventsDown), {10, 2'000, 50}},
                             {std::string(sql::kEventsOfSubjectUp), {10, 2'000, 50, "lic_7"sv}},
                             {std::string(sql::kEventsOfSubjectDown), {10, 2'000, 50, "lic_7"sv}},
                             {std::string(sql::kClientsPage), {7, "client-2"sv, 50}},
                             {std::string(sql::kHeldClients), {7, kNow, 50}},
                             {std::string(sql::kEndedLeases), {7, kNow}},
                             {std::string(sql::kNextLeaseEnd), {7, kNow}},
                             {std::string(sql::kDueLicenses), {kNow, 10}},
                             {std::string(sql::kViewByKey), {id, "client-2"sv}},
                             {store::with_rows(sql::kRowsOfIds, 64), {64, id}},
                             {store::with_rows(sql::kRowsOfKeys, 64), {64, id}},
                             {store::with_rows(sql::kLockLicensesByRow, 64), {64, 7}},
                             {store::with_rows(sql::kLockDetailsByRow, 1), {7}},
                             {store::with_rows(sql::kActivationsOfClients, 2), {7, "client-2"sv, 8, "client-3"sv}}};
  for (auto& [text, values] : all) {
    if (values.front().number != 64) continue;
    values.assign(64, values.back());
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = text.find("FOR UPDATE") != std::string::npos ? store::Value(3 * i + 1) : store::Value(ids[i]);
  }
  for (const auto& scan : sql::kAllScans) {
    for (const auto text : {scan.up, scan.down})
      all.push_back({std::string(text), {1'500, kNow + 100, kNow + 120, "holder 1"sv, "holder 2"sv, kNow + 100, 50}});
  }
  // Those of a status, and of a policy.
  for (auto& [text, values] : all) {
    if (text.find("status = ?6") != std::string::npos || text.find("policy = ?6") != std::string::npos) values[5] = 2;
  }
  return all;
}

// Each statement by its index: the plan of a table that grows must not be to walk through it.
TEST_F(MysqlServer, statements_are_driven_by_indexes) {
  const auto store = database_->open();
  store->write([](store::Tx& tx) {
    const auto product = tx.insert_product({.id = id_of('p', 1), .name = "p", .settings = "{}"});
    std::vector<store::NewLicense> licenses;
    for (std::uint64_t i = 0; i < 3'000; ++i) {
      if (i % 300 == 0)
        tx.insert_policy({.id = id_of('q', i), .product = product, .name = "q" + std::to_string(i), .terms = "{}"});
      licenses.push_back(new_license(i, static_cast<store::Row>(1 + i / 300)));
      if (i % 300 == 0) tx.insert_licenses(std::exchange(licenses, {}));
      if (licenses.empty()) continue;
      const auto time = kNow + static_cast<store::UnixSeconds>(i % 500);
      licenses.back().holder = "holder " + std::to_string(i % 300);
      licenses.back().state.issued_at = licenses.back().state.expires_at = licenses.back().state.next_lease_end = time;
      licenses.back().state.status = static_cast<licensing::LicenseStatus>(1 + (i % 100 == 1 ? 1 : 0));
    }
    tx.insert_licenses(licenses);
    store::Changes changes;
    for (int i = 0; i < 3'000; ++i) {
      const auto lease = i % 2 == 0 ? licensing::kNever : kNow - 5 + i % 100;
      changes.activations.push_back(held_seat(1 + i % 50, "client-" + std::to_string(i), lease));
      changes.events.push_back(event("seat.granted", "lic_" + std::to_string(i % 100)));
    }
    tx.apply(changes);
  });
  execute_in("ANALYZE TABLE licenses, activations, events");
  store::MysqlConnection connection(options_of(database_->url()));
  constexpr int kType = 3, kKey = 5, kExtra = 9;  // of EXPLAIN's columns, as MariaDB has them
  for (const auto& [text, values] : statements_of_lists()) {
    const auto prepared = connection.prepare("EXPLAIN " + text);
    prepared->open(std::span(values).first(std::min(values.size(), prepared->parameters())));
    while (prepared->next()) {
      const std::string plan = std::string(prepared->text(kType)) + " by " + std::string(prepared->text(kKey)) + ": " +
                               std::string(prepared->text(kExtra));
      EXPECT_THAT(plan, testing::Not(testing::StartsWith("ALL"))) << text;
      EXPECT_THAT(plan, testing::Not(HasSubstr("filesort"))) << text;
      if (text.find("FOR UPDATE") != std::string::npos) {
        EXPECT_THAT(plan, HasSubstr("by PRIMARY")) << text;
      }
      if (std::getenv("LICTOR_TEST_SHOW_PLANS") != nullptr) std::cout << plan << "   " << text << '\n';
    }
    prepared->close();
  }
  if (!connection.takes_rows()) return;
  // In the order in which they are given: that in which they are locked.
  const auto prepared = connection.prepare("EXPLAIN " + store::with_rows(store::sql::kLockWithSeats, 4));
  std::vector<store::Value> wanted;
  for (std::int64_t row = 1; row <= 4; ++row)
    wanted.insert(wanted.end(), {store::Value(row), store::Value(std::string_view("a"))});
  prepared->open(wanted);
  std::vector<std::string> plan;
  while (prepared->next()) plan.push_back(std::string(prepared->text(2)) + " " + std::string(prepared->text(kType)));
  ASSERT_GE(plan.size(), 3U);
  plan.resize(3);
  EXPECT_THAT(plan, testing::ElementsAre("<derived2> ALL", "licenses eq_ref", "activations eq_ref"));
  prepared->close();
}

// Two servers with one database: the rows' locks are all that stands between them.
using MysqlServerRace = MysqlServer;
TEST_F(MysqlServerRace, two_servers_sell_no_seat_twice) {
  constexpr std::uint32_t kSeats = 20;
  std::vector<std::unique_ptr<store::Store>> stores;
  for (int i = 0; i < 4; ++i) stores.push_back(database_->open());
  stores[0]->write([](store::Tx& tx) {
    const auto product = tx.insert_product({.id = id_of('p', 1), .name = "p", .settings = "{}"});
    const auto policy = tx.insert_policy({.id = id_of('q', 1), .product = product, .name = "q", .terms = "{}"});
    tx.insert_licenses(std::vector{new_license(1, policy), new_license(2, policy)});
  });
  std::atomic<unsigned> granted{0};
  std::vector<std::thread> threads;
  for (std::size_t number = 0; number < stores.size(); ++number) {
    threads.emplace_back([&, number] {
      for (int round = 0; round < 30; ++round) {
        unsigned won = 0;
        stores[number]->write([&](store::Tx& tx) {
          won = 0;
          // In either order, by id and by key.
          const std::string client = std::to_string(number) + "-" + std::to_string(round);
          const std::vector refs = number % 2 == 0 ? std::vector{by_id(1, client), by_key(2, client)}
                                                   : std::vector{by_id(2, client), by_key(1, client)};
          store::Changes changes;
          for (auto& license : tx.lock(refs)) {
            if (license->state.seats_held >= kSeats) continue;
            ++license->state.seats_held;
            changes.licenses.push_back({license->row, license->state});
            changes.activations.push_back(held_seat(license->row, client));
            changes.events.push_back(event("seat.granted"));
            ++won;
          }
          tx.apply(changes);
        });
        granted += won;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(granted, 2 * kSeats);
  const auto totals = stores[0]->open_reader()->totals();
  EXPECT_EQ(totals.seats_held, 2 * kSeats);
  EXPECT_EQ(totals.events, 2 * kSeats);
}

}  // namespace
}  // namespace lictor::test
