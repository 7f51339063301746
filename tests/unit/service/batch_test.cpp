#include "service/batch.h"

#include "unit/service/service_test.h"

namespace lictor::service {
namespace {

using licensing::SeatChange;

class BatchTest : public ServiceTest {
 protected:
  // All jobs in one transaction, in this order.
  template <class... Jobs>
  std::vector<Outcome> run(Jobs... jobs) {
    std::vector<std::unique_ptr<TestJob>> owned;
    (owned.push_back(std::move(jobs)), ...);
    return run(std::move(owned));
  }
  std::vector<Outcome> run(std::vector<std::unique_ptr<TestJob>> jobs) {
    std::vector<LicenseJob*> pointers;
    for (const auto& job : jobs) pointers.push_back(job.get());
    store_->write([&](store::Tx& tx) { batch_.run(tx, pointers); });
    batch_.publish(cache_);
    std::vector<Outcome> outcomes;
    for (const auto& job : jobs) outcomes.push_back({Job::End::committed, std::move(job->answer)});
    return outcomes;
  }
  static std::vector<std::string> texts(const std::vector<Outcome>& outcomes) {
    std::vector<std::string> list;
    for (const auto& outcome : outcomes) list.push_back(outcome.text());
    return list;
  }

  Batch batch_{catalog_, clock_};
};

using Texts = std::vector<std::string>;

TEST_F(BatchTest, ARenewalTakesNoSeat) {
  const auto license = add_license(R"({"max_clients":2})");
  const auto first =
      run(activate(license, "a"), activate(license, "a"), activate(license, "b"), activate(license, "a"));
  EXPECT_EQ(texts(first), (Texts{"ok", "ok", "ok", "ok"}));
  EXPECT_EQ(first[0].answer.seat, SeatChange::granted);
  EXPECT_EQ(first[1].answer.seat, SeatChange::renewed);
  EXPECT_EQ(first[1].answer.client, first[0].answer.client);
  EXPECT_EQ(read(license).license.state.seats_held, 2U);
  EXPECT_EQ(texts(run(activate(license, "a"), activate(license, "c"))), (Texts{"ok", "MAX_CLIENTS_REACHED"}));
  EXPECT_EQ(read(license).license.state.seats_held, 2U);
}

TEST_F(BatchTest, CommandsOnOneLicenseSeeEachOther) {
  const auto license = add_license(R"({"max_clients":1})");
  const auto outcomes =
      run(validate(license, "a"), activate(license, "a"), activate(license, "b"), validate(license, "a"),
          deactivate(license, "a"), validate(license, "a"), deactivate(license, "a"), activate(license, "b"),
          change(license, licensing::StatusCommand::suspend), validate(license, "b"), activate(license, "b"),
          change(license, licensing::StatusCommand::resume), validate(license, "b"));
  EXPECT_EQ(texts(outcomes),
            (Texts{"CLIENT_NOT_ACTIVATED", "ok", "MAX_CLIENTS_REACHED", "ok", "ok", "CLIENT_NOT_ACTIVATED", "ok", "ok",
                   "ok", "LICENSE_SUSPENDED", "LICENSE_SUSPENDED", "ok", "ok"}));
  EXPECT_EQ(outcomes[4].answer.seat, SeatChange::released);
  EXPECT_EQ(outcomes[6].answer.seat, SeatChange::none);
  EXPECT_EQ(read(license).license.state.seats_held, 1U);
  EXPECT_TRUE(read(license, "b").activation->held);
  EXPECT_FALSE(read(license, "a").activation->held);
}

TEST_F(BatchTest, AnswersCarryTheCountOfTheirMoment) {
  const auto license = add_license(R"({"max_clients":3})");
  const auto outcomes =
      run(activate(license, "a"), activate(license, "b"), deactivate(license, "a"), activate(license, "c"));
  std::vector<std::uint32_t> held;
  for (const auto& outcome : outcomes) held.push_back(outcome.answer.license.seats_held);
  EXPECT_EQ(held, (std::vector<std::uint32_t>{1, 2, 1, 2}));
}

TEST_F(BatchTest, EndedLeasesAreFreeWithinTheBatch) {
  const auto license = add_license(R"({"max_clients":2,"lease":100})");
  ASSERT_EQ(texts(run(activate(license, "a"), activate(license, "b"))), (Texts{"ok", "ok"}));
  clock_.advance(99);
  const auto full = run(activate(license, "c"));
  ASSERT_EQ(full[0].text(), "MAX_CLIENTS_REACHED");
  EXPECT_EQ(full[0].answer.denial->next_release_at, kNow + 100);
  clock_.advance(1);
  const auto outcomes =
      run(validate(license, "a"), activate(license, "c"), activate(license, "a"), activate(license, "b"));
  EXPECT_EQ(texts(outcomes), (Texts{"LEASE_EXPIRED", "ok", "ok", "MAX_CLIENTS_REACHED"}));
  EXPECT_EQ(read(license).license.state.seats_held, 2U);
  const auto released = events("seat.released");
  ASSERT_EQ(released.size(), 2U);
  EXPECT_EQ(released[0].event.actor, "system");
  EXPECT_NE(released[0].event.detail.find("lease_ended"), std::string::npos);
}

TEST_F(BatchTest, ABeatWithMoreThanHalfLeftWritesNothing) {
  const auto license = add_license(R"({"max_clients":2,"lease":100})");
  const auto end = run(activate(license, "a"))[0].answer.lease_expires_at;
  EXPECT_EQ(end, kNow + 100);
  clock_.advance(49);
  const auto sequence = store_->open_reader()->audit_head().sequence;
  EXPECT_EQ(run(validate(license, "a"))[0].answer.lease_expires_at, end);
  EXPECT_EQ(read(license, "a").activation->lease_expires_at, end);
  clock_.advance(1);
  EXPECT_EQ(run(validate(license, "a"))[0].answer.lease_expires_at, kNow + 150);
  EXPECT_EQ(read(license, "a").activation->lease_expires_at, kNow + 150) << "what was promised is stored";
  EXPECT_EQ(store_->open_reader()->audit_head().sequence, sequence) << "a beat is no event";
}

TEST_F(BatchTest, ADeactivatedLeaseDoesNotComeBackWhenItsEndPasses) {
  const auto license = add_license(R"({"max_clients":2,"lease":100})");
  run(activate(license, "a"), activate(license, "b"), deactivate(license, "a"));
  EXPECT_EQ(read(license).license.state.seats_held, 1U);
  clock_.advance(50);
  run(validate(license, "b"));
  clock_.advance(60);  // a's end is over, b's is not
  EXPECT_EQ(texts(run(validate(license, "b"), validate(license, "a"))), (Texts{"ok", "CLIENT_NOT_ACTIVATED"}));
  EXPECT_EQ(read(license).license.state.seats_held, 1U);
}

TEST_F(BatchTest, UsageAddsUpWithinAndAcrossBatches) {
  const auto license =
      add_license(R"({"type":"metered","max_clients":null,"quotas":{"calls":{"amount":10,"period":"day"}}})");
  const auto outcomes = run(use(license, 4, "i1"), use(license, 5, "i2"), use(license, 2, "i3"), use(license, 1, "i4"));
  EXPECT_EQ(texts(outcomes), (Texts{"ok", "ok", "USAGE_QUOTA_EXCEEDED", "ok"}));
  EXPECT_EQ(outcomes[2].answer.denial->used, 9);
  EXPECT_NE(outcomes[3].answer.usage.find("\"total\":10"), std::string::npos) << outcomes[3].answer.usage;
  EXPECT_EQ(texts(run(use(license, 1, "i5"))), (Texts{"USAGE_QUOTA_EXCEEDED"}));
  clock_.advance(86400);
  EXPECT_NE(run(use(license, 1, "i5"))[0].answer.usage.find("\"total\":1,"), std::string::npos) << "a new period";
}

TEST_F(BatchTest, ARetryIsAnsweredAsBeforeAndCountsOnce) {
  const auto license = add_license(R"({"type":"metered","max_clients":null})");
  const auto within = run(use(license, 4, "i1"), use(license, 4, "i1"), use(license, 5, "i1"), use(license, 1, "i2"));
  EXPECT_EQ(texts(within), (Texts{"ok", "ok", "IDEMPOTENCY_CONFLICT", "ok"}));
  EXPECT_EQ(within[1].answer.usage, within[0].answer.usage);
  EXPECT_NE(within[3].answer.usage.find("\"total\":5,"), std::string::npos);
  const auto across = run(use(license, 4, "i1"), use(license, 5, "i1"), use(license, 1, "i3"));
  EXPECT_EQ(texts(across), (Texts{"ok", "IDEMPOTENCY_CONFLICT", "ok"}));
  EXPECT_EQ(across[0].answer.usage, within[0].answer.usage);
  EXPECT_NE(across[2].answer.usage.find("\"total\":6,"), std::string::npos);
  clock_.advance(kIdempotencySeconds - 1);
  EXPECT_EQ(run(use(license, 5, "i1"))[0].text(), "IDEMPOTENCY_CONFLICT");
  clock_.advance(1);
  EXPECT_EQ(run(use(license, 5, "i1"))[0].text(), "ok") << "a key is remembered for 24 h";
}

TEST_F(BatchTest, IdempotencyKeysBelongToTheirLicense) {
  const auto one = add_license(R"({"type":"metered"})"), other = add_license(R"({"type":"metered"})");
  EXPECT_EQ(texts(run(use(one, 4, "i1"), use(other, 5, "i1"))), (Texts{"ok", "ok"}));
}

TEST_F(BatchTest, ASignedBodyTwiceIsAReplay) {
  const auto license = add_license(R"({"type":"metered"})");
  const auto within = run(use(license, 4, "i1", 1), use(license, 4, "i1", 1), use(license, 4, "i1", 2));
  EXPECT_EQ(texts(within), (Texts{"ok", "REPLAYED", "ok"})) << "signed anew, with another timestamp, it is a retry";
  EXPECT_EQ(texts(run(use(license, 4, "i1", 1), use(license, 4, "i1", 2))), (Texts{"REPLAYED", "ok"}));
  EXPECT_NE(run(use(license, 1, "i2"))[0].answer.usage.find("\"total\":5,"), std::string::npos);
}

TEST_F(BatchTest, WhatIsRefusedIsNotRemembered) {
  const auto license = add_license(R"({"type":"metered","quotas":{"calls":{"amount":3,"period":"total"}}})");
  EXPECT_EQ(texts(run(use(license, 4, "i1"), use(license, 3, "i1"))), (Texts{"USAGE_QUOTA_EXCEEDED", "ok"}));
}

TEST_F(BatchTest, RefusalsOfAccess) {
  const auto license = add_license(R"({"max_clients":2})");
  struct Row {
    Access access;
    std::string known, unknown;
  };
  const Row rows[] = {
      {{0, false, false}, "ok", "LICENSE_KEY_INVALID"},
      {{product_.row, false, false}, "ok", "LICENSE_KEY_INVALID"},
      {{product_.row + 1, false, true}, "LICENSE_KEY_INVALID", "LICENSE_KEY_INVALID"},
      {{0, true, false}, "UNAUTHENTICATED", "UNAUTHENTICATED"},
  };
  for (const auto& row : rows) {
    auto known = activate(license, "a");
    known->access = row.access;
    auto unknown = activate(crypto::random_id(), "a");
    unknown->access = row.access;
    EXPECT_EQ(texts(run(std::move(known), std::move(unknown))), (Texts{row.known, row.unknown}));
  }
  EXPECT_EQ(events("seat.granted").size(), 1U);
}

TEST_F(BatchTest, EventsOfSeatsAreInTheSameTransaction) {
  const auto license = add_license(R"({"max_clients":1})");
  run(activate(license, "a"), activate(license, "b"), deactivate(license, "a"), validate(license, "b"));
  const auto all = events("seat.");
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].event.action, "seat.granted");
  EXPECT_EQ(all[1].event.action, "seat.refused");
  EXPECT_EQ(all[1].event.code, "MAX_CLIENTS_REACHED");
  EXPECT_EQ(all[1].event.client, "b");
  EXPECT_EQ(all[2].event.action, "seat.released");
  for (const auto& stored : all) {
    EXPECT_EQ(stored.event.actor, "key_test");
    EXPECT_EQ(stored.event.request_id, "req_test");
    EXPECT_EQ(stored.event.subject, base::format_id("lic", license));
  }
}

