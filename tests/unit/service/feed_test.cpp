#include "service/feed.h"

#include <limits>
#include <thread>

#include "store/written_events.h"
#include "support/forwarding_reader.h"
#include "unit/service/service_test.h"

namespace lictor::service {
namespace {

using std::chrono::milliseconds;

// What a feed reads can be made to fail, and its history to be another one.
struct Faults {
  std::atomic<bool> lost{false}, set_back{false};
  // Where it ends, and from where on it has others' events.
  std::atomic<std::int64_t> ends_at{std::numeric_limits<std::int64_t>::max()};
  std::atomic<std::int64_t> others_from{std::numeric_limits<std::int64_t>::max()};
};

class FeedReader final : public test::ForwardingReader {
 public:
  FeedReader(std::unique_ptr<store::Reader> real, Faults& faults)
      : ForwardingReader(std::move(real)), faults_(faults) {}
  store::ChangePage changes(const store::ChangePlace& place, std::size_t limit) override {
    store::ChangePage page = ForwardingReader::changes(place, limit);
    page.is_another = page.is_another || faults_.set_back.exchange(false);
    if (place.sequence >= faults_.ends_at) page = {{}, place, false, false};
    // Until it was asked for the head, which a real one would answer with a place that it has.
    if (place.sequence > faults_.ends_at) page.is_another = !has_told_head_;
    page.is_another = page.is_another || place.sequence >= faults_.others_from;
    for (store::ChangeNote& note : page.notes) note.hash_head += note.sequence >= faults_.others_from ? 1 : 0;
    return page;
  }
  store::StoredEvent audit_head() override {
    has_told_head_ = faults_.ends_at != std::numeric_limits<std::int64_t>::max();
    return ForwardingReader::audit_head();
  }

 private:
  store::Reader& real() override {
    if (faults_.lost) throw store::StoreError(store::StoreError::Kind::connection_lost, "no database");
    return ForwardingReader::real();
  }
  Faults& faults_;
  bool has_told_head_ = false;
};

// As a database server is to one of the processes that use it.
class SharedStore final : public store::Store {
 public:
  SharedStore(store::Store& real, Faults& faults) : real_(real), faults_(faults), reader_(real.open_reader()) {}
  void write(const std::function<void(store::Tx&)>& work) override {
    const std::int64_t before = reader_->audit_head().sequence;
    real_.write(work);
    std::vector<std::uint64_t> heads;
    const store::ChangePage page = reader_->changes({before, ""}, 1'000);
    for (const store::ChangeNote& note : page.notes) heads.push_back(note.hash_head);
    written_.note(before + 1, heads, page.last.hash);
  }
  std::unique_ptr<store::Reader> open_reader() override { return real_.open_reader(); }
  std::unique_ptr<store::Reader> open_feed_reader(milliseconds) override {
    return std::make_unique<FeedReader>(real_.open_reader(), faults_);
  }
  std::array<std::uint8_t, 16> digest_key() const override { return real_.digest_key(); }
  std::string describe() const override { return "shared"; }
  bool is_shared() const noexcept override { return true; }
  store::EventAuthor author_of(const store::ChangeNote& note) const override {
    return written_.author_of(note.sequence, note.hash_head);
  }
  std::int64_t newest_written() const override { return written_.newest(); }
  std::optional<store::ChangePlace> end_of_own(std::int64_t sequence) const override {
    return written_.end_of_own(sequence);
  }
  bool was_set_back() const override { return written_.was_set_back(); }
  void has_read(std::int64_t sequence) override { written_.forget_until(sequence); }
  void forget_written() override { written_.forget(); }

 private:
  store::Store& real_;
  Faults& faults_;
  const std::unique_ptr<store::Reader> reader_;
  store::WrittenEvents written_;
};

store::Event event(std::string action) {
  store::Event event;
  event.at = kNow;
  event.actor = "key_elsewhere";
  event.action = std::move(action);
  event.subject = "pol_elsewhere";
  return event;
}

class FeedTest : public ServiceTest {
 public:
  ~FeedTest() override {
    if (feed_) feed_->stop();
    writes_.stop();
  }

 protected:
  FeedTest() : shared_(*store_, faults_) {}

