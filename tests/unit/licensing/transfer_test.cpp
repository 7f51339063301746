// Deactivation, and transfers of node-locked seats per period: single decisions as tables, the tricks as stories.
#include <map>

#include "unit/licensing/scenario.h"

namespace lictor::test {
namespace {

constexpr auto kGranted = SeatChange::granted;

Decision deactivate_row(const World& world, const Ask&, UnixSeconds now) { return deactivate(world, now); }

TEST(Deactivate, Table) {
  constexpr auto kReleased = SeatChange::released;
  const std::vector<Row> rows{
      {"a held seat is freed", {held()}, {}, kNow, {.seat = kReleased, .writes = true, .held_after = 0, .vacant = 1}},
      {"one of several", {held(), max_clients(5), seats_held(3)}, {}, kNow, {.seat = kReleased, .held_after = 2}},
      {"a lease is freed and leaves no vacancy",
       {floating(kHour), leased(kNow + 1)},
       {},
       kNow,
       {.seat = kReleased, .held_after = 0, .vacant = 0}},
      {"never seen", {}, {}, kNow, {.writes = false}},
      {"known without a seat", {known()}, {}, kNow, {.writes = false}},
      {"given up before", {held(), released(kNow - 5), seats_held(0)}, {}, kNow, {.writes = false, .held_after = 0}},
      {"an ended lease holds nothing",
       {floating(kHour), leased(kNow), seats_held(0)},
       {},
       kNow,
       {.writes = false, .held_after = 0}},
      {"blocked", {held(), blocked()}, {}, kNow, {.seat = kReleased, .held_after = 0}},
      {"another machine, the fingerprint is not asked",
       {held(), bound(opaque(1)), binding(Binding::strict)},
       {},
       kNow,
       {.seat = kReleased}},
      {"suspended", {held(), status(LicenseStatus::suspended)}, {}, kNow, {.seat = kReleased}},
      {"revoked", {held(), status(LicenseStatus::revoked)}, {}, kNow, {.seat = kReleased}},
      {"expired", {held(), expires(kNow - kDay)}, {}, kNow, {.seat = kReleased}},
      {"an overage seat",
       {held(), over_limit(), seats_held(2)},
       {},
       kNow,
       {.seat = kReleased, .over_limit = false, .held_after = 1}},
      {"a count that is 0 already stays 0",
       {held(), [](World& w) { w.license.seats_held = 0; }},
       {},
       kNow,
       {.seat = kReleased, .held_after = 0}},
  };
  run_table(rows, deactivate_row);
}

TEST(Deactivate, NotesWhenAndAfterWhichTransfer) {
  const auto decision = deactivate(world_of({held(), over_limit(), bound(opaque(3)), transferred(2, kNow, 7)}), kNow);
  ASSERT_TRUE(decision.activation);
  EXPECT_FALSE(decision.activation->held);
  EXPECT_FALSE(decision.activation->over_limit);
  EXPECT_TRUE(decision.activation->vacated);
  EXPECT_EQ(decision.activation->vacated_at_transfer, 7U);
  EXPECT_EQ(decision.activation->released_at, kNow);
  EXPECT_EQ(decision.activation->fingerprint, opaque(3)) << "what the seat was bound to tells who may return to it";
}

TEST(Transfer, Table) {
  const UnixSeconds start = kNow - 100 * kDay;
  const UnixSeconds roll_over = start + 365 * kDay;
  const std::vector<Row> rows{
      {"no vacancy: a seat nobody had", {transfers_allowed(0)}, {}, kNow, {.seat = kGranted, .transfers = 0}},
      {"a vacancy, but seats nobody had are left",
       {transfers_allowed(0), max_clients(2), vacant(1)},
       {},
       kNow,
       {.seat = kGranted, .vacant = 1, .transfers = 0}},
      {"a vacated seat is taken: a transfer",
       {transfers_allowed(1), vacant(1)},
       {},
       kNow,
       {.seat = kGranted, .vacant = 0, .transfers = 1}},
      {"the last transfer",
       {transfers_allowed(3), vacant(1), transferred(2, start)},
       {},
       kNow,
       {.seat = kGranted, .vacant = 0, .transfers = 3}},
      {"one transfer too many",
       {transfers_allowed(3), vacant(1), transferred(3, start)},
       {},
       kNow,
       {.denied = Code::transfer_limit_reached, .at = roll_over}},
      {"no transfers allowed at all",
       {transfers_allowed(0), vacant(1)},
       {},
       kNow,
       {.denied = Code::transfer_limit_reached}},
      {"any number", {vacant(1), transferred(900, start)}, {}, kNow, {.seat = kGranted, .transfers = 901}},
      {"the last second of the window",
       {transfers_allowed(1), vacant(1), transferred(1, start)},
       {},
       roll_over - 1,
       {.denied = Code::transfer_limit_reached, .at = roll_over}},
      {"the window rolls over",
       {transfers_allowed(1), vacant(1), transferred(1, start)},
       {},
       roll_over,
       {.seat = kGranted, .transfers = 1}},
      {"the owner returns",
       {transfers_allowed(0), vacant(1), known(), vacated(0)},
       {},
       kNow,
       {.seat = kGranted, .vacant = 0, .transfers = 0}},
      {"the owner returns after somebody else's transfer",
       {transfers_allowed(1), max_clients(2), vacant(2), known(), vacated(0), transferred(1, start)},
       {},
       kNow,
       {.denied = Code::transfer_limit_reached}},
      {"the owner returns to the same machine",
       {transfers_allowed(0), binding(Binding::strict), vacant(1), known(), vacated(0), bound(opaque(1))},
       {.fingerprint = opaque(1)},
       kNow,
       {.seat = kGranted, .vacant = 0, .transfers = 0}},
      {"the same client id on another machine is a transfer",
       {transfers_allowed(1), binding(Binding::strict), vacant(1), known(), vacated(0), bound(opaque(1))},
       {.fingerprint = opaque(2)},
       kNow,
       {.seat = kGranted, .vacant = 0, .transfers = 1}},
      {"and is refused like any other",
       {transfers_allowed(0), binding(Binding::strict), vacant(1), known(), vacated(0), bound(opaque(1))},
       {.fingerprint = opaque(2)},
       kNow,
       {.denied = Code::transfer_limit_reached}},
      {"without binding a machine is not told apart",
       {transfers_allowed(0), vacant(1), known(), vacated(0), bound(opaque(1))},
       {.fingerprint = opaque(2)},
       kNow,
       {.seat = kGranted, .transfers = 0}},
      {"floating seats are never transferred",
       {transfers_allowed(0), floating(kHour), vacant(1)},
       {},
       kNow,
       {.seat = kGranted, .vacant = 1, .transfers = 0}},
      {"a license without a limit of clients has seats nobody had",
       {transfers_allowed(0), max_clients(kUnlimited), vacant(9)},
       {},
       kNow,
       {.seat = kGranted, .transfers = 0}},
      {"a holder's renewal is no transfer",
       {transfers_allowed(0), held(), max_clients(2), vacant(1)},
       {},
       kNow,
       {.seat = SeatChange::renewed, .vacant = 1}},
  };
  run_table(rows, activate);
}

// Several clients on one license; what decide() returns is kept.
class Story {
 public:
  explicit Story(const Facts& facts) : world_(world_of(facts)) {}