TEST_F(BatchTest, ARenewalThatBindsTheSeatAnewIsAnEvent) {
  const auto license = add_license(R"({"max_clients":2,"binding":"none"})");
  const auto renew = [&](std::optional<licensing::Fingerprint> fingerprint, std::string version) {
    const std::size_t before = events("seat.").size();
    run(make_job(license, "a", ActivateInput{std::move(fingerprint), std::move(version), crypto::random_id()}));
    return events("seat.").size() - before;
  };
  licensing::Fingerprint fingerprint;
  fingerprint.kind = licensing::Fingerprint::Kind::opaque;
  fingerprint.tags[0] = {1};
  EXPECT_EQ(renew(std::nullopt, "1.0"), 1U);
  EXPECT_EQ(renew(std::nullopt, "1.0"), 0U);
  EXPECT_EQ(renew(fingerprint, "1.0"), 1U);
  EXPECT_EQ(renew(fingerprint, "1.0"), 0U);
  EXPECT_EQ(renew(fingerprint, "1.1"), 1U);
  const auto all = events("seat.");
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].event.action, "seat.granted");
  for (const std::size_t rebound : {1, 2}) {
    EXPECT_EQ(all[rebound].event.action, "seat.rebound");
    EXPECT_EQ(all[rebound].event.client, "a");
    EXPECT_NE(all[rebound].event.detail.find("\"seats_held\":1"), std::string::npos);
  }
}