  void start(milliseconds trust = milliseconds(200), milliseconds staleness = milliseconds(400)) {
    FeedOptions options;
    options.interval = milliseconds(2);
    options.on_another = [this](std::int64_t known, std::int64_t) { known_ = known; };
    options.trust = trust;
    options.staleness = staleness;
    options.on_lost = [this](std::string_view) { ++lost_; };
    options.on_back = [this](milliseconds) { ++back_; };
    feed_ = std::make_unique<Feed>(shared_, writes_, cache_, sync_, options);
    ASSERT_TRUE(feed_->catch_up(milliseconds(5'000)));
  }

  // Into memory, as a validation that missed puts it.
  void remember(const base::Id& license, const std::string& client_id) {
    const auto ticket = cache_.fill_ticket();
    const std::string_view client(client_id);
    const auto view = read(license, client);
    cache_.fill(view, catalog_.terms(view.license.policy, view.license.overrides), false, &client, ticket);
    ASSERT_TRUE(is_remembered(license, client_id));
  }
  std::optional<licensing::License> found(const base::Id& license) {
    CachedView view;
    if (!cache_.find(ref_of(license), nullptr, clock_.now(), view)) return std::nullopt;
    return view.license;
  }
  bool is_remembered(const base::Id& license, std::string_view client_id) {
    CachedView view;
    return cache_.find(ref_of(license), &client_id, clock_.now(), view);
  }

  // Another process' write path on the same database; how it ended.
  std::string elsewhere(std::unique_ptr<TestJob> job) {
    Catalog catalog;
    catalog.load(*store_->open_reader());
    Cache cache({100, 100}, catalog, crypto::Prf::Key{6});
    WritePath writes(*store_, catalog, cache, clock_, {});
    auto future = job->done.get_future();
    std::unique_ptr<LicenseJob> handed = std::move(job);
    EXPECT_TRUE(writes.submit(handed, Urgency::new_work));
    return future.get().text();
  }
  Outcome here(std::unique_ptr<TestJob> job) {
    auto future = job->done.get_future();
    std::unique_ptr<LicenseJob> handed = std::move(job);
    EXPECT_TRUE(writes_.submit(handed, Urgency::new_work));
    return future.get();
  }
  bool catches_up() { return feed_->catch_up(milliseconds(5'000)); }
  template <class Condition>
  static bool eventually(const Condition& condition) {
    for (int tries = 0; tries < 2'000; ++tries) {
      if (condition()) return true;
      std::this_thread::sleep_for(milliseconds(5));
    }
    return false;
  }

  Faults faults_;
  SharedStore shared_;
  std::atomic<int> lost_{0}, back_{0}, loaded_{0};
  CatalogSync sync_{shared_, catalog_, cache_, [this](store::Reader&) { ++loaded_; }};
  WritePath writes_{shared_, catalog_, cache_, clock_, {}, &sync_};
  std::unique_ptr<Feed> feed_;
  std::atomic<std::int64_t> known_{0};
};

TEST_F(FeedTest, WhatAnotherProcessSuspendedIsForgotten) {
  const auto license = add_license(R"({"max_clients":3})");
  ASSERT_EQ(here(activate(license, "a")).text(), "ok");
  start();
  remember(license, "a");
  ASSERT_EQ(elsewhere(change(license, licensing::StatusCommand::suspend)), "ok");
  ASSERT_TRUE(catches_up());
  EXPECT_FALSE(found(license)) << "it must be read again";
}

TEST_F(FeedTest, OwnChangesAreLeftAsTheWritePathPutThem) {
  const auto license = add_license(R"({"max_clients":3})");
  start();
  ASSERT_EQ(here(activate(license, "a")).text(), "ok");
  ASSERT_TRUE(catches_up());
  EXPECT_TRUE(is_remembered(license, "a"));
  EXPECT_EQ(feed_->counts().notes, 0U);
}

TEST_F(FeedTest, SeatsTakenAndGivenBackElsewhereAreCounted) {
  const auto license = add_license(R"({"max_clients":5})");
  ASSERT_EQ(here(activate(license, "a")).text(), "ok");
  start();
  remember(license, "a");
  ASSERT_EQ(elsewhere(activate(license, "b")), "ok");
  ASSERT_EQ(elsewhere(activate(license, "c")), "ok");
  ASSERT_TRUE(catches_up());
  ASSERT_TRUE(found(license));
  EXPECT_EQ(found(license)->seats_held, 3U);
  EXPECT_TRUE(is_remembered(license, "a")) << "nothing happened to this client";
  ASSERT_EQ(elsewhere(deactivate(license, "a")), "ok");
  ASSERT_TRUE(catches_up());
  EXPECT_EQ(found(license)->seats_held, 2U);
  EXPECT_FALSE(is_remembered(license, "a"));
}

// Others' events are applied when this process has published a later one already.
TEST_F(FeedTest, SeatsTakenHereAndElsewhereInTurnAreCounted) {
  const auto license = add_license(R"({"max_clients":null})");
  start();
  ASSERT_EQ(here(activate(license, "a")).text(), "ok");
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(elsewhere(activate(license, "there" + std::to_string(i))), "ok");
    ASSERT_EQ(here(activate(license, "here" + std::to_string(i))).text(), "ok");
    ASSERT_TRUE(catches_up());
    ASSERT_TRUE(found(license));
    EXPECT_EQ(found(license)->seats_held, static_cast<std::uint32_t>(2 * i + 3));
  }
}

TEST_F(FeedTest, AClientBoundElsewhereIsForgottenAndItsLicenseIsNot) {
  const auto license = add_license(R"({"max_clients":5,"binding":"none"})");
  ASSERT_EQ(here(activate(license, "a")).text(), "ok");
  ASSERT_EQ(here(activate(license, "b")).text(), "ok");
  start();
  remember(license, "a");
  remember(license, "b");
  ASSERT_EQ(elsewhere(make_job(license, "a", ActivateInput{std::nullopt, "2.0", crypto::random_id()})), "ok");
  ASSERT_TRUE(catches_up());
  EXPECT_FALSE(is_remembered(license, "a"));
  EXPECT_TRUE(is_remembered(license, "b"));
}

TEST_F(FeedTest, TheFirstSeatElsewhereMayBeginTheTerm) {
  const auto license = add_license(R"({"max_clients":5,"duration":100,"starts":"on_first_activation"})");
  start();
  const auto view = read(license);
  cache_.fill(view, catalog_.terms(view.license.policy, ""), false, nullptr, cache_.fill_ticket());
  ASSERT_TRUE(found(license));
  ASSERT_EQ(elsewhere(activate(license, "b")), "ok");
  ASSERT_TRUE(catches_up());
  EXPECT_FALSE(found(license)) << "it has an end now";
}

TEST_F(FeedTest, PoliciesMadeElsewhereAreKnown) {
  start();
  const int loaded = loaded_;
  store::Policy policy{0, crypto::random_id(), product_.row, "elsewhere", R"({"max_clients":7})", kNow};
  store_->write([&](store::Tx& tx) {
    policy.row = tx.insert_policy(policy);
    store::Changes changes;
    changes.events.push_back(event("policy.created"));
    tx.apply(changes);
  });
  ASSERT_TRUE(catches_up());
  EXPECT_EQ(catalog_.terms(policy.row, "")->terms.max_clients, 7U);
  EXPECT_GT(loaded_, loaded) << "API keys are read with it";
}

TEST_F(FeedTest, ALostFeedEndsTrustAndThenUse) {
  start();
  EXPECT_TRUE(feed_->is_current());
  faults_.lost = true;
  EXPECT_TRUE(eventually([&] { return !feed_->is_current(); }));
  EXPECT_TRUE(eventually([&] { return !feed_->is_usable(); }));
  EXPECT_EQ(lost_, 1) << "told once";
  EXPECT_FALSE(feed_->catch_up(milliseconds(20)));
  faults_.lost = false;
  EXPECT_TRUE(catches_up());
  EXPECT_TRUE(feed_->is_current());
  EXPECT_EQ(back_, 1);
  EXPECT_EQ(feed_->counts().lost, 1U);
}

TEST_F(FeedTest, WhatHappenedWhileItWasLostIsNotMissed) {
  const auto license = add_license(R"({"max_clients":3})");
  ASSERT_EQ(here(activate(license, "a")).text(), "ok");
  start();
  remember(license, "a");
  faults_.lost = true;
  ASSERT_TRUE(eventually([&] { return lost_ == 1; }));
  ASSERT_EQ(elsewhere(change(license, licensing::StatusCommand::revoke)), "ok");
  EXPECT_TRUE(found(license)) << "nobody could tell yet";
  faults_.lost = false;
  ASSERT_TRUE(catches_up());
  EXPECT_FALSE(found(license));
}

TEST_F(FeedTest, AHistoryThatWasSetBackEmptiesMemory) {
  const auto license = add_license(R"({"max_clients":3})");
  ASSERT_EQ(here(activate(license, "a")).text(), "ok");
  start();
  remember(license, "a");
  ASSERT_EQ(here(activate(license, "b")).text(), "ok");
  const std::int64_t last = store_->open_reader()->audit_head().sequence;
  ASSERT_EQ(shared_.newest_written(), last);
  ASSERT_TRUE(catches_up());  // it has read that event
  faults_.set_back = true;
  ASSERT_TRUE(eventually([&] { return feed_->counts().resets == 1; }));
  ASSERT_TRUE(catches_up());
  EXPECT_EQ(known_, last) << "it is told which event was known";
  EXPECT_FALSE(found(license));
  EXPECT_EQ(shared_.newest_written(), 0) << "that sequence may be another's event now";
}

// The feed has not read what this process wrote last, and another server is the primary, which has not got that.
// Whether it was alone before, or not.
class FeedOfOneOrTwo : public FeedTest, public testing::WithParamInterface<bool> {};
INSTANTIATE_TEST_SUITE_P(Feed, FeedOfOneOrTwo, testing::Bool());
TEST_P(FeedOfOneOrTwo, WhatItWroteItselfAndIsGoneIsInMemoryNoMore) {
  const auto license = add_license(R"({"max_clients":3})");
  start();
  if (GetParam()) {
    ASSERT_EQ(elsewhere(activate(license, "other")), "ok");
    ASSERT_TRUE(catches_up());
    ASSERT_GT(feed_->counts().notes, 0U);
  }
  ASSERT_EQ(here(activate(license, "a")).text(), "ok");
  ASSERT_TRUE(catches_up());
  const std::int64_t last = store_->open_reader()->audit_head().sequence;
  faults_.ends_at = last;
  ASSERT_EQ(here(activate(license, "b")).text(), "ok");
  ASSERT_TRUE(eventually([&] { return feed_->counts().resets == 1; }));
  ASSERT_TRUE(eventually([&] { return known_ == last + 1; })) << "it is told which event was known";
  EXPECT_FALSE(is_remembered(license, "b"));
  faults_.ends_at = std::numeric_limits<std::int64_t>::max();
  ASSERT_TRUE(catches_up());
  EXPECT_EQ(feed_->counts().resets, 1U);
}

TEST_F(FeedTest, WhatItWroteItselfAndIsAnothersNowIsInMemoryNoMore) {
  const auto license = add_license(R"({"max_clients":3})");
  start();
  faults_.others_from = store_->open_reader()->audit_head().sequence + 1;
  ASSERT_EQ(here(activate(license, "a")).text(), "ok");
  ASSERT_TRUE(eventually([&] { return feed_->counts().resets >= 1; }));
  faults_.others_from = std::numeric_limits<std::int64_t>::max();
  ASSERT_TRUE(catches_up());
  EXPECT_FALSE(is_remembered(license, "a"));
}

TEST(WrittenEvents, KnowThemByTheirHashes) {
  using store::EventAuthor;
  store::WrittenEvents written;
  written.note(5, std::vector<std::uint64_t>{50, 60}, "6");
  EXPECT_FALSE(written.end_of_own(3));
  ASSERT_TRUE(written.end_of_own(4));
  EXPECT_EQ(written.end_of_own(4)->sequence, 6);
  EXPECT_EQ(written.end_of_own(4)->hash, "6");
  written.note(9, std::vector<std::uint64_t>{90}, "9");
  EXPECT_FALSE(written.end_of_own(4)) << "7 and 8 are others'";
  EXPECT_EQ(written.author_of(5, 50), EventAuthor::own);
  EXPECT_EQ(written.author_of(6, 60), EventAuthor::own);
  EXPECT_EQ(written.author_of(6, 61), EventAuthor::other_instead);
  EXPECT_EQ(written.author_of(7, 70), EventAuthor::other);
  EXPECT_EQ(written.newest(), 9);
  written.forget_until(6);
  EXPECT_EQ(written.author_of(6, 60), EventAuthor::other);
  EXPECT_FALSE(written.end_of_own(6));
  ASSERT_TRUE(written.end_of_own(8));
  EXPECT_EQ(written.end_of_own(8)->sequence, 9);
  EXPECT_FALSE(written.end_of_own(9)) << "nothing is behind it";
  EXPECT_EQ(written.author_of(9, 90), EventAuthor::own);
  EXPECT_FALSE(written.was_set_back());
  written.note(9, std::vector<std::uint64_t>{91}, "9'");
  EXPECT_TRUE(written.was_set_back());
  EXPECT_FALSE(written.end_of_own(8));
  EXPECT_EQ(written.author_of(9, 91), EventAuthor::own);
  written.forget();
  EXPECT_FALSE(written.was_set_back());
  EXPECT_EQ(written.newest(), 0);
  written.note(3, {}, "");
  EXPECT_EQ(written.newest(), 0);
}

TEST_F(FeedTest, DistrustEndsAnswersFromMemory) {
  start();
  feed_->distrust();
  ASSERT_TRUE(catches_up());
  EXPECT_FALSE(feed_->is_current());
  EXPECT_FALSE(feed_->is_usable());
}

TEST_F(FeedTest, BatchesDecideByThePolicyThatTheDatabaseHas) {
  const auto policy = add_policy(R"({"max_clients":1})");
  const auto license = add_license(policy);
  start();
  ASSERT_EQ(here(activate(license, "a")).text(), "ok");
  ASSERT_EQ(here(activate(license, "b")).text(), "MAX_CLIENTS_REACHED");
  store_->write([&](store::Tx& tx) {
    tx.update_policy_terms(policy, R"({"max_clients":2})");
    store::Changes changes;
    changes.events.push_back(event("policy.changed"));
    tx.apply(changes);
  });
  ASSERT_TRUE(catches_up());
  EXPECT_EQ(here(activate(license, "b")).text(), "ok");
}

}  // namespace
}  // namespace lictor::service
