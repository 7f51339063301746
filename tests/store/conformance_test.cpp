#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <thread>

#include "store/conformance.h"
#include "store/seat_takers.h"

namespace lictor::test {
namespace {

using licensing::kNever;
using Order = store::LicenseOrder;
using store::StoreError;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Lt;
using testing::SizeIs;

StoreError::Kind kind_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const StoreError& error) {
    return error.kind();
  }
  ADD_FAILURE() << "nothing was thrown";
  return StoreError::Kind::other;
}

licensing::License full_license() {
  return {.status = licensing::LicenseStatus::suspended,
          .issued_at = kNow - 5,
          .starts_at = kNow - 4,
          .expires_at = kNow + 1'000,
          .first_activated_at = kNow - 3,
          .last_check_in_at = kNow - 2,
          .seats_held = licensing::kUnlimited - 1,
          .next_lease_end = kNow + 50,
          .vacant_seats = 3,
          .transfers = 4,
          .transfers_in_period = 2,
          .transfer_period_start = kNow - 900};
}

licensing::Activation full_activation(std::uint64_t client) {
  licensing::Activation activation;
  activation.client = id_of('c', client);
  activation.held = true;
  activation.blocked = true;
  activation.over_limit = true;
  activation.activated_at = kNow - 7;
  activation.lease_expires_at = kNow + 60;
  activation.released_at = kNow - 8;
  activation.vacated = true;
  activation.vacated_at_transfer = 9;
  activation.fingerprint.kind = licensing::Fingerprint::Kind::components;
  activation.fingerprint.mask = 0b1000'0101;
  activation.fingerprint.tags[0] = id_of('t', 1);
  activation.fingerprint.tags[2] = id_of('t', 2);
  activation.fingerprint.tags[7] = id_of('t', 3);
  activation.version = "2.1.0-beta \xC3\xA9";
  return activation;
}

licensing::Activation bare_activation(std::uint64_t client) {
  licensing::Activation activation;
  activation.client = id_of('c', client);
  return activation;
}

