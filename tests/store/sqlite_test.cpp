#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "store/audit_chain.h"
#include "store/conformance.h"
#include "store/migrations.h"
#include "store/statistics_conformance.h"
#include "store/temp_directory.h"

namespace lictor::test {
namespace {

using store::SqliteConnection;
using store::StoreError;

std::unique_ptr<store::Store> open_at(const std::string& path, int checkpoint_pages = 10'000) {
  return store::open_sqlite({.path = path, .checkpoint_pages = checkpoint_pages, .on_commit = {}});
}

class SqliteDatabase final : public Database {
 public:
  explicit SqliteDatabase(int checkpoint_pages) : checkpoint_pages_(checkpoint_pages) {}
  std::unique_ptr<store::Store> open() override { return open_at(directory_.file("lictor.db"), checkpoint_pages_); }

 private:
  TempDirectory directory_;
  int checkpoint_pages_;
};

// The second one copies its log back all the time.
const auto kEngines = testing::Values(Engine{"sqlite", [] { return std::make_unique<SqliteDatabase>(10'000); }},
                                      Engine{"sqlite_short_log", [] { return std::make_unique<SqliteDatabase>(8); }});
INSTANTIATE_TEST_SUITE_P(Engines, StoreConformance, kEngines, engine_name);
INSTANTIATE_TEST_SUITE_P(Engines, LicenseOrders, kEngines, engine_name);
INSTANTIATE_TEST_SUITE_P(Engines, StoreRace, kEngines, engine_name);
INSTANTIATE_TEST_SUITE_P(Engines, StatisticsConformance, kEngines, engine_name);

struct Refusal {
  StoreError::Kind kind = StoreError::Kind::other;
  std::string message;
};

Refusal refusal_at(const std::string& path) {
  try {
    open_at(path);
  } catch (const StoreError& error) {
    return {error.kind(), error.what()};
  }
  return {StoreError::Kind::other, "it was opened"};
}

class SqliteFile : public testing::Test {
 protected:
  // As an intruder or another program would change the file.
  void run(const char* sql) { SqliteConnection(path_, SqliteConnection::Mode::read_write).execute(sql); }
  std::int64_t number(const char* sql) {
    return SqliteConnection(path_, SqliteConnection::Mode::read_write).number(sql);
  }

  TempDirectory directory_;
  const std::string path_ = directory_.file("lictor.db");
};

TEST_F(SqliteFile, is_private_and_durable_by_its_settings) {
  const auto store = open_at(path_);
  for (const char* name : {"lictor.db", "lictor.db-wal", "lictor.db-shm", "lictor.db.lock"}) {
    struct stat status {};
    ASSERT_EQ(stat(directory_.file(name).c_str(), &status), 0) << name;
    EXPECT_EQ(status.st_mode & 0777, 0600U) << name;
  }
  EXPECT_EQ(store->describe(), "sqlite:" + path_);
  EXPECT_EQ(number("PRAGMA application_id"), store::kApplicationId);
  EXPECT_EQ(number("SELECT count(*) FROM pragma_foreign_key_list('activations')"), 1);
}

TEST_F(SqliteFile, two_databases_have_two_digest_keys) {
  EXPECT_NE(open_at(path_)->digest_key(), open_at(directory_.file("other.db"))->digest_key());
}

TEST_F(SqliteFile, a_second_server_is_refused_by_name) {
  auto store = open_at(path_);
  const auto refusal = refusal_at(path_);
  EXPECT_EQ(refusal.kind, StoreError::Kind::locked);
  EXPECT_NE(refusal.message.find("process " + std::to_string(getpid())), std::string::npos) << refusal.message;
  EXPECT_NE(refusal.message.find(path_), std::string::npos) << refusal.message;
  store.reset();
  EXPECT_NO_THROW(open_at(path_));
}

TEST_F(SqliteFile, a_newer_schema_is_refused_with_both_versions) {
  open_at(path_);
  run("INSERT INTO schema_migrations VALUES (77, 'from the future', 0)");
  const auto refusal = refusal_at(path_);
  EXPECT_EQ(refusal.kind, StoreError::Kind::newer_schema);
  EXPECT_NE(refusal.message.find("version 77"), std::string::npos) << refusal.message;
  const std::string known = "up to " + std::to_string(store::migrations().back().version);
  EXPECT_NE(refusal.message.find(known), std::string::npos) << refusal.message;
}

TEST_F(SqliteFile, migrations_are_numbered_and_recorded_once) {
  open_at(path_);
  open_at(path_);
  EXPECT_EQ(number("SELECT count(*) FROM schema_migrations"), static_cast<std::int64_t>(store::migrations().size()));
  int expected = 1;
  for (const auto& migration : store::migrations()) EXPECT_EQ(migration.version, expected++);
}

TEST_F(SqliteFile, a_migration_that_fails_leaves_nothing) {
  open_at(path_);
  const std::int64_t version = store::migrations().back().version;
  std::vector<store::Migration> known(store::migrations().begin(), store::migrations().end());
  const int next = static_cast<int>(version) + 1;
  known.push_back({next, "adds a table", "CREATE TABLE extra (x INTEGER) STRICT", nullptr});
  known.push_back({next + 1, "fails", "CREATE TABLE half (x INTEGER) STRICT; CREATE TABLE extra (x INTEGER)", nullptr});
  SqliteConnection connection(path_, SqliteConnection::Mode::read_write);
  EXPECT_THROW(store::migrate(connection, known), StoreError);
  EXPECT_EQ(number("SELECT max(version) FROM schema_migrations"), next);
  EXPECT_EQ(number("SELECT count(*) FROM sqlite_schema WHERE name IN ('extra', 'half')"), 1);
}

TEST_F(SqliteFile, what_is_no_database_is_refused_and_left_alone) {
  const std::string text(10'000, 'x');
  std::ofstream(path_) << text;
  const auto refusal = refusal_at(path_);
  EXPECT_EQ(refusal.kind, StoreError::Kind::corrupt);
  EXPECT_NE(refusal.message.find(path_), std::string::npos) << refusal.message;
  std::ifstream file(path_);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), text);
}

// SQLite takes it: the page that is not whole would be read as zeros at its end.
TEST_F(SqliteFile, one_that_lacks_its_end_is_refused) {
  open_at(path_);
  const auto whole = std::filesystem::file_size(path_);
  for (const std::uintmax_t missing : {std::uintmax_t{1}, std::uintmax_t{1000}, whole / 2}) {
    std::filesystem::resize_file(path_, whole - missing);
    const Refusal refusal = refusal_at(path_);
    EXPECT_EQ(refusal.kind, StoreError::Kind::corrupt);
    EXPECT_NE(refusal.message.find(path_), std::string::npos) << refusal.message;
    EXPECT_NE(refusal.message.find("its end is missing"), std::string::npos) << refusal.message;
    EXPECT_EQ(std::filesystem::file_size(path_), whole - missing) << "it was changed";
  }
  std::filesystem::resize_file(path_, whole);
}

TEST_F(SqliteFile, one_whose_end_is_still_in_the_log_is_taken) {
  const std::string copy = directory_.file("copy.db");
  {
    const auto store = open_at(path_);
    store->write([](store::Tx& tx) { tx.insert_product({0, base::Id{}, "product", "{}", 1}); });
    for (const std::string end : {"", "-wal"}) std::filesystem::copy_file(path_ + end, copy + end);
  }
  EXPECT_NO_THROW(open_at(copy)->open_reader());
}

TEST_F(SqliteFile, the_database_of_another_program_is_refused_and_left_alone) {
  std::ofstream(path_).close();
  run("CREATE TABLE theirs (x)");
  const auto refusal = refusal_at(path_);
  EXPECT_EQ(refusal.kind, StoreError::Kind::other);
  EXPECT_NE(refusal.message.find("another program"), std::string::npos) << refusal.message;
  EXPECT_EQ(number("SELECT count(*) FROM sqlite_schema"), 1);
  run("PRAGMA application_id = 252006674");
  EXPECT_NE(refusal_at(path_).message.find("252006674"), std::string::npos);
}

TEST_F(SqliteFile, an_empty_file_left_by_a_crash_is_taken) {
  std::ofstream(path_).close();
  EXPECT_NO_THROW(open_at(path_));
}

TEST_F(SqliteFile, a_missing_directory_is_named) {
  const auto refusal = refusal_at(directory_.file("none") + "/lictor.db");
  EXPECT_NE(refusal.message.find("its directory is not there"), std::string::npos) << refusal.message;
}

// Permissions do not bind root, so the child becomes nobody.
int open_as_nobody(const std::string& path) {
  const pid_t child = fork();
  if (child == 0) {
    constexpr id_t kNobody = 65534;
    if (geteuid() == 0 && (setegid(kNobody) != 0 || seteuid(kNobody) != 0)) _exit(100);
    const auto refusal = refusal_at(path);
    _exit(refusal.message.find(path) == std::string::npos ? 101 : static_cast<int>(refusal.kind));
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(SqliteFile, a_directory_that_cant_be_written_is_refused) {
  ASSERT_EQ(chmod(directory_.path().c_str(), 0555), 0);
  EXPECT_EQ(open_as_nobody(path_), static_cast<int>(StoreError::Kind::read_only));
  ASSERT_EQ(chmod(directory_.path().c_str(), 0777), 0);
  open_at(path_);
  ASSERT_EQ(chmod(directory_.file("lictor.db.lock").c_str(), 0666), 0);
  ASSERT_EQ(chmod(path_.c_str(), 0444), 0);
  EXPECT_EQ(open_as_nobody(path_), static_cast<int>(StoreError::Kind::read_only));
  ASSERT_EQ(chmod(directory_.path().c_str(), 0700), 0);
}

TEST_F(SqliteFile, damage_in_a_row_is_an_error_not_a_value) {
  {
    const auto store = open_at(path_);
    store->write([](store::Tx& tx) {
      const auto product =
          tx.insert_product({.row = 0, .id = id_of('p', 1), .name = "p", .settings = "{}", .created_at = 0});
      const auto policy = tx.insert_policy(
          {.row = 0, .id = id_of('q', 1), .product = product, .name = "q", .terms = "{}", .created_at = 0});
      tx.insert_licenses(std::vector{new_license(1, policy)});
      store::Changes changes;
      changes.activations.push_back(held_seat(tx.lock(std::vector{by_id(1)})[0]->row, "c"));
      tx.apply(changes);
    });
  }
  run("UPDATE activations SET fingerprint = x'0201'");
  const auto store = open_at(path_);
  try {
    store->open_reader()->client(id_of('l', 1), "c");
    FAIL() << "a damaged fingerprint was read";
  } catch (const StoreError& error) {
    EXPECT_EQ(error.kind(), StoreError::Kind::corrupt);
    EXPECT_NE(std::string(error.what()).find(path_), std::string::npos);
  }
}

TEST_F(SqliteFile, on_commit_is_told_each_duration) {
  std::vector<double> durations;
  const auto store = store::open_sqlite(
      {.path = path_, .checkpoint_pages = 100, .on_commit = [&](double seconds) { durations.push_back(seconds); }});
  store::Changes changes;
  changes.events = {event("x")};
  store->write([&](store::Tx& tx) { tx.apply(changes); });
  EXPECT_THROW(store->write([](store::Tx&) { throw std::runtime_error("no"); }), std::runtime_error);
  ASSERT_EQ(durations.size(), 1U);
  EXPECT_GT(durations[0], 0.0);
  EXPECT_LT(durations[0], 60.0);
}

void write_events(store::Store& store, int transactions) {
  store::Changes changes;
  for (int i = 0; i < 100; ++i) changes.events.push_back(event("x", "lic_" + std::to_string(i * 7919 % 1'000)));
  for (int i = 0; i < transactions; ++i) store.write([&](store::Tx& tx) { tx.apply(changes); });
}

std::uintmax_t log_bytes(const std::string& path) { return std::filesystem::file_size(path + "-wal"); }

TEST_F(SqliteFile, the_log_stays_bounded) {
  constexpr int kPages = 50;
  const auto store = open_at(path_, kPages);
  write_events(*store, 300);
  // A transaction may begin just below the bound, so its own pages come on top.
  EXPECT_LT(log_bytes(path_), 2U * 8 * kPages * 2'100);
  EXPECT_GT(number("PRAGMA page_count"), 2 * kPages);
}

TEST_F(SqliteFile, a_reader_that_stays_does_not_stop_writes) {
  const auto store = open_at(path_, 20);
  write_events(*store, 1);
  SqliteConnection foreign(path_, SqliteConnection::Mode::read_only);
  foreign.execute("BEGIN");
  EXPECT_EQ(foreign.number("SELECT count(*) FROM events"), 100);
  const auto start = std::chrono::steady_clock::now();
  write_events(*store, 50);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
  EXPECT_EQ(foreign.number("SELECT count(*) FROM events"), 100);
  foreign.execute("COMMIT");
  EXPECT_EQ(foreign.number("SELECT count(*) FROM events"), 5'100);
}

struct Tampering {
  const char* name;
  const char* sql;
  store::ChainFault fault;
};
void PrintTo(const Tampering& tampering, std::ostream* out) { *out << tampering.name; }

std::string tampering_name(const testing::TestParamInfo<Tampering>& info) { return info.param.name; }

class SqliteAudit : public SqliteFile, public testing::WithParamInterface<Tampering> {};

TEST_P(SqliteAudit, tampering_is_found) {
  {
    const auto store = open_at(path_);
    store::Changes changes;
    for (int i = 0; i < 10; ++i) changes.events.push_back(event("action-" + std::to_string(i)));
    store->write([&](store::Tx& tx) { tx.apply(changes); });
  }
  run(GetParam().sql);
  const auto store = open_at(path_);
  const auto reader = store->open_reader();
  store::ChainLink link;
  auto fault = store::verify_chain(link, reader->events({}, 1'000).events);
  if (!fault) fault = store::verify_head(link, reader->audit_head());
  EXPECT_EQ(fault, GetParam().fault);
}

using FaultKind = store::ChainFault::Kind;
INSTANTIATE_TEST_SUITE_P(
    Intruder, SqliteAudit,
    testing::Values(
        Tampering{"edited", "UPDATE events SET client = 'other' WHERE sequence = 4", {FaultKind::edited, 4}},
        Tampering{"deleted", "DELETE FROM events WHERE sequence = 5", {FaultKind::gap, 6}},
        Tampering{"deleted_first", "DELETE FROM events WHERE sequence = 1", {FaultKind::gap, 2}},
        Tampering{"tail_deleted", "DELETE FROM events WHERE sequence > 7", {FaultKind::tail_missing, 8}},
        Tampering{"all_deleted", "DELETE FROM events", {FaultKind::tail_missing, 1}},
        Tampering{
            "swapped",
            "UPDATE events SET sequence = -1 WHERE sequence = 3; UPDATE events SET sequence = 3 WHERE sequence = 6; "
            "UPDATE events SET sequence = 6 WHERE sequence = -1",
            {FaultKind::edited, 3}},
        Tampering{"renumbered",
                  "DELETE FROM events WHERE sequence = 5; UPDATE events SET sequence = sequence - 1 WHERE sequence > 5",
                  {FaultKind::edited, 5}},
        Tampering{"head_edited", "UPDATE audit_head SET sequence = 9", {FaultKind::head_differs, 10}},
        Tampering{"hash_edited", "UPDATE events SET hash = zeroblob(32) WHERE sequence = 2", {FaultKind::edited, 2}}),
    tampering_name);

}  // namespace
}  // namespace lictor::test
