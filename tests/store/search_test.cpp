// Lists that administrators search: orders, filters, pages that stay whole while rows come and go.
#include <gmock/gmock.h>

#include <algorithm>

#include "store/conformance.h"
#include "store/queries.h"
#include "store/sqlite_connection.h"
#include "store/temp_directory.h"

namespace lictor::test {

using licensing::kNever;

// Twelve licenses of two policies; issued in pairs, expiring in threes or never, of three holders.
void LicenseOrders::SetUp() {
  make_licenses(0);
  other_ = make_policy("other");
  std::vector<store::NewLicense> licenses;
  for (std::uint64_t i = 1; i <= 12; ++i) {
    auto license = new_license(i, i % 3 == 0 ? other_ : policy_);
    license.holder = i % 4 == 0 ? "" : i % 4 == 1 ? "acme" : i % 4 == 2 ? "acme 2" : "Zen";
    license.state.issued_at = kNow - 100 + static_cast<store::UnixSeconds>((i - 1) / 2);
    license.state.expires_at = i > 9 ? kNever : kNow + static_cast<store::UnixSeconds>(10 - (i - 1) / 3);
    licenses.push_back(license);
  }
  store_->write([&](store::Tx& tx) { tx.insert_licenses(licenses); });
}

namespace {

using store::LicenseFilter;
using Order = store::LicenseOrder;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> keys_of(const std::vector<store::LicenseDetails>& licenses) {
  std::vector<std::string> keys;
  for (const auto& details : licenses) keys.push_back(details.key);
  return keys;
}

LicenseFilter filter(store::Row product, store::Row policy, std::optional<licensing::LicenseStatus> status,
                     const std::string& holder) {
  LicenseFilter made;
  made.product = product;
  made.policy = policy;
  made.status = status;
  made.holder = holder;
  return made;
}

// All pages of that many, put together.
std::vector<std::string> all_pages(store::Reader& reader, const LicenseFilter& filter, Order order, std::size_t limit) {
  std::vector<std::string> keys;
  std::optional<store::Position> after;
  for (int page = 0; page < 1000; ++page) {
    const auto found = reader.licenses(filter, order, after, limit, kNow);
    for (auto& key : keys_of(found.licenses)) keys.push_back(std::move(key));
    if (!found.next) return keys;
    after = found.next;
  }
  ADD_FAILURE() << "the list does not end";
  return keys;
}

std::vector<std::string> names(std::initializer_list<int> numbers) {
  std::vector<std::string> keys;
  for (const int number : numbers) keys.push_back("KEY-" + std::to_string(number));
  return keys;
}

TEST_P(StoreConformance, pages_of_licenses_newest_first) {
  make_licenses(6);
  auto page = reader_->licenses({}, Order::newest, {}, 4, kNow);
  EXPECT_EQ(keys_of(page.licenses), names({6, 5, 4, 3}));
  ASSERT_TRUE(page.next);
  page = reader_->licenses({}, Order::newest, page.next, 4, kNow);
  EXPECT_EQ(keys_of(page.licenses), names({2, 1}));
  EXPECT_FALSE(page.next);
}

TEST_P(StoreConformance, filters_of_licenses) {
  using Status = licensing::LicenseStatus;
  make_licenses(6);
  const store::Row other = make_policy("other");
  const store::Row floating = policy_;
  store_->write([&](store::Tx& tx) {
    tx.insert_licenses(std::vector{new_license(7, other), new_license(8, other)});
    store::Changes changes;
    changes.licenses.push_back({tx.lock(std::vector{by_id(3)})[0]->row, {.status = Status::suspended}});
    changes.licenses.push_back({tx.lock(std::vector{by_id(8)})[0]->row, {.status = Status::suspended}});
    changes.licenses.push_back({tx.lock(std::vector{by_id(4)})[0]->row, {.status = Status::revoked}});
    tx.apply(changes);
  });
  const auto policies = reader_->policies();
  const store::Row product = policies.back().product;
  struct Case {
    store::LicenseFilter filter;
    std::vector<std::string> keys;
  };
  const std::vector<Case> cases{
      {filter(product, 0, {}, ""), {"KEY-8", "KEY-7"}},
      {filter(0, other, {}, ""), {"KEY-8", "KEY-7"}},
      {filter(product, floating, {}, ""), {}},
      {filter(product + 1, 0, {}, ""), {}},
      {filter(0, 0, Status::suspended, ""), {"KEY-8", "KEY-3"}},
      {filter(product, 0, Status::suspended, ""), {"KEY-8"}},
      {filter(product, 0, Status::active, ""), {"KEY-7"}},
      {filter(0, floating, Status::suspended, ""), {"KEY-3"}},
      {filter(0, floating, Status::active, "odd"), {"KEY-5", "KEY-1"}},
      {filter(0, 0, Status::revoked, "even"), {"KEY-4"}},
      {filter(0, 0, Status::active, ""), {"KEY-7", "KEY-6", "KEY-5", "KEY-2", "KEY-1"}},
      {filter(product, 0, {}, "odd"), {"KEY-7"}},
      {filter(0, 0, {}, "nobody"), {}},
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    EXPECT_EQ(keys_of(reader_->licenses(cases[i].filter, Order::newest, {}, 100, kNow).licenses), cases[i].keys)
        << "case " << i;
    const auto first = keys_of(reader_->licenses(cases[i].filter, Order::newest, {}, 1, kNow).licenses);
    EXPECT_EQ(first.size(), std::min<std::size_t>(1, cases[i].keys.size())) << "case " << i;
    if (!first.empty()) {
      EXPECT_EQ(first.front(), cases[i].keys.front()) << "case " << i;
    }
  }
}

TEST_P(LicenseOrders, each_order_gives_the_same_in_pages_of_any_size) {
  struct Case {
    std::string name;
    LicenseFilter filter;
    Order order;
    std::vector<std::string> keys;
  };
  LicenseFilter issued, expiring, prefix, both = filter(0, other_, {}, "");
  issued.issued_after = kNow - 99;
  issued.issued_before = kNow - 96;
  expiring.expires_after = kNow + 9;
  prefix.holder_prefix = "acme";
  both.expires_before = kNow + 10;
  const std::vector<Case> cases{
      {"oldest", {}, Order::oldest, names({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})},
      {"policy", filter(0, other_, {}, ""), Order::oldest, names({3, 6, 9, 12})},
      {"issued", issued, Order::newest, names({8, 7, 6, 5, 4, 3})},
      {"issued, up", issued, Order::oldest, names({3, 4, 5, 6, 7, 8})},
      {"expires", {}, Order::expires, names({7, 8, 9, 4, 5, 6, 1, 2, 3})},
      {"expires, down", {}, Order::expires_last, names({3, 2, 1, 6, 5, 4, 9, 8, 7})},
      {"expiring", expiring, Order::expires, names({4, 5, 6, 1, 2, 3})},
      {"expiring and policy", both, Order::expires, names({9, 6})},
      {"prefix", prefix, Order::oldest, names({1, 5, 9, 2, 6, 10})},
      {"prefix, down", prefix, Order::newest, names({10, 6, 2, 9, 5, 1})},
      {"holder", filter(0, 0, {}, "acme"), Order::oldest, names({1, 5, 9})},
  };
  for (const auto& row : cases) {
    for (const std::size_t limit : {1, 2, 3, 5, 100})
      EXPECT_EQ(all_pages(*reader_, row.filter, row.order, limit), row.keys) << row.name << ", pages of " << limit;
  }
}

TEST_P(LicenseOrders, keep_is_asked_and_a_call_looks_at_a_bounded_number) {
  std::vector<store::NewLicense> licenses;
  for (std::uint64_t i = 100; i < 7'100; ++i) licenses.push_back(new_license(i, policy_));
  store_->write([&](store::Tx& tx) { tx.insert_licenses(licenses); });
  LicenseFilter odd;
  std::size_t asked = 0;
  odd.keep = [&](const store::LicenseRow& license) { return ++asked, license.id == id_of('l', 1); };
  const auto page = reader_->licenses(odd, Order::newest, {}, 10, kNow);
  EXPECT_THAT(page.licenses, IsEmpty());
  EXPECT_EQ(asked, 600U);
  ASSERT_TRUE(page.next) << "there is more to look at";
  EXPECT_EQ(all_pages(*reader_, odd, Order::newest, 10), names({1}));
}

TEST_P(LicenseOrders, pages_stay_whole_while_rows_come_and_go) {
  for (const Order order : {Order::newest, Order::oldest, Order::expires}) {
    auto page = reader_->licenses({}, order, {}, 4, kNow);
    auto seen = keys_of(page.licenses);
    // One new license, and the one that was seen last moves in the order by expiry.
    store_->write([&](store::Tx& tx) {
      const auto row =
          tx.lock(std::vector{store::LicenseRef{store::LicenseRef::By::id, page.licenses.back().license.id}});
      auto state = row.front()->state;
      state.expires_at = kNow + 1;
      store::Changes changes;
      changes.licenses.push_back({row.front()->row, state});
      tx.apply(changes);
      tx.insert_licenses(std::vector{new_license(50 + static_cast<std::uint64_t>(order), policy_)});
    });
    while (page.next) {
      page = reader_->licenses({}, order, page.next, 4, kNow);
      for (auto& key : keys_of(page.licenses)) seen.push_back(std::move(key));
    }
    std::sort(seen.begin(), seen.end());
    EXPECT_EQ(std::adjacent_find(seen.begin(), seen.end()), seen.end()) << "none is seen twice";
    const std::size_t there = order == Order::expires ? 9 : 12;
    EXPECT_GE(seen.size(), there) << "what was there all the time is seen";
  }
}

TEST_P(LicenseOrders, held_seats_are_those_of_now) {
  give_seat(1, "a", kNow + 10);
  give_seat(1, "b", kNow - 10);
  give_seat(1, "c");
  const auto row = row_of(1).row;
  const auto all = reader_->held_seats(row, 10, kNow);
  ASSERT_EQ(all.clients.size(), 2U);
  EXPECT_FALSE(all.more);
  EXPECT_EQ(all.clients[0].client_id, "a");
  EXPECT_EQ(all.clients[1].client_id, "c");
  EXPECT_TRUE(reader_->held_seats(row, 1, kNow).more);
}

TEST_P(LicenseOrders, events_in_both_directions_by_every_filter) {
  store::Changes changes;
  for (int i = 0; i < 6'000; ++i) {
    auto one = event(i % 2 == 0 ? "seat.granted" : "license.changed", i % 100 == 0 ? "lic_1" : "lic_2");
    one.at = kNow + i;
    one.actor = i == 7 ? "key_rare" : "system";
    one.request_id = "req_" + std::to_string(i);
    if (i == 5'999) one.code = "LICENSE_EXPIRED";
    changes.events.push_back(one);
  }
  apply(changes);
  const auto first = reader_->audit_head().sequence - 5'999;
  const auto sequences = [&](store::EventFilter wanted, std::size_t limit) {
    std::vector<std::int64_t> found;
    for (int page = 0; page < 100; ++page) {
      const auto events = reader_->events(wanted, limit);
      for (const auto& one : events.events) found.push_back(one.sequence - first);
      if (!events.next) break;
      (wanted.newest_first ? wanted.before : wanted.after) = *events.next;
    }
    return found;
  };
  store::EventFilter rare, last, request, subject;
  rare.actor = "key_rare";
  last.code = "LICENSE_EXPIRED";
  request.request_id = "req_4321";
  request.newest_first = true;
  subject.subject = "lic_1";
  subject.newest_first = true;
  subject.from = kNow + 5'000;
  subject.until = kNow + 5'900;
  EXPECT_THAT(sequences(rare, 10), ElementsAre(7));
  EXPECT_THAT(sequences(last, 10), ElementsAre(5'999));
  EXPECT_THAT(sequences(request, 10), ElementsAre(4'321));
  EXPECT_THAT(sequences(subject, 2), ElementsAre(5'800, 5'700, 5'600, 5'500, 5'400, 5'300, 5'200, 5'100, 5'000));
  store::EventFilter action;
  action.action = "license.";
  action.after = first + 5'990;
  EXPECT_THAT(sequences(action, 1), ElementsAre(5'991, 5'993, 5'995, 5'997, 5'999));
}

// Each list is driven by an index in its own order: nothing is sorted, and no table is read from end to end. (The
// statement by row walks the table in its order and stops when the page is full.)
TEST(SqliteSearch, every_list_is_driven_by_an_index) {
  const TempDirectory directory;
  const std::string path = directory.file("lictor.db");
  store::SqliteOptions options;
  options.path = path;
  const auto store = store::open_sqlite(options);
  store::SqliteConnection connection(path, store::SqliteConnection::Mode::read_only);
  std::vector<std::string> statements;
  for (const auto& scan : store::sql::kAllScans)
    statements.insert(statements.end(), {std::string(scan.up), std::string(scan.down)});
  for (const auto text : {store::sql::kEventsUp, store::sql::kEventsDown, store::sql::kEventsOfSubjectUp,
                          store::sql::kEventsOfSubjectDown, store::sql::kHeldClients, store::sql::kClientsPage})
    statements.emplace_back(text);
  for (const std::string& text : statements) {
    store::Statement plan(connection, "EXPLAIN QUERY PLAN " + text);
    auto rows = plan.rows_as_used();
    std::string all;
    while (rows.next()) all += std::string(rows.text(3)) + "; ";
    EXPECT_THAT(all, testing::HasSubstr("SEARCH ")) << text;
    EXPECT_THAT(all, testing::Not(testing::HasSubstr("SCAN "))) << text;
    EXPECT_THAT(all, testing::Not(testing::HasSubstr("TEMP B-TREE"))) << text;
  }
}

}  // namespace
}  // namespace lictor::test
