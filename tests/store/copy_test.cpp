#include "store/copy_database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "store/audit_chain.h"
#include "store/migrations.h"
#include "store/move_end.h"
#include "store/placement.h"
#include "store/postgres_database.h"
#include "store/sqlite_connection.h"
#include "store/temp_directory.h"

namespace lictor::test {
namespace {

using store::DatabaseUrl;
using store::MoveFacts;
using store::MoveOptions;
using store::MoveProgress;
using store::StoreError;
using testing::HasSubstr;
using Kind = StoreError::Kind;
using Step = MoveProgress::Step;

// ---- databases to move between -------------------------------------------------------------------------------------

class Place {
 public:
  virtual ~Place() = default;
  virtual DatabaseUrl url() const = 0;
  virtual std::unique_ptr<store::Store> serve() const = 0;
  std::unique_ptr<store::MoveEnd> open() const { return store::open_end(url(), store::EndUse::write); }
};

class SqlitePlace final : public Place {
 public:
  DatabaseUrl url() const override { return {DatabaseUrl::Engine::sqlite, path()}; }
  std::unique_ptr<store::Store> serve() const override { return store::open_sqlite({.path = path(), .on_commit = {}}); }
  std::string path() const { return directory_.file("lictor.db"); }

 private:
  TempDirectory directory_;
};

class PostgresPlace final : public Place {
 public:
  DatabaseUrl url() const override { return {DatabaseUrl::Engine::postgresql, database_.url()}; }
  std::unique_ptr<store::Store> serve() const override {
    return store::open_postgres({.url = database_.url(), .on_commit = {}});
  }