TEST_F(BatchTest, TheSameClientNameOnTwoLicenses) {
  const auto one = add_license(R"({"max_clients":1})"), other = add_license(R"({"max_clients":1})");
  const auto outcomes = run(activate(one, "a"), activate(other, "a"), deactivate(one, "a"), validate(other, "a"));
  EXPECT_EQ(texts(outcomes), (Texts{"ok", "ok", "ok", "ok"}));
  EXPECT_NE(outcomes[0].answer.client, outcomes[1].answer.client);
}

TEST_F(BatchTest, RunAgainAfterARollBackStartsFromTheBeginning) {
  const auto license = add_license(R"({"max_clients":1})");
  auto job = activate(license, "a");
  LicenseJob* const pointer = job.get();
  const std::span<LicenseJob* const> jobs(&pointer, 1);
  EXPECT_THROW(store_->write([&](store::Tx& tx) {
    batch_.run(tx, jobs);
    throw std::runtime_error("before the commit");
  }),
               std::runtime_error);
  EXPECT_EQ(read(license).license.state.seats_held, 0U);
  store_->write([&](store::Tx& tx) { batch_.run(tx, jobs); });
  EXPECT_FALSE(job->answer.denial);
  EXPECT_EQ(read(license).license.state.seats_held, 1U);
  EXPECT_EQ(events("seat.").size(), 1U);
}