  // The wire code of the refusal, or "ok".
  std::string activate(const std::string& client, std::uint8_t machine = 1) {
    return keep(client, test::activate(seen_by(client), {.fingerprint = opaque(machine)}, now));
  }
  std::string deactivate(const std::string& client) { return keep(client, test::deactivate(seen_by(client), now)); }

  UnixSeconds now = kNow;

 private:
  World seen_by(const std::string& client) const {
    World world = world_;
    const auto it = clients_.find(client);
    if (it != clients_.end()) world.activation = it->second;
    return world;
  }
  std::string keep(const std::string& client, const Decision& decision) {
    if (decision.license) world_.license = *decision.license;
    if (decision.activation) clients_[client] = *decision.activation;
    return decision.denial ? std::string(wire_name(decision.denial->code)) : "ok";
  }

  World world_;
  std::map<std::string, Activation> clients_;
};

constexpr const char* kLimit = "TRANSFER_LIMIT_REACHED";

TEST(Transfer, TwoClientsCannotShareASeatByTakingTurns) {
  Story story({transfers_allowed(2)});
  EXPECT_EQ(story.activate("a"), "ok");
  EXPECT_EQ(story.deactivate("a"), "ok");
  EXPECT_EQ(story.activate("b"), "ok");  // the first transfer
  EXPECT_EQ(story.deactivate("b"), "ok");
  EXPECT_EQ(story.activate("a"), "ok");  // the second: others were in between
  EXPECT_EQ(story.deactivate("a"), "ok");
  EXPECT_EQ(story.activate("b"), kLimit);
  EXPECT_EQ(story.activate("a"), "ok") << "the last holder may always return";
}

TEST(Transfer, ReturningAnyNumberOfTimesCostsNothing) {
  Story story({transfers_allowed(0)});
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(story.activate("a"), "ok");
    EXPECT_EQ(story.deactivate("a"), "ok");
  }
  EXPECT_EQ(story.activate("b"), kLimit);
}

TEST(Transfer, OneClientIdOnManyMachinesIsManyTransfers) {
  Story story({transfers_allowed(2), binding(Binding::strict)});
  EXPECT_EQ(story.activate("a", 1), "ok");
  EXPECT_EQ(story.activate("a", 2), "HARDWARE_MISMATCH") << "not while the seat is held";
  EXPECT_EQ(story.deactivate("a"), "ok");
  EXPECT_EQ(story.activate("a", 2), "ok");
  EXPECT_EQ(story.deactivate("a"), "ok");
  EXPECT_EQ(story.activate("a", 3), "ok");
  EXPECT_EQ(story.deactivate("a"), "ok");
  EXPECT_EQ(story.activate("a", 1), kLimit);
  EXPECT_EQ(story.activate("a", 3), "ok");
}

TEST(Transfer, TheWindowRollsOver) {
  Story story({transfers_allowed(1)});
  EXPECT_EQ(story.activate("a"), "ok");
  EXPECT_EQ(story.deactivate("a"), "ok");
  EXPECT_EQ(story.activate("b"), "ok");
  EXPECT_EQ(story.deactivate("b"), "ok");
  EXPECT_EQ(story.activate("c"), kLimit);
  story.now += 365 * kDay - 1;
  EXPECT_EQ(story.activate("c"), kLimit);
  story.now += 1;
  EXPECT_EQ(story.activate("c"), "ok");
  EXPECT_EQ(story.deactivate("c"), "ok");
  EXPECT_EQ(story.activate("d"), kLimit) << "one in the new window as well";
}

TEST(Transfer, VacatedSeatsAreNoExtraSeats) {
  Story story({transfers_allowed(9), max_clients(2)});
  for (const char* client : {"a", "b"}) EXPECT_EQ(story.activate(client), "ok");
  for (const char* client : {"a", "b"}) EXPECT_EQ(story.deactivate(client), "ok");
  for (const char* client : {"c", "d"}) EXPECT_EQ(story.activate(client), "ok");
  for (const char* client : {"a", "b", "e"}) EXPECT_EQ(story.activate(client), "MAX_CLIENTS_REACHED");
}

}  // namespace
}  // namespace lictor::test
