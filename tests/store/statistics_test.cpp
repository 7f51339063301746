#include "store/statistics_conformance.h"

#include <gmock/gmock.h>

#include <map>
#include <random>

#include "store/seat_levels_codec.h"

namespace lictor::test {
namespace {

using store::DayCount;
using store::DayCountQuery;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr store::Day kDay = kNow / licensing::kDaySeconds;

store::Refusal refusal(int number, store::Row license = 0, const std::string& code = "LICENSE_EXPIRED") {
  return {.at = kNow + number,
          .request_id = "req_" + std::to_string(number),
          .endpoint = "/activate",
          .code = code,
          .message = "message " + std::to_string(number),
          .details = "{\"n\":" + std::to_string(number) + "}",
          .license = license,
          .client_id = "client-" + std::to_string(number % 3),
          .actor = "license"};
}

TEST_P(StatisticsConformance, refusals_keep_every_member) {
  make_licenses(2);
  const store::Refusal one = refusal(1, row_of(2).row);
  store::Refusal bare = refusal(2);
  bare.client_id = bare.details = bare.actor = "";
  write([&](auto& tx) { tx.add_refusals(std::vector{one, bare}); });
  const auto page = statistics().refusals({}, 0, 10);
  ASSERT_THAT(page.refusals, SizeIs(2));
  EXPECT_EQ(page.next, 0);
  EXPECT_EQ(page.refusals[0].refusal.details, "");
  EXPECT_FALSE(page.refusals[0].license_id);
  const auto& [row, kept, license_id] = page.refusals[1];
  EXPECT_EQ(license_id, id_of('l', 2));
  EXPECT_EQ(kept.at, one.at);
  EXPECT_EQ(kept.request_id, one.request_id);
  EXPECT_EQ(kept.endpoint, one.endpoint);
  EXPECT_EQ(kept.code, one.code);
  EXPECT_EQ(kept.message, one.message);
  EXPECT_EQ(kept.details, one.details);
  EXPECT_EQ(kept.client_id, one.client_id);
  EXPECT_EQ(kept.actor, one.actor);
  EXPECT_EQ(statistics().state().refusals, 2);
}

TEST_P(StatisticsConformance, refusals_by_license_request_client_and_code) {
  make_licenses(2);
  std::vector<store::Refusal> refusals;
  for (int i = 0; i < 9; ++i) {
    refusals.push_back(refusal(i, i % 2 == 0 ? row_of(1).row : 0, i < 4 ? "CLIENT_BLOCKED" : "LICENSE_EXPIRED"));
  }
  write([&](auto& tx) { tx.add_refusals(refusals); });
  for (const std::size_t limit : {1U, 2U, 100U}) {
    EXPECT_THAT(refused({}, limit),
                ElementsAre("req_8", "req_7", "req_6", "req_5", "req_4", "req_3", "req_2", "req_1", "req_0"));
    EXPECT_THAT(refused({.license = row_of(1).row}, limit), ElementsAre("req_8", "req_6", "req_4", "req_2", "req_0"));
    EXPECT_THAT(refused({.code = "CLIENT_BLOCKED", .license = row_of(1).row}, limit), ElementsAre("req_2", "req_0"));
    EXPECT_THAT(refused({.client_id = "client-1"}, limit), ElementsAre("req_7", "req_4", "req_1"));
    EXPECT_THAT(refused({.request_id = "req_3"}, limit), ElementsAre("req_3"));
    EXPECT_THAT(refused({.request_id = "req_3", .license = row_of(1).row}, limit), IsEmpty());
    EXPECT_THAT(refused({.request_id = "req_"}, limit), IsEmpty());
    EXPECT_THAT(refused({.license = row_of(2).row}, limit), IsEmpty());
  }
}

TEST_P(StatisticsConformance, a_look_up_examines_a_bounded_number_of_refusals) {
  std::vector<store::Refusal> refusals(11'000, refusal(1, 0, "NOT_FOUND"));
  refusals.front() = refusal(7);
  write([&](auto& tx) { tx.add_refusals(refusals); });
  auto page = statistics().refusals({.code = "LICENSE_EXPIRED"}, 0, 10);
  EXPECT_THAT(page.refusals, IsEmpty());
  EXPECT_NE(page.next, 0) << "there is more to look at";
  EXPECT_THAT(refused({.code = "LICENSE_EXPIRED"}, 10), ElementsAre("req_7"));
}

TEST_P(StatisticsConformance, the_oldest_refusals_go_first) {
  std::vector<store::Refusal> refusals;
  for (int i = 0; i < 20; ++i) refusals.push_back(refusal(i));
  write([&](auto& tx) {
    tx.add_refusals(refusals);
    EXPECT_EQ(tx.drop_refusals(kNow, 100, 50), 0U);
    EXPECT_EQ(tx.drop_refusals(kNow + 4, 100, 3), 3U) << "too old, but no more than were allowed to go";
    EXPECT_EQ(tx.drop_refusals(kNow + 4, 100, 3), 1U);
    EXPECT_EQ(tx.drop_refusals(kNow, 10, 50), 6U) << "too many";
    EXPECT_EQ(tx.drop_refusals(kNow, 10, 50), 0U);
  });
  EXPECT_EQ(statistics().state().refusals, 10);
  const auto left = refused({}, 100);
  ASSERT_THAT(left, SizeIs(10));
  EXPECT_EQ(left.back(), "req_10");
}

// The clock was a year ahead for a while: nothing that was refused after it was set right ever became old enough.
TEST_P(StatisticsConformance, refusals_behind_one_dated_in_the_future_go_by_their_age) {
  std::vector<store::Refusal> refusals{refusal(0)};
  for (int i = 1; i < 4; ++i) refusals.push_back(refusal(365 * 86'400 + i));
  for (int i = 4; i < 9; ++i) refusals.push_back(refusal(i));
  write([&](auto& tx) {
    tx.add_refusals(refusals);
    EXPECT_EQ(tx.drop_refusals(kNow + 7, 100, 3), 3U);
    EXPECT_EQ(tx.drop_refusals(kNow + 7, 100, 3), 1U);
  });
  EXPECT_THAT(refused({}, 100), ElementsAre("req_8", "req_7", "req_31536003", "req_31536002", "req_31536001"));
  EXPECT_EQ(statistics().state().refusals, 5);
}

TEST_P(StatisticsConformance, a_license_can_be_held_to_its_share) {
  make_licenses(1);
  const store::Row license = row_of(1).row;
  std::vector<store::Refusal> refusals{refusal(100)};
  for (int i = 0; i < 20; ++i) refusals.push_back(refusal(i, license));
  write([&](auto& tx) {
    tx.add_refusals(refusals);
    EXPECT_EQ(tx.drop_refusals_of(license, 20, 50), 0U);
    EXPECT_EQ(tx.drop_refusals_of(license, 5, 10), 10U);
    EXPECT_EQ(tx.drop_refusals_of(license, 5, 10), 5U);
    EXPECT_EQ(tx.drop_refusals_of(license, 5, 10), 0U);
    EXPECT_EQ(tx.drop_refusals_of(0, 5, 10), 0U);
  });
  EXPECT_THAT(refused({}, 100), ElementsAre("req_19", "req_18", "req_17", "req_16", "req_15", "req_100"));
  EXPECT_EQ(statistics().state().refusals, 6);
}

TEST_P(StatisticsConformance, usage_is_counted_by_day_license_and_product) {
  make_licenses(3);
  const store::Row one = row_of(1).row, two = row_of(2).row, p = product();
  use(one, "calls", kDay, 5);
  use(two, "calls", kDay, 7);
  use(one, "calls", kDay + 1, 1);
  use(one, "bytes", kDay, 100);
  const DayCountQuery all{.first = 0, .last = kDay + 9};
  DayCountQuery by_license = all;
  by_license.by_license = true;
  for (const std::size_t limit : {1U, 2U, 100U}) {
    EXPECT_THAT(usage(all, limit), ElementsAre(DayCount{kDay, p, 0, "bytes", 200}, DayCount{kDay, p, 0, "calls", 24},
                                               DayCount{kDay + 1, p, 0, "calls", 2}));
    EXPECT_THAT(usage(by_license, limit),
                ElementsAre(DayCount{kDay, p, one, "bytes", 200}, DayCount{kDay, p, one, "calls", 10},
                            DayCount{kDay, p, two, "calls", 14}, DayCount{kDay + 1, p, one, "calls", 2}));
    DayCountQuery narrow = by_license;
    narrow.product = p;
    narrow.license = one;
    narrow.name = "calls";
    EXPECT_THAT(usage(narrow, limit),
                ElementsAre(DayCount{kDay, p, one, "calls", 10}, DayCount{kDay + 1, p, one, "calls", 2}));
    narrow.last = kDay;
    EXPECT_THAT(usage(narrow, limit), SizeIs(1));
    narrow.product = p + 1;
    EXPECT_THAT(usage(narrow, limit), IsEmpty());
  }
  EXPECT_EQ(statistics().usage_days(by_license, 1).rows.front().license_id, id_of('l', 1));
  EXPECT_THAT(usage({.first = kDay + 2, .last = kDay + 9}, 10), IsEmpty());
}

TEST_P(StatisticsConformance, a_sum_that_leaves_the_range_stays_at_its_end) {
  make_licenses(1);
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  for (int i = 0; i < 3; ++i) use(row_of(1).row, "calls", kDay, kMost / 3);
  const auto counted = usage({.first = 0, .last = kDay}, 10);
  ASSERT_THAT(counted, SizeIs(1));
  EXPECT_EQ(counted[0].amount, kMost);
}

TEST_P(StatisticsConformance, usage_that_is_rolled_back_is_not_counted) {
  make_licenses(1);
  EXPECT_THROW(store_->write([&](store::Tx& tx) {
    store::Changes changes;
    changes.usage.push_back({});
    changes.usage.back().license = 1;
    changes.usage.back().product = 1;
    changes.usage.back().day = kDay;
    changes.usage.back().quantity = 5;
    tx.apply(changes);
    throw std::runtime_error("no");
  }),
               std::runtime_error);
  EXPECT_THAT(usage({.first = 0, .last = kDay}, 10), IsEmpty());
}

TEST_P(StatisticsConformance, refusals_are_counted_also_for_no_license) {
  make_licenses(1);
  const store::Row p = product(), license = row_of(1).row;
  write([&](auto& tx) {
    tx.count_refusals(std::vector<DayCount>{{kDay, p, license, "LICENSE_EXPIRED", 3},
                                            {kDay, 0, 0, "BAD_REQUEST", 2},
                                            {kDay, p, license, "LICENSE_EXPIRED", 4}});
    tx.count_refusals(std::vector<DayCount>{{kDay, 0, 0, "BAD_REQUEST", 1}});
  });
  const auto rows = [&](bool by_license) {
    std::vector<DayCount> counts;
    for (const auto& row : statistics().refusal_days({.first = 0, .last = kDay, .by_license = by_license}, 10).rows) {
      counts.push_back(row.count);
    }
    return counts;
  };
  EXPECT_THAT(rows(false),
              ElementsAre(DayCount{kDay, 0, 0, "BAD_REQUEST", 3}, DayCount{kDay, p, 0, "LICENSE_EXPIRED", 7}));
  EXPECT_THAT(rows(true), ElementsAre(DayCount{kDay, p, license, "LICENSE_EXPIRED", 7}));
}

TEST_P(StatisticsConformance, old_days_go_in_bounded_steps) {
  make_licenses(1);
  for (store::Day day = kDay; day < kDay + 10; ++day) use(row_of(1).row, "calls", day, 1);
  std::vector<DayCount> counts;
  for (store::Day day = kDay; day < kDay + 10; ++day) counts.push_back({day, 0, 0, "X", 1});
  write([&](auto& tx) {
    tx.count_refusals(counts);
    EXPECT_EQ(tx.drop_usage_days(kDay, 100), 0U);
    EXPECT_EQ(tx.drop_usage_days(kDay + 5, 7), 7U) << "two rows a day";
    EXPECT_EQ(tx.drop_usage_days(kDay + 5, 7), 3U);
    EXPECT_EQ(tx.drop_usage_days(kDay + 5, 7), 0U);
    EXPECT_EQ(tx.drop_refusal_days(kDay + 8, 100), 8U);
  });
  const auto left = usage({.first = 0, .last = kDay + 100}, 100);
  ASSERT_THAT(left, SizeIs(5));
  EXPECT_EQ(left.front().day, kDay + 5);
}

TEST_P(StatisticsConformance, series_of_seats_keep_every_member) {
  make_licenses(3);
  const store::Row p = product();
  EXPECT_EQ(statistics().seats_of(id_of('l', 2))->license, row_of(2).row);
  EXPECT_EQ(statistics().seats_of(id_of('l', 2))->product, p);
  EXPECT_EQ(statistics().seats_of(id_of('l', 2))->sequence, 0);
  EXPECT_FALSE(statistics().seats_of(id_of('l', 9)));
  store::SeatState state{.product = p, .license = row_of(2).row, .sequence = 77, .series = {}};
  state.series = {.held = 5,
                  .since = kNow,
                  .changed = true,
                  .start = 3,
                  .peak = 9,
                  .seat_seconds = 12'345'678'901,
                  .levels = {{1, 5}, {100, 70'000}, {licensing::kUnlimited, 1}}};
  store::SeatState whole{.product = p, .license = 0, .sequence = 78, .series = {.held = 1, .levels = {}}};
  store::SeatChanges changes;
  changes.states = {state, whole};
  changes.days = {{p, state.license, {.day = kDay, .start = 1, .peak = 4, .p95 = 3, .seat_seconds = 99}},
                  {p, state.license, {.day = kDay + 1, .start = 2, .peak = 2, .p95 = 1, .seat_seconds = 7}}};
  changes.pending = {{{p, kNow, 1, -2, 3}, {p, kNow + 1, 0, 1, 1}}};
  changes.license_sequence = 77;
  changes.product_sequence = 78;
  write([&](auto& tx) { tx.store_seats(changes); });

  EXPECT_EQ(statistics().seats_of(p, state.license).series, state.series);
  EXPECT_EQ(statistics().seats_of(id_of('l', 2))->series, state.series);
  EXPECT_EQ(statistics().seats_of(id_of('l', 2))->sequence, 77);
  EXPECT_EQ(statistics().seats_of(p, 0).series, whole.series);
  EXPECT_EQ(statistics().pending_seats(), *changes.pending);
  EXPECT_EQ(statistics().state().license_sequence, 77);
  EXPECT_EQ(statistics().state().product_sequence, 78);
  const auto page = statistics().seats_of_licenses(p, 0, 10);
  ASSERT_THAT(page, SizeIs(1)) << "the product itself is no license";
  EXPECT_EQ(page[0].license_id, id_of('l', 2));
  EXPECT_THAT(statistics().seats_of_licenses(p, state.license, 10), IsEmpty());
  EXPECT_THAT(statistics().closed_days(p, state.license, kDay, 10),
              ElementsAre(changes.days[0].day, changes.days[1].day));
  EXPECT_THAT(statistics().closed_days(p, state.license, kDay + 1, 10), SizeIs(1));
  EXPECT_THAT(statistics().closed_days(p, state.license, kDay, 1), SizeIs(1));

  write([&](auto& tx) {
    store::SeatChanges later;
    later.states = {state};
    later.states[0].series.levels.clear();
    tx.store_seats(later);
    EXPECT_EQ(tx.drop_seat_days(kDay + 1, 10), 1U);
    EXPECT_EQ(tx.drop_seat_days(kDay + 1, 10), 0U);
  });
  EXPECT_THAT(statistics().pending_seats(), SizeIs(2)) << "left alone";
  EXPECT_THAT(statistics().seats_of(p, state.license).series.levels, IsEmpty());
  EXPECT_EQ(statistics().state().seats_from, kDay + 1);
  write([&](auto& tx) {
    tx.store_seats({.states = {}, .days = {}, .pending = {{}}, .license_sequence = {}, .product_sequence = {}});
  });
  EXPECT_THAT(statistics().pending_seats(), IsEmpty());
}

TEST_P(StatisticsConformance, series_of_many_licenses_at_once) {
  constexpr std::uint32_t kLicenses = 700;  // more than one statement takes, and no power of two
  make_licenses(kLicenses);
  store::SeatChanges changes;
  for (std::uint32_t i = 1; i <= kLicenses; i += 2) {
    const store::Row row = row_of(i).row;
    changes.states.push_back({product(), row, i, {.held = i, .levels = {{i, 60}}}});
    changes.days.push_back({product(), row, {.day = kDay, .start = i, .peak = i, .p95 = i, .seat_seconds = i}});
  }
  write([&](auto& tx) { tx.store_seats(changes); });
  for (store::SeatState& state : changes.states) state.series.held += 1'000;
  write([&](auto& tx) { tx.store_seats(changes); });

  std::vector<store::Id> ids{id_of('l', 9'999)};
  for (std::uint32_t i = 1; i <= kLicenses; ++i) ids.push_back(id_of('l', i));
  std::map<store::Id, store::SeatState> found;
  statistics().seats_of(ids, [&](store::LicenseSeats&& seats) {
    EXPECT_TRUE(found.emplace(seats.license_id, std::move(seats.state)).second) << "each once";
  });
  ASSERT_EQ(found.size(), kLicenses);
  for (std::uint32_t i = 1; i <= kLicenses; ++i) {
    const store::SeatState& state = found.at(id_of('l', i));
    EXPECT_EQ(state.license, row_of(i).row);
    EXPECT_EQ(state.series.held, i % 2 == 1 ? 1'000 + i : 0U);
    EXPECT_EQ(state.sequence, i % 2 == 1 ? i : 0);
  }
  EXPECT_THAT(statistics().closed_days(product(), row_of(699).row, kDay, 10), ElementsAre(changes.days.back().day));
  statistics().seats_of({}, [](store::LicenseSeats&&) { FAIL() << "of none"; });
}

TEST_P(StatisticsConformance, events_about_seats) {
  store::Changes changes;
  changes.events = {event("seat.granted"), event("license.issued"), event("seat.released", "lic_2"), event("other")};
  apply(changes);
  std::vector<std::string> seen;
  const auto visit = [&](const store::SeatEvent& seat) {
    seen.push_back(std::to_string(seat.sequence) + std::string(seat.action) + std::string(seat.subject));
    EXPECT_EQ(seat.at, kNow);
    EXPECT_EQ(seat.detail, "{}");
  };
  EXPECT_EQ(statistics().seat_events(0, 2, visit), 2);
  EXPECT_EQ(statistics().seat_events(2, 100, visit), 4) << "looked at, though it is not about a seat";
  EXPECT_EQ(statistics().seat_events(4, 100, visit), 4);
  EXPECT_THAT(seen, ElementsAre("1seat.grantedlic_1", "3seat.releasedlic_2"));
}

TEST_P(StatisticsConformance, licenses_with_ended_leases_come_until_they_are_reclaimed) {
  make_licenses(4);
  give_seat(2, "a", kNow + 20);
  give_seat(1, "a", kNow + 10);
  give_seat(3, "a");
  EXPECT_THAT(statistics().due_licenses(kNow + 9, 10), IsEmpty());
  EXPECT_THAT(statistics().due_licenses(kNow + 20, 10), ElementsAre(id_of('l', 1), id_of('l', 2)));
  EXPECT_THAT(statistics().due_licenses(kNow + 20, 1), ElementsAre(id_of('l', 1)));
  store::Changes renewed;  // the license's own time is a lower bound only
  renewed.activations.push_back(held_seat(row_of(2).row, "a", kNow + 100));
  apply(renewed);
  store_->write([&](store::Tx& tx) {
    tx.lock(std::vector{by_id(1), by_id(2)});
    EXPECT_THAT(tx.reclaim(std::vector{row_of(1).row, row_of(2).row}, kNow + 50), SizeIs(1));
  });
  EXPECT_THAT(statistics().due_licenses(kNow + 50, 10), IsEmpty()) << "also the one whose lease was renewed";
  EXPECT_THAT(statistics().due_licenses(kNow + 100, 10), ElementsAre(id_of('l', 2)));
}

TEST_P(StatisticsConformance, how_far_notices_of_expiry_have_come_is_kept) {
  using enum store::ExpiryNotice;
  EXPECT_EQ(statistics().noticed(expired), std::nullopt);
  const store::ExpiryPlace first{kNow, 7}, last{-5, std::numeric_limits<store::Row>::max()};
  const store::ExpiryPlace ahead{kNow, 7, std::chrono::hours(336)};
  const auto move = [&](store::ExpiryNotice notice, std::optional<store::ExpiryPlace> from, store::ExpiryPlace to) {
    bool moved = false;
    write([&](store::StatisticsTx& tx) { moved = tx.move_noticed(notice, from, to); });
    return moved;
  };
  EXPECT_FALSE(move(expired, first, last));
  EXPECT_TRUE(move(expired, std::nullopt, first));
  EXPECT_FALSE(move(expired, std::nullopt, last));
  EXPECT_FALSE(move(expired, last, last));
  EXPECT_TRUE(move(expiring, std::nullopt, ahead));
  EXPECT_EQ(statistics().noticed(expired), first);
  EXPECT_TRUE(move(expired, first, last));
  EXPECT_TRUE(move(expired, last, last)) << "also to where it is";
  EXPECT_EQ(statistics().noticed(expired), last);
  EXPECT_EQ(statistics().noticed(expiring), ahead);
}

TEST_P(StatisticsConformance, only_what_changed_of_a_license_is_written) {
  make_licenses(1);
  std::mt19937 random(3);
  licensing::License state = row_of(1).state;
  for (int i = 0; i < 60; ++i) {
    if (random() % 2 == 0) state.status = static_cast<licensing::LicenseStatus>(1 + random() % 3);
    if (random() % 2 == 0) state.expires_at = random() % 3 == 0 ? licensing::kNever : kNow + random() % 99;
    if (random() % 2 == 0) state.next_lease_end = random() % 3 == 0 ? licensing::kNever : kNow + random() % 99;
    state.seats_held = static_cast<std::uint32_t>(random() % 5);
    store::Changes changes;
    changes.licenses.push_back({row_of(1).row, state});
    apply(changes);
    EXPECT_EQ(row_of(1).state, state);
    EXPECT_EQ(reader_->totals().seats_held, state.seats_held);
    EXPECT_EQ(reader_->totals().active_licenses, state.status == licensing::LicenseStatus::active ? 1 : 0);
  }
}

TEST(SeatLevelsCodec, round_trip_and_nothing_else) {
  const std::vector<std::vector<licensing::SeatLevel>> all{
      {}, {{1, 1}}, {{127, 127}, {128, 128}, {256, 86'400}}, {{licensing::kUnlimited, licensing::kUnlimited}}};
  for (const auto& levels : all) EXPECT_EQ(store::decode_levels(store::encode_levels(levels)), levels);
  using Bytes = std::vector<std::uint8_t>;
  const std::vector<Bytes> bad{{1},
                               {0, 1},
                               {1, 0},
                               {0x80},
                               {0x81, 0, 1},
                               {1, 0x80, 0},
                               {1, 1, 0x80, 0x80},
                               {0xff, 0xff, 0xff, 0xff, 0x1f, 1},
                               {0xff, 0xff, 0xff, 0xff, 0x0f, 1, 1, 1}};
  for (const Bytes& bytes : bad) EXPECT_FALSE(store::decode_levels(bytes)) << testing::PrintToString(bytes);
}

}  // namespace
}  // namespace lictor::test