// First of all: never more than there are. 32 threads, half of them in a second process where the engine lets one in,
// each want one of ten seats; fifty times.
TEST_P(StoreConformance, no_seat_is_sold_twice) {
  constexpr std::uint64_t kRounds = 50;
  constexpr unsigned kThreads = 32;
  make_licenses(kRounds);
  const std::string url = database_->url_for_others();
  std::optional<SecondProcess> second;
  if (!url.empty()) second.emplace(url, kThreads / 2);
  unsigned won_there = 0;
  for (std::uint64_t round = 1; round <= kRounds; ++round) {
    if (second) second->begin(round);
    const unsigned here = take_seats(*store_, round, second ? kThreads / 2 : kThreads, "first");
    const std::optional<unsigned> there = second ? second->end() : 0U;
    ASSERT_TRUE(there) << "the second process ended";
    won_there += *there;
    EXPECT_EQ(here + *there, kSeats) << "round " << round;
    EXPECT_EQ(row_of(round).state.seats_held, kSeats);
    const auto clients = reader_->clients(row_of(round).row, "", 1'000);
    EXPECT_EQ(std::ranges::count_if(clients, [](const auto& client) { return client.activation.held; }), kSeats);
  }
  if (second) {
    EXPECT_THAT(won_there, testing::AllOf(testing::Gt(0U), testing::Lt(kRounds * kSeats))) << "no race";
  }
  EXPECT_EQ(reader_->audit_head().sequence, kRounds * kSeats);
  EXPECT_EQ(chain_fault(), "");
}

TEST_P(StoreConformance, keeps_every_member_of_a_license) {
  make_licenses(2);
  store::NewLicense issued = new_license(3, policy_);
  issued.overrides = "{\"max_clients\":7}";
  issued.state = full_license();
  store_->write([&](store::Tx& tx) { tx.insert_licenses(std::vector{issued}); });
  const auto details = reader_->license_details(by_key(3), 0).value();
  EXPECT_EQ(details.license.id, issued.id);
  EXPECT_EQ(details.license.key_digest, issued.key_digest);
  EXPECT_EQ(details.license.policy, policy_);
  EXPECT_EQ(details.license.overrides, issued.overrides);
  EXPECT_EQ(details.license.state, issued.state);
  EXPECT_EQ(details.key, "KEY-3");
  EXPECT_EQ(details.holder, "odd");

  store::Changes changes;
  changes.licenses.push_back({row_of(2).row, full_license()});
  apply(changes);
  EXPECT_EQ(row_of(2).state, full_license());
  EXPECT_EQ(row_of(1).state, new_license(1, policy_).state);
}

TEST_P(StoreConformance, finds_by_id_and_by_key_and_nothing_else) {
  make_licenses(2);
  EXPECT_EQ(reader_->license(by_key(2), std::nullopt, kNow)->license.id, id_of('l', 2));
  EXPECT_FALSE(reader_->license(by_id(3), std::nullopt, kNow));
  EXPECT_FALSE(reader_->license({store::LicenseRef::By::id, id_of('k', 2)}, std::nullopt, kNow));
  EXPECT_FALSE(reader_->license_details(by_key(9), kNow));
  store_->write([&](store::Tx& tx) {
    const auto locked = tx.lock(std::vector{by_id(2), by_id(7), by_key(1), by_id(2)});
    ASSERT_THAT(locked, SizeIs(4));
    EXPECT_EQ(locked[0]->id, id_of('l', 2));
    EXPECT_FALSE(locked[1]);
    EXPECT_EQ(locked[2]->id, id_of('l', 1));
    EXPECT_EQ(locked[3]->row, locked[0]->row);
  });
}

TEST_P(StoreConformance, keeps_every_member_of_an_activation) {
  make_licenses(1);
  const store::Row license = row_of(1).row;
  store::Changes changes;
  changes.activations.push_back({license, "first", full_activation(1), kNow + 3});
  changes.activations.push_back({license, "second", bare_activation(2), kNow});
  apply(changes);
  const auto first = reader_->client(id_of('c', 1)).value();
  EXPECT_EQ(first.activation, full_activation(1));
  EXPECT_EQ(first.license, license);
  EXPECT_EQ(first.license_id, id_of('l', 1));
  EXPECT_EQ(first.client_id, "first");
  EXPECT_EQ(first.last_seen_at, kNow + 3);
  EXPECT_EQ(reader_->client(id_of('l', 1), "second")->activation, bare_activation(2));
  EXPECT_FALSE(reader_->client(id_of('l', 1), "third"));
  EXPECT_FALSE(reader_->client(id_of('c', 3)));

  auto changed = full_activation(1);
  changed.held = changed.blocked = false;
  changed.lease_expires_at = kNever;
  changed.fingerprint = {};
  changed.version = "3";
  changes.activations = {{license, "first", changed, kNow + 9}};
  apply(changes);
  EXPECT_EQ(reader_->client(id_of('c', 1))->activation, changed);
  EXPECT_EQ(reader_->license(by_id(1), "first", kNow)->activation, changed);
  store_->write([&](store::Tx& tx) {
    const std::vector<store::SeatQuery> queries{{license, "none"}, {license, "first"}, {license + 1, "first"}};
    EXPECT_THAT(tx.activations(queries), ElementsAre(std::nullopt, changed, std::nullopt));
  });
}

// Whatever a store reads along with a license, it is what is there when it is asked for.
// The servers of tests/support/database_server.py flush nothing, unless they are told to.
TEST_P(StoreConformance, it_says_when_its_server_may_lose_what_was_committed) {
  const std::string gap = store_->durability_gap();
  EXPECT_EQ(gap.empty(), !store_->is_shared());
  EXPECT_THAT(gap, AnyOf("", HasSubstr("fsync is off"), "innodb_flush_log_at_trx_commit is 0"));
}

TEST_P(StoreConformance, locking_with_a_client_changes_no_answer) {
  make_licenses(3);
  give_seat(1, "leased", kNow + 10);
  give_seat(1, "held");
  give_seat(2, "held");
  const store::Row first = row_of(1).row, second = row_of(2).row;
  const std::string long_name(500, 'x');
  std::string wide_name;
  for (int i = 0; i < 200; ++i) wide_name += "\u4e2d";
  give_seat(2, wide_name);
  const auto held = [](const std::optional<licensing::Activation>& seat) { return seat && seat->held; };
  store_->write([&](store::Tx& tx) {
    const std::vector refs{by_id(2, "held"), by_key(1, "leased"), by_id(1, "held"),   by_key(1, "leased"),
                           by_id(3, "none"), by_id(7, "held"),    by_id(2, long_name)};
    const auto licenses = tx.lock(refs);
    ASSERT_THAT(licenses, SizeIs(refs.size()));
    EXPECT_EQ(licenses[0]->row, second);
    EXPECT_EQ(licenses[2]->row, first);
    EXPECT_EQ(licenses[3]->row, first);
    EXPECT_EQ(licenses[1]->state.seats_held, 2U);
    EXPECT_FALSE(licenses[5]);
    const std::vector<store::SeatQuery> queries{{second, "held"},    {first, "leased"},   {first, "none"},
                                                {second, "leased"},  {first, "held"},     {first, "leased"},
                                                {second, wide_name}, {second, long_name}, {first, "held "}};
    const auto seats = tx.activations(queries);
    std::vector<bool> holds;
    for (const auto& seat : seats) holds.push_back(held(seat));
    EXPECT_THAT(holds, ElementsAre(true, true, false, false, true, true, true, false, false));
    EXPECT_EQ(seats[0]->client, held_seat(second, "held").state.client);
    EXPECT_EQ(seats[1]->lease_expires_at, kNow + 10);
    EXPECT_EQ(seats[1], seats[5]);
    // A lease that is taken out, and what is written, are seen.
    ASSERT_THAT(tx.reclaim(std::vector{first}, kNow + 20), SizeIs(1));
    EXPECT_FALSE(held(tx.activations(queries)[1]));
    store::Changes changes;
    changes.activations.push_back(held_seat(first, "none"));
    changes.activations.push_back(held_seat(second, "held"));
    changes.activations.back().state.held = false;
    tx.apply(changes);
    const auto after = tx.activations(queries);
    EXPECT_FALSE(held(after[0]));
    EXPECT_TRUE(held(after[2]));
  });
  store_->write([&](store::Tx& tx) {
    const store::Row third = tx.lock(std::vector{by_id(3, "new")}).front()->row;
    store::Changes changes;
    changes.activations.push_back(held_seat(third, "new"));
    tx.apply(changes);
    EXPECT_TRUE(held(tx.activations(std::vector<store::SeatQuery>{{third, "new"}}).front()));
  });
  // In another transaction; with a name of many bytes.
  for (const std::string& other : {std::string("none"), wide_name}) {
    store_->write([&](store::Tx& tx) {
      const auto licenses = tx.lock(std::vector{by_id(1, "leased"), by_id(2, "held"), by_id(2, other)});
      EXPECT_EQ(licenses[0]->state.seats_held, 1U);
      const std::vector<store::SeatQuery> queries{{first, "leased"}, {second, "held"}, {second, other}};
      const auto seats = tx.activations(queries);
      EXPECT_FALSE(held(seats[0]));
      EXPECT_FALSE(held(seats[1]));
      EXPECT_EQ(held(seats[2]), other == wide_name);
    });
  }
}

// Whether a row is there may be known, from what was asked or written before, or not.
TEST_P(StoreConformance, activations_are_stored_whether_they_were_asked_for_or_not) {
  make_licenses(1);
  give_seat(1, "forgotten");
  give_seat(1, "blocked");
  const store::Row row = row_of(1).row;
  const auto blocks = [&](store::Tx& tx, const std::vector<std::string>& names) {
    store::Changes changes;
    for (const std::string& name : names) {
      changes.activations.push_back(held_seat(row, name));
      changes.activations.back().state.blocked = true;
    }
    tx.apply(changes);
  };
  store_->write([&](store::Tx& tx) {
    tx.lock(std::vector{by_id(1, "forgotten"), by_id(1, "new")});
    tx.activations(std::vector<store::SeatQuery>{{row, "forgotten"}, {row, "new"}});
    tx.delete_activation(row, "forgotten");
    blocks(tx, {"forgotten", "new", "blocked", "unasked"});
    blocks(tx, {"new"});
  });
  store_->write([&](store::Tx& tx) {
    tx.lock(std::vector{by_id(1)});
    const auto seats = tx.activations(
        std::vector<store::SeatQuery>{{row, "forgotten"}, {row, "new"}, {row, "blocked"}, {row, "unasked"}});
    for (const auto& seat : seats) EXPECT_TRUE(seat && seat->blocked);
  });
}

// A store may remember what it wrote itself; another one's events may be behind it.
TEST_P(StoreConformance, others_may_append_at_any_time) {
  if (database_->url_for_others().empty()) GTEST_SKIP() << "one process has it to itself";
  const std::unique_ptr<store::Store> other = database_->open();
  store::Changes changes;
  changes.events.push_back(event("one"));
  changes.events.push_back(event("two"));
  std::int64_t written = 0;
  const auto append = [&](store::Store& store, int transactions) {
    for (int i = 0; i < transactions; ++i, written += 2) store.write([&](store::Tx& tx) { tx.apply(changes); });
  };
  for (const int in_a_row : {1, 2, 40}) {
    append(*store_, in_a_row);
    append(*other, 1);
    append(*store_, 1);
    append(*other, in_a_row);
  }
  EXPECT_EQ(reader_->audit_head().sequence, written);
  EXPECT_EQ(chain_fault(), "");
  // Both at once, after one was alone.
  append(*store_, 40);
  std::thread there([&] {
    for (int i = 0; i < 200; ++i) other->write([&](store::Tx& tx) { tx.apply(changes); });
  });
  append(*store_, 200);
  there.join();
  EXPECT_EQ(reader_->audit_head().sequence, written + 400);
  EXPECT_EQ(chain_fault(), "");
}

// Terms of a policy are in memory, and a license's lock may be waited for while they change.
TEST_P(StoreConformance, terms_that_changed_before_all_was_locked_are_not_decided_by) {
  if (database_->url_for_others().empty()) GTEST_SKIP() << "one process has it to itself";
  make_licenses(2);
  const std::unique_ptr<store::Store> other = database_->open(), third = database_->open();
  const auto change_policy = [&] {
    store::Changes changes;
    changes.events.push_back(event("policy.updated"));
    third->write([&](store::Tx& tx) {
      tx.lock_catalog();
      tx.apply(changes);
    });
    return reader_->catalog_version();
  };
  store::Changes granted;
  granted.events.push_back(event("seat.granted"));
  std::vector<std::int64_t> versions;
  // Behind the lock, before the event; also by a store that was alone for a while.
  std::int64_t changed = 0;
  for (const int times_alone : {0, 20}) {
    for (int i = 0; i < times_alone; ++i) store_->write([&](store::Tx& tx) { tx.apply(granted); });
    versions.clear();
    store_->write([&](store::Tx& tx) {
      tx.lock(std::vector{by_id(1)});
      versions.push_back(tx.catalog_version().value());
      if (versions.size() == 1) changed = change_policy();
      tx.apply(granted);
    });
    EXPECT_THAT(versions, ElementsAre(Lt(changed), changed)) << times_alone;
  }
  // While a lock is waited for; also when nothing is appended.
  std::promise<void> is_locked, may_end;
  std::thread holder([&] {
    other->write([&](store::Tx& tx) {
      tx.lock(std::vector{by_id(1)});
      is_locked.set_value();
      may_end.get_future().wait();
    });
  });
  is_locked.get_future().wait();
  versions.clear();
  std::thread waiting([&] {
    store_->write([&](store::Tx& tx) {
      tx.lock(std::vector{by_id(1), by_id(2)});
      versions.push_back(tx.catalog_version().value());
    });
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  changed = change_policy();
  may_end.set_value();
  holder.join();
  waiting.join();
  EXPECT_THAT(versions, ElementsAre(changed));
}

// It is frozen, or its machine is gone: nobody tells the server.
TEST_P(StoreConformance, what_a_silent_process_has_locked_is_free_after_seconds) {
  const std::string url = database_->url_for_others();
  if (url.empty()) GTEST_SKIP() << "one process has it to itself";
  make_licenses(1);
  const std::unique_ptr<store::Store> silent =
      url.starts_with("mysql")
          ? store::open_mysql({.url = url, .timeout = std::chrono::seconds(1), .on_commit = {}})
          : store::open_postgres({.url = url, .timeout = std::chrono::seconds(1), .on_commit = {}});
  std::promise<void> is_locked;
  int tries = 0;
  std::thread frozen([&] {
    silent->write([&](store::Tx& tx) {
      tx.lock(std::vector{by_id(1)});
      if (++tries > 1) return;
      is_locked.set_value();
      std::this_thread::sleep_for(std::chrono::seconds(8));
      store::Changes changes;
      changes.events.push_back(event("seat.granted"));
      tx.apply(changes);
    });
  });
  is_locked.get_future().wait();
  const auto start = std::chrono::steady_clock::now();
  store_->write([&](store::Tx& tx) { tx.lock(std::vector{by_id(1)}); });
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(7'500));
  frozen.join();
  EXPECT_EQ(tries, 2) << "it finds its transaction gone, and begins anew";
}

TEST_P(StoreConformance, a_throw_rolls_everything_back) {
  make_licenses(1);
  const auto before = row_of(1);
  EXPECT_THROW(store_->write([&](store::Tx& tx) {
    tx.lock(std::vector{by_id(1)});
    tx.insert_licenses(std::vector{new_license(2, policy_)});
    store::Changes changes;
    changes.licenses.push_back({before.row, full_license()});
    changes.activations.push_back(held_seat(before.row, "c"));
    changes.events.push_back(event("seat.granted"));
    tx.apply(changes);
    throw std::runtime_error("no");
  }),
               std::runtime_error);
  EXPECT_EQ(row_of(1).state, before.state);
  EXPECT_FALSE(reader_->license(by_id(2), std::nullopt, kNow));
  EXPECT_FALSE(reader_->client(id_of('l', 1), "c"));
  EXPECT_EQ(reader_->audit_head().sequence, 0);
  // … and the next one starts from what was committed.
  store::Changes changes;
  changes.events.push_back(event("after"));
  apply(changes);
  EXPECT_EQ(reader_->audit_head().sequence, 1);
  EXPECT_EQ(chain_fault(), "");
}

TEST_P(StoreConformance, readers_see_each_commit_at_once) {
  make_licenses(1);
  const store::Row license = row_of(1).row;
  for (std::uint32_t round = 1; round <= 20; ++round) {
    store::Changes changes;
    changes.licenses.push_back({license, {}});
    changes.licenses.back().state.transfers = round;
    apply(changes);
    EXPECT_EQ(row_of(1).state.transfers, round);
  }
}

TEST_P(StoreConformance, unique_values_are_refused_whole) {
  make_licenses(2);
  auto same_key = new_license(3, policy_);
  same_key.key_digest = id_of('k', 1);
  auto same_id = new_license(1, policy_);
  same_id.key_digest = id_of('k', 3);
  for (const auto& license : {same_key, same_id}) {
    EXPECT_EQ(
        kind_of([&] {
          store_->write([&](store::Tx& tx) { tx.insert_licenses(std::vector{new_license(9, policy_), license}); });
        }),
        StoreError::Kind::unique_violation);
    EXPECT_FALSE(reader_->license(by_id(9), std::nullopt, kNow));
  }
  EXPECT_EQ(kind_of([&] { make_policy("floating"); }), StoreError::Kind::unique_violation);
  give_seat(1, "first");
  store::Changes changes;  // a second client with the id of the first
  changes.activations.push_back(held_seat(row_of(2).row, "other"));
  changes.activations.back().state.client = held_seat(row_of(1).row, "first").state.client;
  EXPECT_EQ(kind_of([&] { apply(changes); }), StoreError::Kind::unique_violation);
}

// Also when somebody else gave the key to another license, and this store has known whose it was.
TEST_P(StoreConformance, licenses_are_locked_by_the_key_that_they_have_now) {
  make_licenses(3);
  const auto locked = [this](const store::LicenseRef& ref) {
    store::Row row = 0;
    store_->write([&](store::Tx& tx) {
      const auto found = tx.lock(std::array{ref, by_key(2)});
      ASSERT_TRUE(found[1]) << "whatever became of the other";
      row = found[0] ? found[0]->row : 0;
    });
    return row;
  };
  const store::Row first = row_of(1).row, third = row_of(3).row;
  EXPECT_EQ(locked(by_key(1)), first);
  EXPECT_EQ(locked(by_key(3)), third);
  const std::unique_ptr<store::Store> other = database_->url_for_others().empty() ? nullptr : database_->open();
  const auto give_key = [&](std::uint64_t license, std::uint64_t key) {
    (other ? *other : *store_).write([&](store::Tx& tx) {
      const auto details = tx.lock_details(std::array{by_id(license)})[0].value();
      tx.change_license({.row = details.license.row,
                         .policy = details.license.policy,
                         .overrides = details.license.overrides,
                         .key_digest = id_of('k', key),
                         .key = std::to_string(key),
                         .holder = details.holder,
                         .state = details.license.state});
    });
  };
  give_key(1, 77);
  give_key(3, 1);
  EXPECT_EQ(locked(by_key(1)), third);
  EXPECT_EQ(locked(by_key(3)), 0);
  EXPECT_EQ(locked(by_key(77)), first);
  EXPECT_EQ(locked(by_id(1)), first);
}

TEST_P(StoreConformance, an_update_of_what_is_not_there_is_no_success) {
  make_licenses(1);
  store::Changes changes;
  changes.licenses.push_back({row_of(1).row + 1, {}});
  EXPECT_THROW(apply(changes), StoreError);
  changes.licenses.clear();
  changes.activations.push_back(held_seat(row_of(1).row + 1, "c"));
  EXPECT_THROW(apply(changes), StoreError);
}

TEST_P(StoreConformance, ended_leases_are_reclaimed) {
  make_licenses(2);
  give_seat(1, "a", kNow + 10);
  give_seat(1, "b", kNow + 20);
  give_seat(1, "c", kNow + 30);
  give_seat(1, "node-locked");
  give_seat(2, "a", kNow + 10);
  const store::Row license = row_of(1).row;
  store_->write([&](store::Tx& tx) {
    EXPECT_THAT(tx.reclaim(std::vector{license}, kNow + 9), IsEmpty());
    EXPECT_EQ(tx.next_lease_end(license), kNow + 10);
  });
  EXPECT_EQ(row_of(1).state.seats_held, 4U);
  store_->write([&](store::Tx& tx) {
    auto ended = tx.reclaim(std::vector{license}, kNow + 20);
    std::sort(ended.begin(), ended.end(), [](const auto& x, const auto& y) { return x.client_id < y.client_id; });
    ASSERT_THAT(ended, SizeIs(2));
    EXPECT_EQ(ended[0].client_id, "a");
    EXPECT_EQ(ended[0].client, held_seat(license, "a").state.client);
    EXPECT_EQ(ended[0].lease_expires_at, kNow + 10);
    EXPECT_EQ(ended[1].client_id, "b");
    EXPECT_EQ(ended[1].license, license);
    EXPECT_THAT(tx.reclaim(std::vector{license}, kNow + 20), IsEmpty());
    EXPECT_EQ(tx.next_lease_end(license), kNow + 30);
  });
  EXPECT_EQ(row_of(1).state.seats_held, 2U);
  EXPECT_EQ(row_of(1).state.next_lease_end, kNow + 30);
  EXPECT_FALSE(reader_->client(id_of('l', 1), "a")->activation.held);
  EXPECT_EQ(reader_->client(id_of('l', 1), "a")->activation.lease_expires_at, kNow + 10);
  EXPECT_TRUE(reader_->client(id_of('l', 1), "node-locked")->activation.held);
  EXPECT_EQ(row_of(2).state.seats_held, 1U);
  store_->write([&](store::Tx& tx) {
    EXPECT_THAT(tx.reclaim(std::vector{license, row_of(2).row}, kNever - 1), SizeIs(2));
    EXPECT_EQ(tx.next_lease_end(license), kNever);
  });
  EXPECT_EQ(row_of(1).state.seats_held, 1U);
  EXPECT_EQ(row_of(1).state.next_lease_end, kNever);
}

TEST_P(StoreConformance, a_renewed_lease_ends_later) {
  make_licenses(1);
  give_seat(1, "a", kNow + 10);
  store::Changes changes;
  changes.activations.push_back(held_seat(row_of(1).row, "a", kNow + 100));
  apply(changes);
  store_->write([&](store::Tx& tx) {
    EXPECT_THAT(tx.reclaim(std::vector{row_of(1).row}, kNow + 50), IsEmpty());
    EXPECT_EQ(tx.next_lease_end(row_of(1).row), kNow + 100);
  });
}

TEST_P(StoreConformance, what_is_read_at_one_moment_is_of_one) {
  make_licenses(1);
  reader_->at_one_moment([&] {
    EXPECT_EQ(reader_->totals().licenses, 1);
    const store::Row policy = make_policy("later");
    store_->write([&](store::Tx& tx) { tx.insert_licenses(std::vector{new_license(2, policy)}); });
    EXPECT_EQ(reader_->totals().licenses, 1) << "a commit in between is not seen";
  });
  EXPECT_EQ(reader_->totals().licenses, 2);
  EXPECT_THROW(reader_->at_one_moment([] { throw std::runtime_error("no"); }), std::runtime_error);
  EXPECT_EQ(reader_->totals().licenses, 2) << "nothing is left open";
}

TEST_P(StoreConformance, a_reader_does_not_count_ended_leases) {
  make_licenses(1);
  give_seat(1, "a", kNow + 10);
  give_seat(1, "b", kNow + 20);
  struct Case {
    store::UnixSeconds now;
    std::uint32_t seats;
    store::UnixSeconds next_end;
  };
  for (const Case& expected : {Case{kNow, 2, kNow + 10}, Case{kNow + 9, 2, kNow + 10}, Case{kNow + 10, 1, kNow + 20},
                               Case{kNow + 19, 1, kNow + 20}, Case{kNow + 20, 0, kNever}}) {
    const auto view = reader_->license(by_id(1), "a", expected.now).value();
    EXPECT_EQ(view.license.state.seats_held, expected.seats) << expected.now - kNow;
    EXPECT_EQ(view.license.state.next_lease_end, expected.next_end) << expected.now - kNow;
    EXPECT_TRUE(view.activation->held);  // as it is in the row
    EXPECT_EQ(view.activation->lease_expires_at, kNow + 10);
    EXPECT_EQ(reader_->license_details(by_id(1), expected.now)->license.state.seats_held, expected.seats);
    EXPECT_EQ(reader_->licenses({}, Order::newest, {}, 9, expected.now).licenses.front().license.state.seats_held,
              expected.seats);
  }
}

store::UsageUpdate usage(store::Row license, std::int64_t total, const std::string& key, store::UnixSeconds at) {
  return {.license = license,
          .metric = "calls",
          .period_start = kNow,
          .total = total,
          .idempotency_key = key,
          .key = {id_of('r', static_cast<std::uint64_t>(total)), id_of('s', 1), "answer " + std::to_string(total), at}};
}

store::UsageState usage_state(store::Store& store, store::Row license, std::string_view key) {
  store::UsageState state;
  store.write([&](store::Tx& tx) {
    state = tx.usage(std::vector<store::UsageQuery>{{license, "calls", kNow, key}}).front();
  });
  return state;
}

TEST_P(StoreConformance, usage_is_counted_and_keys_are_remembered) {
  make_licenses(1);
  const store::Row license = row_of(1).row;
  EXPECT_EQ(usage_state(*store_, license, "one").total, 0);
  store::Changes changes;
  changes.usage = {usage(license, 5, "one", kNow), usage(license, 8, "two", kNow), usage(license, 9, "", kNow)};
  apply(changes);
  const auto state = usage_state(*store_, license, "one");
  EXPECT_EQ(state.total, 9);
  ASSERT_TRUE(state.earlier);
  EXPECT_EQ(state.earlier->request, id_of('r', 5));
  EXPECT_EQ(state.earlier->signature, id_of('s', 1));
  EXPECT_EQ(state.earlier->answer, "answer 5");
  EXPECT_EQ(state.earlier->created_at, kNow);
  EXPECT_FALSE(usage_state(*store_, license, "three").earlier);
  EXPECT_FALSE(usage_state(*store_, license, "").earlier);
  EXPECT_FALSE(usage_state(*store_, license + 1, "one").earlier);
  store_->write([&](store::Tx& tx) {
    const std::vector<store::UsageQuery> others{{license, "other", kNow, "one"}, {license, "calls", kNow + 1, ""}};
    EXPECT_EQ(tx.usage(others)[0].total, 0);
    EXPECT_EQ(tx.usage(others)[1].total, 0);
  });
  changes.usage = {usage(license, 20, "one", kNow + 90'000)};  // the caller says that the old one has expired
  apply(changes);
  EXPECT_EQ(usage_state(*store_, license, "one").earlier->answer, "answer 20");
}

TEST_P(StoreConformance, usage_keys_live_a_day) {
  make_licenses(1);
  const store::Row license = row_of(1).row;
  store::Changes changes;
  for (int i = 0; i < 20; ++i) changes.usage.push_back(usage(license, i, "old-" + std::to_string(i), kNow));
  apply(changes);
  changes.usage = {usage(license, 30, "young", kNow + 86'400)};
  apply(changes);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(usage_state(*store_, license, "old-" + std::to_string(i)).earlier) << i;
  for (int round = 0; round < 3; ++round) {
    changes.usage = {usage(license, 40, "new", kNow + 86'401)};
    apply(changes);
  }
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(usage_state(*store_, license, "old-" + std::to_string(i)).earlier) << i;
  EXPECT_TRUE(usage_state(*store_, license, "young").earlier);
  EXPECT_EQ(usage_state(*store_, license, "").total, 40);
}

TEST_P(StoreConformance, pages_of_clients) {
  make_licenses(2);
  for (const char* client : {"c", "a", "b"}) give_seat(1, client);
  give_seat(2, "z");
  const store::Row license = row_of(1).row;
  auto page = reader_->clients(license, "", 2);
  ASSERT_THAT(page, SizeIs(2));
  EXPECT_EQ(page[0].client_id, "a");
  EXPECT_EQ(page[1].client_id, "b");
  page = reader_->clients(license, "b", 2);
  ASSERT_THAT(page, SizeIs(1));
  EXPECT_EQ(page[0].client_id, "c");
  EXPECT_EQ(page[0].license_id, id_of('l', 1));
}

TEST_P(StoreConformance, events_by_sequence_subject_and_action) {
  store::Changes changes;
  changes.events = {event("seat.granted", "lic_1"), event("seat.refused", "lic_2"), event("license.issued", "lic_1")};
  apply(changes);
  apply(changes);
  const auto sequences = [&](std::int64_t after, const char* subject, const char* action, std::size_t limit) {
    std::vector<std::int64_t> found;
    store::EventFilter filter;
    filter.after = after;
    filter.subject = subject;
    filter.action = action;
    for (const auto& stored : reader_->events(filter, limit).events) {
      found.push_back(stored.sequence);
    }
    return found;
  };
  EXPECT_THAT(sequences(0, "", "", 100), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(sequences(2, "", "", 2), ElementsAre(3, 4));
  EXPECT_THAT(sequences(0, "lic_1", "", 100), ElementsAre(1, 3, 4, 6));
  EXPECT_THAT(sequences(3, "lic_1", "", 100), ElementsAre(4, 6));
  EXPECT_THAT(sequences(0, "", "seat.", 100), ElementsAre(1, 2, 4, 5));
  EXPECT_THAT(sequences(0, "lic_1", "seat.", 100), ElementsAre(1, 4));
  EXPECT_THAT(sequences(0, "", "seat_", 100), IsEmpty());
  const auto stored = reader_->events({}, 1).events.front();
  EXPECT_EQ(stored.event.actor, "system");
  EXPECT_EQ(stored.event.request_id, "req_1");
  EXPECT_EQ(stored.event.detail, "{}");
  EXPECT_EQ(stored.event.at, kNow);
  EXPECT_THAT(stored.hash, SizeIs(64));
  store::EventFilter last;
  last.after = 5;
  EXPECT_EQ(reader_->audit_head().hash, reader_->events(last, 1).events.front().hash);
  EXPECT_EQ(chain_fault(), "");
}

TEST_P(StoreConformance, api_keys) {
  make_licenses(1);
  store::ApiKey key{.id = id_of('a', 1),
                    .name = "ci",
                    .secret_hash = std::string("\0binary\xff", 8) + std::string(24, 'h'),
                    .scopes = "license:validate license:read",
                    .product = reader_->products().front().row,
                    .require_signature = true,
                    .created_at = kNow,
                    .expires_at = kNow + 5,
                    .revoked_at = 0,
                    .addresses = "10.0.0.0/8 ::1"};
  store::ApiKey any = key;
  any.id = id_of('a', 2);
  any.product = 0;
  any.expires_at = kNever;
  store_->write([&](store::Tx& tx) {
    tx.insert_api_key(key);
    tx.insert_api_key(any);
  });
  const auto found = reader_->api_key(key.id).value();
  EXPECT_EQ(found.name, key.name);
  EXPECT_EQ(found.secret_hash, key.secret_hash);
  EXPECT_EQ(found.scopes, key.scopes);
  EXPECT_EQ(found.product, key.product);
  EXPECT_TRUE(found.require_signature);
  EXPECT_EQ(found.created_at, kNow);
  EXPECT_EQ(found.expires_at, kNow + 5);
  EXPECT_EQ(found.revoked_at, 0);
  EXPECT_EQ(reader_->api_key(any.id)->product, 0);
  EXPECT_EQ(reader_->api_key(any.id)->expires_at, kNever);
  EXPECT_FALSE(reader_->api_key(id_of('a', 3)));
  std::vector<bool> revoked;
  store_->write([&](store::Tx& tx) {
    for (const std::uint64_t number : {1, 1, 3}) revoked.push_back(tx.revoke_api_key(id_of('a', number), kNow + 2));
  });
  EXPECT_THAT(revoked, ElementsAre(true, false, false));
  EXPECT_EQ(reader_->api_key(key.id)->revoked_at, kNow + 2);
  EXPECT_THAT(reader_->api_keys(), SizeIs(2));
  EXPECT_EQ(kind_of([&] { store_->write([&](store::Tx& tx) { tx.insert_api_key(key); }); }),
            StoreError::Kind::unique_violation);
}

TEST_P(StoreConformance, products_and_policies) {
  const store::Row policy = make_policy("floating");
  const auto product = reader_->products().front();
  EXPECT_EQ(product.name, "product-floating");
  EXPECT_EQ(product.settings, "{}");
  EXPECT_EQ(product.created_at, kNow);
  store_->write([&](store::Tx& tx) { tx.update_product_settings(product.row, "{\"x\":1}"); });
  EXPECT_EQ(reader_->products().front().settings, "{\"x\":1}");
  const auto policies = reader_->policies();
  ASSERT_THAT(policies, SizeIs(1));
  EXPECT_EQ(policies[0].row, policy);
  EXPECT_EQ(policies[0].product, product.row);
  EXPECT_EQ(policies[0].name, "floating");
  EXPECT_EQ(policies[0].terms, "{\"max_clients\":10}");
  EXPECT_THROW(store_->write([&](store::Tx& tx) { tx.update_product_settings(product.row + 1, "{}"); }), StoreError);
}

TEST_P(StoreConformance, totals_are_exact) {
  EXPECT_EQ(reader_->totals().licenses, 0);
  EXPECT_EQ(reader_->totals().events, 0);
  make_licenses(3);
  give_seat(1, "a");
  give_seat(1, "b");
  give_seat(2, "a");
  store::Changes changes;
  changes.licenses.push_back({row_of(3).row, {.status = licensing::LicenseStatus::revoked}});
  changes.events = {event("x"), event("y")};
  apply(changes);
  const auto totals = reader_->totals();
  EXPECT_EQ(totals.licenses, 3);
  EXPECT_EQ(totals.active_licenses, 2);
  EXPECT_EQ(totals.seats_held, 3);
  EXPECT_EQ(totals.events, 2);
  EXPECT_NO_THROW(reader_->ping());
}

TEST_P(StoreConformance, everything_is_there_after_reopening) {
  make_licenses(1);
  give_seat(1, "a", kNow + 10);
  store::Changes changes;
  changes.events = {event("x")};
  changes.usage = {usage(row_of(1).row, 5, "one", kNow)};
  apply(changes);
  const auto digest_key = store_->digest_key();
  const auto license = row_of(1);
  EXPECT_NE(digest_key, decltype(digest_key){});
  reopen();
  EXPECT_EQ(store_->digest_key(), digest_key);
  EXPECT_EQ(row_of(1).state, license.state);
  EXPECT_EQ(row_of(1).row, license.row);
  EXPECT_TRUE(reader_->client(id_of('l', 1), "a")->activation.held);
  EXPECT_EQ(usage_state(*store_, license.row, "one").earlier->answer, "answer 5");
  apply(changes);
  EXPECT_EQ(reader_->audit_head().sequence, 2);
  EXPECT_EQ(chain_fault(), "");
}

}  // namespace
}  // namespace lictor::test
