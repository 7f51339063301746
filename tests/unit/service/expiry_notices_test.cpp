#include "service/expiry_notices.h"

#include <gmock/gmock.h>

#include "unit/service/service_test.h"

namespace lictor::service {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::int64_t kDay = 86'400;

class ExpiryNoticesTest : public ServiceTest {
 protected:
  base::Id add_until(base::UnixSeconds expires_at) {
    store::NewLicense license;
    license.id = crypto::random_id();
    license.key_digest = crypto::random_id();
    license.policy = policy_;
    license.state.issued_at = license.state.starts_at = clock_.now();
    license.state.expires_at = expires_at;
    store_->write([&](store::Tx& tx) { tx.insert_licenses(std::span(&license, 1)); });
    return license.id;
  }
  void change(const base::Id& license, const std::function<void(licensing::License&)>& work) {
    store_->write([&](store::Tx& tx) {
      const store::LicenseRef ref{store::LicenseRef::By::id, license};
      auto row = *tx.lock(std::span(&ref, 1)).front();
      work(row.state);
      store::Changes changes;
      changes.licenses.push_back({row.row, row.state});
      tx.apply(changes);
    });
  }
  // Both kinds, as the leader with this number.
  bool run(ExpiryNotices& notices, std::uint64_t lead = 1, std::int64_t days_ahead = 14) {
    const bool all = notices.run_expired(clock_.now(), lead, go_on_);
    return notices.run_expiring(clock_.now(), std::chrono::seconds(days_ahead * kDay), lead, go_on_) && all;
  }
  bool run() { return run(notices_); }
  // "expired" and "expiring" of each license in the order of the audit trail.
  std::vector<std::string> told(const base::Id& license) const {
    std::vector<std::string> words;
    store::EventFilter filter;
    filter.subject = base::format_id(base::kLicensePrefix, license);
    for (const auto& [sequence, event, hash] : store_->open_reader()->events(filter, 100).events)
      words.push_back(event.action.substr(std::string_view("license.").size()));
    return words;
  }