TEST_F(BatchTest, TheFeatureOfADenialOutlivesTheBatch) {
  const auto license = add_license(R"({"features":{"a":null}})");
  ValidateInput input{false, std::nullopt, "", {"a", "a feature with a name too long for a small string"}};
  auto job = make_job(license, "", std::move(input));
  LicenseJob* const pointer = job.get();
  store_->write([&](store::Tx& tx) { batch_.run(tx, std::span(&pointer, 1)); });
  ASSERT_TRUE(job->answer.denial);
  EXPECT_EQ(job->answer.denial->feature, "a feature with a name too long for a small string");
}

TEST_F(BatchTest, PublishTellsTheCache) {
  const auto license = add_license(R"({"max_clients":5})");
  CachedView view;
  const std::string_view a = "a";
  EXPECT_FALSE(cache_.find(ref_of(license), &a, clock_.now(), view));
  run(activate(license, "a"));
  ASSERT_TRUE(cache_.find(ref_of(license), &a, clock_.now(), view));
  EXPECT_EQ(view.license.seats_held, 1U);
  run(change(license, licensing::StatusCommand::revoke));
  ASSERT_TRUE(cache_.find(ref_of(license), nullptr, clock_.now(), view));
  EXPECT_EQ(view.license.status, licensing::LicenseStatus::revoked);
  run(deactivate(license, "a"));
  EXPECT_FALSE(cache_.find(ref_of(license), &a, clock_.now(), view));
}

}  // namespace
}  // namespace lictor::service