 private:
  PostgresDatabase database_;
};

std::unique_ptr<Place> new_place(const std::string& engine) {
  if (engine == "sqlite") return std::make_unique<SqlitePlace>();
  return std::make_unique<PostgresPlace>();
}

// ---- something to move ---------------------------------------------------------------------------------------------

std::string some_text(const std::string& column, int row) {
  static const char* const kTexts[] = {"", "plain", "'quoted' \"twice\" \\ \n\t", "Schlüssel 许可证 🔑", "NULL"};
  return (row == 0 ? "" : column + std::to_string(row)) + kTexts[row % 5];
}

// Rows of the tables that are only statistics, where no row refers to another.
void fill(store::MoveEnd& end, const store::CopiedTable& table, int rows) {
  const auto sink = end.sink(table);
  for (int row = 0; row < rows; ++row) {
    std::vector<std::string> texts;
    std::vector<store::Value> values;
    texts.reserve(table.columns.size());
    for (const auto& column : table.columns) {
      const bool is_number = column.type == store::CopiedColumn::Type::number;
      const std::int64_t sign = row % 3 == 2 && column.name != "row" ? -1 : 1;
      if (is_number && column.name == "changed") {
        values.emplace_back(row % 2);
      } else if (is_number) {
        values.emplace_back(sign * (row + 1) * 3'000'000'000);
      } else if (column.type == store::CopiedColumn::Type::text) {
        values.emplace_back(texts.emplace_back(some_text(std::string(column.name), row)));
      } else {
        const std::string& bytes = texts.emplace_back(static_cast<std::size_t>(row), static_cast<char>(row * 85));
        values.emplace_back(std::span(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
      }
    }
    sink->add(values);
  }
  sink->finish();
}

constexpr int kLicenses = 4'100, kEvents = 4'001;  // more than a page

void fill_licenses(store::Tx& tx) {
  const auto product =
      tx.insert_product({.row = 0, .id = id_of('p', 1), .name = "editor", .settings = "{\"a\":1}", .created_at = kNow});
  const auto policy = tx.insert_policy(
      {.row = 0, .id = id_of('q', 1), .product = product, .name = "floating", .terms = "{}", .created_at = kNow});
  const auto spent = tx.insert_policy(
      {.row = 0, .id = id_of('q', 2), .product = product, .name = "gone", .terms = "{}", .created_at = kNow});
  tx.delete_policy(spent);
  std::vector<store::NewLicense> licenses;
  for (std::uint64_t number = 1; number <= kLicenses; ++number) {
    licenses.push_back(new_license(number, policy));
    store::NewLicense& license = licenses.back();
    license.holder = some_text("Müller ", static_cast<int>(number % 5));
    license.state.expires_at = number % 2 == 0 ? licensing::kNever : kNow + static_cast<std::int64_t>(number);
  }
  tx.insert_licenses(licenses);
  store::ApiKey key;
  key.id = id_of('a', 1);
  key.name = "clients";
  key.secret_hash = std::string(32, '\x80');
  key.scopes = "license:validate";
  key.created_at = kNow;
  tx.insert_api_key(key);
  store::IdempotencyRecord record;
  record.caller = id_of('a', 1);
  record.key = "once";
  record.request = id_of('r', 1);
  record.created_at = kNow;
  tx.remember(record);
}

store::Changes some_changes(store::Row license) {
  store::Changes changes;
  for (int i = 0; i < 5; ++i) {
    auto seat = held_seat(license, "client-" + std::to_string(i), i % 2 == 0 ? licensing::kNever : kNow + 60);
    seat.state.version = some_text("2.", i);
    changes.activations.push_back(seat);
  }
  store::UsageUpdate usage;
  usage.license = license;
  usage.metric = "exports";
  usage.total = 41;
  usage.idempotency_key = "use-1";
  usage.product = 1;
  usage.day = 20'000;
  usage.quantity = 41;
  changes.usage.push_back(usage);
  return changes;
}

void append_events(store::Store& store, int count) {
  store.write([&](store::Tx& tx) {
    store::Changes changes;
    for (int i = 0; i < count; ++i) {
      changes.events.push_back(event("test.event", "lic_" + std::to_string(i)));
      changes.events.back().detail = some_text("{}", i % 5);
    }
    tx.apply(changes);
  });
}

void fill(const Place& place) {
  {
    const auto store = place.serve();
    store->write([](store::Tx& tx) { fill_licenses(tx); });
    store->write([](store::Tx& tx) {
      const std::vector<store::LicenseRef> refs{by_id(1)};
      const auto locked = tx.lock(refs);
      tx.apply(some_changes(locked.front()->row));
    });
    append_events(*store, kEvents);
  }
  const auto end = place.open();
  for (const auto& table : store::copied_tables()) {
    const std::set<std::string_view> of_statistics{"refusals",    "refusal_days", "usage_days",
                                                   "seat_series", "seat_days",    "pending_seats"};
    if (of_statistics.contains(table.name)) fill(*end, table, 6);
  }
}

// Each table by its columns as SQLite itself quotes them, whatever copy_tables.cpp knows of; what is about moves alone
// is left out.
std::map<std::string, std::string> dump(const std::string& path) {
  store::SqliteConnection connection(path, store::SqliteConnection::Mode::read_only);
  std::map<std::string, std::string> dumped;
  store::Statement tables(connection, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name");
  for (auto rows = tables.rows(); rows.next();) dumped.emplace(rows.text(0), "");
  dumped.erase("schema_migrations");
  for (auto& [table, text] : dumped) {
    std::string columns;
    store::Statement info(connection, "SELECT name FROM pragma_table_info(?) ORDER BY name");
    for (auto rows = info.rows(table); rows.next();) {
      columns.append(columns.empty() ? "" : " || ',' || ").append("quote(" + std::string(rows.text(0)) + ")");
    }
    std::string where;
    if (table == "events") where = " WHERE action <> 'database.moved'";
    if (table == "meta") where = " WHERE name NOT LIKE 'move%'";
    if (table == "audit_head") where = " WHERE one = 0";  // it names the newest event, which is about the move
    store::Statement all(connection, "SELECT " + columns + " AS line FROM " + table + where + " ORDER BY line");
    for (auto rows = all.rows(); rows.next();) text.append(rows.text(0)).append("\n");
  }
  return dumped;
}

std::string chain_fault(store::Store& store) {
  const auto reader = store.open_reader();
  store::ChainLink link;
  while (true) {
    store::EventFilter filter;
    filter.after = link.sequence;
    const auto page = reader->events(filter, 1000).events;
    if (const auto fault = store::verify_chain(link, page)) return store::fault_text(fault->kind);
    if (page.empty()) break;
  }
  const auto fault = store::verify_head(link, reader->audit_head());
  return fault ? store::fault_text(fault->kind) : "";
}

StoreError refusal(const std::function<void()>& work) {
  try {
    work();
  } catch (const StoreError& error) {
    return error;
  }
  ADD_FAILURE() << "it was not refused";
  return {Kind::other, ""};
}

// ---- each pair of engines ------------------------------------------------------------------------------------------

struct Pair {
  std::string from, to;
};
void PrintTo(const Pair& pair, std::ostream* out) { *out << pair.from << " to " << pair.to; }

class MoveBetween : public testing::TestWithParam<Pair> {
 protected:
  MoveOptions options() {
    MoveOptions options{.from = from_->url(), .to = to_->url(), .id = "", .on_progress = {}};
    options.id = "move-" + std::to_string(++moves_);
    options.now = kNow;
    return options;
  }
  void expect_refused(const Place& place, const std::string& words) {
    const StoreError error = refusal([&] { place.serve(); });
    EXPECT_EQ(error.kind(), Kind::moved);
    EXPECT_THAT(error.what(), HasSubstr(words));
  }

  struct Interrupted {};
  void interrupt_move_at(Step step, std::string_view table) {
    MoveOptions options = this->options();
    options.on_progress = [&](const MoveProgress& progress) {
      if (progress.step == step && progress.table == table) throw Interrupted();
    };
    EXPECT_THROW(store::move_database(options), Interrupted) << table;
  }

  const std::unique_ptr<Place> from_ = new_place(GetParam().from), to_ = new_place(GetParam().to);
  int moves_ = 0;
};

std::vector<Pair> pairs() {
  std::vector<Pair> pairs{{"sqlite", "sqlite"}};
  if (postgres_server_url().empty()) return pairs;
  pairs.insert(pairs.end(), {{"sqlite", "postgresql"}, {"postgresql", "sqlite"}, {"postgresql", "postgresql"}});
  return pairs;
}
std::string pair_name(const testing::TestParamInfo<Pair>& pair) { return pair.param.from + "_to_" + pair.param.to; }
INSTANTIATE_TEST_SUITE_P(Engines, MoveBetween, testing::ValuesIn(pairs()), pair_name);

TEST_P(MoveBetween, everything_is_there_and_the_old_one_refuses) {
  fill(*from_);
  const MoveFacts facts = store::move_database(options());
  EXPECT_EQ(facts.licenses, kLicenses);
  EXPECT_EQ(facts.events, kEvents);
  EXPECT_TRUE(facts.audit_trail_is_whole);
  for (const auto& table : facts.tables) EXPECT_GT(table.rows, 0) << table.name << " was not tried";
  expect_refused(*from_, "was moved to " + facts.to + " on 2027-01-15: start with DATABASE_URL=" + facts.to);
  const auto store = to_->serve();
  EXPECT_EQ(chain_fault(*store), "");
  store::EventFilter newest;
  newest.newest_first = true;
  const auto events = store->open_reader()->events(newest, 2).events;
  EXPECT_EQ(events.at(0).event.action, "database.moved");
  EXPECT_EQ(events.at(1).hash, facts.head_hash);
  EXPECT_THAT(events.at(0).event.detail, HasSubstr(facts.head_hash));
}

TEST_P(MoveBetween, what_is_new_gets_numbers_that_nothing_had) {
  fill(*from_);
  store::move_database(options());
  const auto store = to_->serve();
  store::Row license = 0, policy = 0;
  store->write([&](store::Tx& tx) {
    policy = tx.insert_policy(
        {.row = 0, .id = id_of('q', 3), .product = 1, .name = "new", .terms = "{}", .created_at = kNow});
    const std::vector<store::NewLicense> licenses{new_license(kLicenses + 1, policy)};
    tx.insert_licenses(licenses);
    const std::vector<store::LicenseRef> refs{by_id(kLicenses + 1)};
    license = tx.lock(refs).front()->row;
  });
  EXPECT_EQ(policy, 3) << "2 was deleted before the move";
  EXPECT_EQ(license, kLicenses + 1);
  EXPECT_EQ(store->open_reader()->totals().licenses, kLicenses + 1);
}

TEST_P(MoveBetween, an_interruption_before_the_fence_leaves_the_source_as_it_was) {
  fill(*from_);
  const std::pair<Step, std::string_view> moments[] = {{Step::copying, "products"},    {Step::copying, "licenses"},
                                                       {Step::copying, "statistics"},  {Step::copying, "events"},
                                                       {Step::checking, "products"},   {Step::checking, "licenses"},
                                                       {Step::checking, "audit_head"}, {Step::checking, "events"}};
  for (const auto& [step, table] : moments) {
    interrupt_move_at(step, table);
    expect_refused(*to_, "holds an unfinished move of " + store::shown(from_->url()));
    EXPECT_EQ(from_->serve()->open_reader()->totals().licenses, kLicenses) << table;
  }
  EXPECT_EQ(store::move_database(options()).licenses, kLicenses);
  EXPECT_EQ(chain_fault(*to_->serve()), "");
}

TEST_P(MoveBetween, an_interruption_behind_the_fence_is_ended_by_the_same_call) {
  fill(*from_);
  MoveOptions interrupted = options();
  interrupted.on_progress = [](const MoveProgress& progress) {
    if (progress.step == Step::fenced) throw Interrupted();
  };
  EXPECT_THROW(store::move_database(interrupted), Interrupted);
  expect_refused(*from_, "was moved to");
  expect_refused(*to_, "holds an unfinished move of");
  const MoveFacts facts = store::move_database(options());
  EXPECT_TRUE(facts.was_moved_before);
  EXPECT_EQ(facts.events, kEvents);
  EXPECT_EQ(chain_fault(*to_->serve()), "");
  EXPECT_TRUE(store::move_database(options()).was_moved_before) << "and once more";
  expect_refused(*from_, "was moved to");
}

TEST_P(MoveBetween, an_interruption_behind_the_fence_can_be_undone) {
  append_events(*from_->serve(), 3);
  MoveOptions interrupted = options();
  interrupted.on_progress = [](const MoveProgress& progress) {
    if (progress.step == Step::fenced) throw Interrupted();
  };
  EXPECT_THROW(store::move_database(interrupted), Interrupted);
  EXPECT_FALSE(store::undo_move(options()).target_had_served);
  append_events(*from_->serve(), 1);
  expect_refused(*to_, "holds an unfinished move of");
  EXPECT_EQ(store::move_database(options()).events, 4);
}

TEST_P(MoveBetween, an_undo_between_the_last_two_steps_stops_the_move) {
  append_events(*from_->serve(), 3);
  MoveOptions overtaken = options();
  overtaken.on_progress = [&](const MoveProgress& progress) {
    if (progress.step != Step::fenced) return;
    const auto end = from_->open();  // what undo_move() does, which would wait for this move's hold of the target
    end->hold();
    end->lower_fence();
    store::erase_departure(end->connection());
    end->commit();
  };
  EXPECT_THAT(refusal([&] { store::move_database(overtaken); }).what(), HasSubstr("undone by another process"));
  append_events(*from_->serve(), 1);
  expect_refused(*to_, "holds an unfinished move of");
}

TEST_P(MoveBetween, is_undone_while_nobody_has_served_the_target) {
  append_events(*from_->serve(), 3);
  EXPECT_THAT(refusal([&] { store::undo_move(options()); }).what(), HasSubstr("was not moved"));
  store::move_database(options());
  const store::UndoFacts facts = store::undo_move(options());
  EXPECT_TRUE(facts.target_was_reached);
  EXPECT_FALSE(facts.target_had_served);
  expect_refused(*to_, "holds an unfinished move of");
  append_events(*from_->serve(), 2);
  EXPECT_EQ(store::move_database(options()).events, 5);
  EXPECT_EQ(chain_fault(*to_->serve()), "");
}

TEST_P(MoveBetween, is_undone_by_force_alone_once_the_target_has_served) {
  append_events(*from_->serve(), 3);
  store::move_database(options());
  append_events(*to_->serve(), 1);
  MoveOptions undo = options();
  const StoreError error = refusal([&] { store::undo_move(undo); });
  EXPECT_EQ(error.kind(), Kind::moved);
  EXPECT_THAT(error.what(), HasSubstr("has served since"));
  expect_refused(*from_, "was moved to");
  undo.force = true;
  EXPECT_TRUE(store::undo_move(undo).target_had_served);
  append_events(*from_->serve(), 1);
  expect_refused(*to_, "was moved to " + store::shown(from_->url()));
}

TEST_P(MoveBetween, a_server_that_runs_is_in_the_way) {
  const auto running = from_->serve();
  append_events(*running, 3);
  const StoreError error = refusal([&] { store::move_database(options()); });
  EXPECT_EQ(error.kind(), Kind::locked);
  EXPECT_THAT(error.what(), HasSubstr(GetParam().from == "sqlite" ? "in use by process " + std::to_string(::getpid())
                                                                  : "in use by lictord on 127.0.0.1"));
  append_events(*running, 1);

  const auto reader = running->open_reader();
  reader->ping();
  MoveOptions take_over = options();
  take_over.take_over = true;
  const MoveFacts facts = store::move_database(take_over);
  EXPECT_EQ(facts.events, 4);
  const StoreError write = refusal([&] { append_events(*running, 1); });
  EXPECT_EQ(write.kind(), Kind::moved);
  EXPECT_THAT(write.what(), HasSubstr("this database was moved to " + facts.to + " on 2027-01-15"));
  EXPECT_EQ(refusal([&] { reader->ping(); }).kind(), Kind::moved);
  EXPECT_EQ(to_->serve()->open_reader()->audit_head().sequence, 5);
}

TEST_P(MoveBetween, what_was_prepared_while_a_server_runs_is_not_copied_again) {
  const auto running = from_->serve();
  append_events(*running, 4'500);
  EXPECT_EQ(store::prepare_move(options()).copied_events, 4'500);
  append_events(*running, 10);
  EXPECT_EQ(store::prepare_move(options()).copied_events, 10);
  expect_refused(*to_, "holds an unfinished move of");
  append_events(*running, 1);
  MoveOptions take_over = options();
  take_over.take_over = true;
  const MoveFacts facts = store::move_database(take_over);
  EXPECT_EQ(facts.copied_events, 1);
  EXPECT_EQ(facts.events, 4'511);
  EXPECT_EQ(chain_fault(*to_->serve()), "");
}

TEST_P(MoveBetween, events_that_are_not_the_sources_are_not_kept) {
  append_events(*from_->serve(), 10);
  store::prepare_move(options());
  to_->open()->connection().execute(
      "UPDATE events SET hash = (SELECT hash FROM events WHERE sequence = 1) WHERE sequence = 10");
  EXPECT_EQ(store::move_database(options()).copied_events, 10);
  EXPECT_EQ(chain_fault(*to_->serve()), "");
}

TEST_P(MoveBetween, an_event_that_was_changed_on_the_way_is_found) {
  append_events(*from_->serve(), 10);
  store::prepare_move(options());
  to_->open()->connection().execute("UPDATE events SET detail = 'other' WHERE sequence = 4");
  const StoreError error = refusal([&] { store::move_database(options()); });
  EXPECT_EQ(error.kind(), Kind::corrupt);
  EXPECT_THAT(error.what(), HasSubstr("what was read back of table events is not what"));
  append_events(*from_->serve(), 1);
}

TEST_P(MoveBetween, a_row_that_was_changed_on_the_way_is_found) {
  fill(*from_);
  MoveOptions meddled = options();
  bool done = false;
  meddled.on_progress = [&](const MoveProgress& progress) {
    if (done || progress.step != Step::checking) return;
    done = true;
    to_->open()->connection().execute("UPDATE activations SET version = 'x' WHERE client_id = 'client-3'");
  };
  EXPECT_THAT(refusal([&] { store::move_database(meddled); }).what(), HasSubstr("table activations"));
  EXPECT_EQ(from_->serve()->open_reader()->totals().licenses, kLicenses);
}

TEST_P(MoveBetween, a_damaged_audit_trail_is_moved_by_force_alone) {
  append_events(*from_->serve(), 10);
  from_->open()->connection().execute("UPDATE events SET detail = 'other' WHERE sequence = 4");
  const StoreError error = refusal([&] { store::move_database(options()); });
  EXPECT_EQ(error.kind(), Kind::corrupt);
  EXPECT_THAT(error.what(), HasSubstr("the audit trail is damaged at event 4: it was edited"));
  from_->serve();
  MoveOptions force = options();
  force.force = true;
  EXPECT_FALSE(store::move_database(force).audit_trail_is_whole);
  EXPECT_EQ(to_->serve()->open_reader()->audit_head().sequence, 11);
}

TEST_P(MoveBetween, only_into_what_is_empty) {
  append_events(*from_->serve(), 1);
  append_events(*to_->serve(), 2);
  EXPECT_THAT(refusal([&] { store::move_database(options()); }).what(), HasSubstr("is not empty (2 events)"));
  append_events(*from_->serve(), 1);
  append_events(*to_->serve(), 1);
}

TEST_P(MoveBetween, not_into_the_unfinished_move_of_another) {
  append_events(*from_->serve(), 1);
  SqlitePlace other;
  append_events(*other.serve(), 1);
  MoveOptions prepare = options();
  prepare.from = other.url();
  store::prepare_move(prepare);
  EXPECT_THAT(refusal([&] { store::move_database(options()); }).what(),
              HasSubstr("holds an unfinished move of sqlite:"));
  to_->open()->connection().execute("DELETE FROM meta WHERE name LIKE 'move%'; DELETE FROM events");
  store::move_database(options());
}

TEST_P(MoveBetween, of_a_schema_that_is_this_programs) {
  append_events(*from_->serve(), 1);
  from_->open()->connection().execute("INSERT INTO schema_migrations VALUES (1000, 'x', 0)");
  EXPECT_EQ(refusal([&] { store::move_database(options()); }).kind(), Kind::newer_schema);
  from_->open()->connection().execute(
      "DELETE FROM schema_migrations; INSERT INTO schema_migrations VALUES (2, 'x', 0)");
  const StoreError older = refusal([&] { store::move_database(options()); });
  EXPECT_THAT(older.what(), HasSubstr("start this lictord on it once"));
}

TEST_P(MoveBetween, of_what_is_a_database_of_ours) {
  const StoreError absent = refusal([&] { store::move_database(options()); });
  EXPECT_THAT(absent.what(), HasSubstr(GetParam().from == "sqlite" ? "there is no database at" : "is empty"));
  append_events(*to_->serve(), 1);
  MoveOptions to_itself = options();
  to_itself.from = to_itself.to;
  EXPECT_THAT(refusal([&] { store::move_database(to_itself); }).what(), HasSubstr("can't be moved to itself"));
  if (GetParam().to == "sqlite") return;
  PostgresPlace foreign;
  store::PostgresConnection connection({.url = foreign.url().location, .shown = "it", .application = "test_store"});
  connection.execute("CREATE TABLE products (id int)");
  MoveOptions other = options();
  other.from = foreign.url();
  EXPECT_THAT(refusal([&] { store::move_database(other); }).what(), HasSubstr("belongs to another program"));
}

// ---- there and back ------------------------------------------------------------------------------------------------

TEST(MoveThereAndBack, IsTheSameByteForByte) {
  if (postgres_server_url().empty()) GTEST_SKIP() << "LICTOR_TEST_POSTGRESQL names no server";
  SqlitePlace first, last;
  PostgresPlace between;
  fill(first);
  const auto before = dump(first.path());
  store::move_database({.from = first.url(), .to = between.url(), .id = "1", .now = kNow, .on_progress = {}});
  store::move_database({.from = between.url(), .to = last.url(), .id = "2", .now = kNow, .on_progress = {}});
  const auto after = dump(last.path());
  EXPECT_EQ(before.size(), after.size());
  for (const auto& [table, rows] : before) {
    EXPECT_EQ(after.at(table).size(), rows.size()) << table;
    EXPECT_TRUE(after.at(table) == rows) << table;
    EXPECT_TRUE(!rows.empty() || table == "audit_head") << table;
  }
  EXPECT_EQ(chain_fault(*last.serve()), "");
}

// ---- tables and addresses ------------------------------------------------------------------------------------------

std::map<std::string, std::set<std::string>> columns_in(store::Connection& connection, const std::string& query) {
  std::map<std::string, std::set<std::string>> columns;
  store::Statement statement(connection, query);
  for (auto rows = statement.rows(); rows.next();) {
    columns[std::string(rows.text(0))].insert(std::string(rows.text(1)) + " " + std::string(rows.text(2)));
  }
  columns.erase("schema_migrations");
  columns.erase("meta");
  return columns;
}

std::map<std::string, std::set<std::string>> copied_columns() {
  static const char* const kTypes[] = {"number", "text", "blob"};
  std::map<std::string, std::set<std::string>> columns;
  for (const auto& table : store::copied_tables()) {
    for (const auto& column : table.columns) {
      columns[std::string(table.name)].insert(std::string(column.name) + " " + kTypes[static_cast<int>(column.type)]);
    }
  }
  return columns;
}

TEST(CopiedTables, AreAllOfTheSchema) {
  SqlitePlace place;
  place.serve();
  EXPECT_EQ(columns_in(place.open()->connection(),
                       "SELECT t.name, c.name, CASE c.type WHEN 'INTEGER' THEN 'number' ELSE lower(c.type) END "
                       "FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table'"),
            copied_columns());
}

TEST(CopiedTables, AreAllOfTheSchemaOfPostgreSql) {
  if (postgres_server_url().empty()) GTEST_SKIP() << "LICTOR_TEST_POSTGRESQL names no server";
  PostgresPlace place;
  place.serve();
  EXPECT_EQ(
      columns_in(place.open()->connection(),
                 "SELECT table_name::text, column_name::text, CASE data_type WHEN 'bytea' THEN 'blob' WHEN 'text' "
                 "THEN 'text' ELSE 'number' END FROM information_schema.columns WHERE table_schema = 'public' "
                 "AND table_name <> 'catalog_head'"),
      copied_columns());
}

TEST(DatabaseUrls, SayWhichEngineAndNeverThePassword) {
  using Engine = DatabaseUrl::Engine;
  const auto sqlite = store::parse_database_url("sqlite:/var/lib/lictor.db");
  ASSERT_TRUE(sqlite);
  EXPECT_EQ(sqlite->engine, Engine::sqlite);
  EXPECT_EQ(sqlite->location, "/var/lib/lictor.db");
  for (const char* const text : {"postgresql://u:hunter2@db.example:5433/lictor?sslmode=require",
                                 "postgres://u@db.example:5433/lictor?password=hunter2"}) {
    const auto url = store::parse_database_url(text);
    ASSERT_TRUE(url) << text;
    EXPECT_EQ(url->engine, Engine::postgresql);
    EXPECT_EQ(url->location, text);
    EXPECT_EQ(store::shown(*url), "postgresql://u@db.example:5433/lictor");
  }
  for (const char* const text :
       {"", "lictor.db", "sqlite:", "sqlite::memory:", "sqlite://host/hunter2", "mysqll://u:hunter2@h/d",
        "postgresql:hunter2", "postgresql://[::1:hunter2", "postgresql://u:hunter2@h/d?hunter2=1"}) {
    const auto url = store::parse_database_url(text);
    ASSERT_FALSE(url) << text;
    EXPECT_THAT(url.problem().message, testing::Not(HasSubstr("hunter2")));
    EXPECT_FALSE(url.problem().message.empty());
  }
}

}  // namespace
}  // namespace lictor::test