  std::unique_ptr<store::Reader> reader_ = store_->open_reader();
  std::function<void()> before_write_ = [] {};
  std::function<bool()> go_on_ = [] { return true; };
  enum class Write { committed, failed, unknown } next_write_ = Write::committed;
  const WriteFunction write_ = [this](const std::function<void(store::Tx&)>& work) {
    before_write_();
    if (next_write_ != Write::failed) store_->write(work);
    return next_write_ == Write::committed;
  };
  const store::Row policy_ = add_policy("{}");
  ExpiryNotices notices_{*reader_, write_};
};

TEST_F(ExpiryNoticesTest, EachLicenseIsToldOfOnceAheadAndOnceAtItsEnd) {
  const base::Id long_ago = add_until(kNow - 100 * kDay), soon = add_until(kNow + 10 * kDay);
  const base::Id later = add_until(kNow + 20 * kDay), never = add_until(licensing::kNever);
  EXPECT_TRUE(run());
  EXPECT_TRUE(run());
  EXPECT_THAT(told(long_ago), IsEmpty()) << "no news";
  EXPECT_THAT(told(soon), ElementsAre("expiring"));
  EXPECT_THAT(told(later), IsEmpty());
  clock_.advance(7 * kDay);
  EXPECT_TRUE(run());
  EXPECT_THAT(told(later), ElementsAre("expiring"));
  clock_.advance(3 * kDay);
  EXPECT_TRUE(run());
  EXPECT_THAT(told(soon), ElementsAre("expiring")) << "a change of its end may still be under way";
  clock_.advance(ExpiryNotices::kMarginSeconds);
  EXPECT_TRUE(run());
  EXPECT_THAT(told(soon), ElementsAre("expiring", "expired"));
  clock_.advance(100 * kDay);
  EXPECT_TRUE(run());
  EXPECT_THAT(told(later), ElementsAre("expiring", "expired"));
  EXPECT_THAT(told(never), IsEmpty());
  EXPECT_EQ(notices_.recorded(), 4U);
  const auto told_last = events("license.expired").back().event;
  EXPECT_EQ(told_last.actor, "system");
  EXPECT_EQ(told_last.at, clock_.now());
  EXPECT_EQ(told_last.detail, "{\"expires_at\":" + std::to_string(kNow + 20 * kDay) + "}");
}

TEST_F(ExpiryNoticesTest, AnEndThatIsNearWhenItIsSetIsNoNewsAhead) {
  EXPECT_TRUE(run());
  const base::Id trial = add_until(kNow + 7 * kDay), just_as_long = add_until(kNow + 14 * kDay);
  const base::Id year = add_until(kNow + 365 * kDay);
  EXPECT_TRUE(run());
  ExpiryNotices after_a_restart(*reader_, write_);
  EXPECT_TRUE(run(after_a_restart));
  EXPECT_THAT(told(trial), IsEmpty());
  clock_.advance(7 * kDay + 60);
  EXPECT_TRUE(run(after_a_restart));
  EXPECT_THAT(told(trial), ElementsAre("expired"));
  clock_.advance(350 * kDay);
  EXPECT_THAT(told(just_as_long), IsEmpty());
  EXPECT_TRUE(run(after_a_restart));
  EXPECT_THAT(told(year), ElementsAre("expiring"));
}

class ExpiryNoticesInterrupted : public ExpiryNoticesTest, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(How, ExpiryNoticesInterrupted, testing::Values("failed", "unknown", "out of time"),
                         [](const auto& how) { return "case_" + std::to_string(how.index); });

TEST_P(ExpiryNoticesInterrupted, ManyThatEndAtOnceAreToldOfOnce) {
  const std::string how = GetParam();
  EXPECT_TRUE(run());
  constexpr std::size_t kMany = 3 * ExpiryNotices::kAtOnce + 5;
  std::vector<base::Id> licenses;
  for (std::size_t i = 0; i < kMany; ++i) licenses.push_back(add_until(kNow + 20 * kDay));
  clock_.advance(19 * kDay);
  int writes = 0;  // the first is about those that have expired: there are none
  before_write_ = [&] {
    next_write_ = ++writes != 3 || how == "out of time" ? Write::committed
                  : how == "failed"                     ? Write::failed
                                                        : Write::unknown;
  };
  if (how == "out of time") go_on_ = [&] { return writes < 2; };
  EXPECT_FALSE(run());
  EXPECT_THAT(events("license.expiring"),
              SizeIs(how == "unknown" ? 2 * ExpiryNotices::kAtOnce : ExpiryNotices::kAtOnce));
  go_on_ = [] { return true; };
  ExpiryNotices next_leader(*reader_, write_);
  EXPECT_TRUE(run(next_leader));
  EXPECT_TRUE(run(notices_, 3)) << "it leads again: what it remembers is of before";
  EXPECT_THAT(events("license.expiring"), SizeIs(kMany));
  for (const base::Id& license : licenses) EXPECT_THAT(told(license), ElementsAre("expiring"));
}

TEST_F(ExpiryNoticesTest, WhatIsNoLongerSoWhenItIsRecordedIsNotTold) {
  EXPECT_TRUE(run());
  const base::Id renewed = add_until(kNow + 30 * kDay), revoked = add_until(kNow + 30 * kDay);
  const base::Id suspended = add_until(kNow + 30 * kDay);
  change(revoked, [](auto& state) { state.status = licensing::LicenseStatus::revoked; });
  change(suspended, [](auto& state) { state.status = licensing::LicenseStatus::suspended; });
  clock_.advance(20 * kDay);
  before_write_ = [&] { change(renewed, [](auto& state) { state.expires_at = kNow + 395 * kDay; }); };
  EXPECT_TRUE(run());
  EXPECT_THAT(told(renewed), IsEmpty());
  EXPECT_THAT(told(revoked), IsEmpty());
  EXPECT_THAT(told(suspended), ElementsAre("expiring"));
  before_write_ = [] {};
  clock_.advance(365 * kDay);
  EXPECT_TRUE(run());
  EXPECT_THAT(told(renewed), ElementsAre("expiring"));
}

TEST_F(ExpiryNoticesTest, AfterATimeWithoutItOnlyTheEndIsTold) {
  EXPECT_TRUE(run());
  const base::Id license = add_until(kNow + 30 * kDay);
  clock_.advance(40 * kDay);
  EXPECT_TRUE(run());
  EXPECT_THAT(told(license), ElementsAre("expired"));
}

TEST_F(ExpiryNoticesTest, AnotherTimeAheadTellsNothingTwice) {
  EXPECT_TRUE(run());
  const base::Id early = add_until(kNow + 25 * kDay), late = add_until(kNow + 40 * kDay);
  for (const std::int64_t days : {14, 30, 14, 30, 14}) EXPECT_TRUE(run(notices_, 1, days));
  EXPECT_THAT(told(early), ElementsAre("expiring"));
  clock_.advance(20 * kDay);
  EXPECT_TRUE(run());
  EXPECT_THAT(told(late), IsEmpty());
  clock_.advance(10 * kDay);
  EXPECT_TRUE(run());
  EXPECT_THAT(told(late), ElementsAre("expiring"));
  EXPECT_THAT(told(early), ElementsAre("expiring", "expired"));
}

TEST_F(ExpiryNoticesTest, WhoHasNotHeardOfAnothersWorkTellsNothing) {
  EXPECT_TRUE(run());
  const base::Id license = add_until(kNow + 20 * kDay);
  clock_.advance(19 * kDay);
  ExpiryNotices other(*reader_, write_);
  EXPECT_TRUE(run(other));
  EXPECT_FALSE(run()) << "its place is an old one";
  EXPECT_TRUE(run());
  EXPECT_THAT(told(license), ElementsAre("expiring"));
}

TEST_F(ExpiryNoticesTest, AClockThatIsSetBackHidesNoEnd) {
  const base::Id license = add_until(kNow + 30 * kDay);
  EXPECT_TRUE(run());
  clock_.advance(100 * kDay);
  EXPECT_TRUE(run());
  clock_.advance(-100 * kDay);
  EXPECT_TRUE(run());
  EXPECT_THAT(told(license), ElementsAre("expired"));
  clock_.advance(-5);  // a correction
  EXPECT_TRUE(run());
  const base::Id other = add_until(kNow + 31 * kDay);
  clock_.advance(32 * kDay);
  ExpiryNotices next_leader(*reader_, write_);
  EXPECT_TRUE(run(next_leader));
  EXPECT_THAT(told(license), ElementsAre("expired", "expired"));
  EXPECT_THAT(told(other), ElementsAre("expired"));
}

TEST_F(ExpiryNoticesTest, WhereNothingExpiresItIsWrittenDownOnceInAWhile) {
  EXPECT_TRUE(run());
  const int commits = commits_;
  for (int second = 0; second < 3'000; second += 100) {
    clock_.advance(100);
    EXPECT_TRUE(run());
  }
  EXPECT_EQ(commits_, commits);
  clock_.advance(ExpiryNotices::kKeepSeconds);
  EXPECT_TRUE(run());
  EXPECT_EQ(commits_, commits + 2);
}

}  // namespace
}  // namespace lictor::service
