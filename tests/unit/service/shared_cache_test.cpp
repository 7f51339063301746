// The second level over a real Redis on a socket of its own; the clock and the history are the tests'.
#include "service/shared_cache.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "store/temp_directory.h"

namespace lictor::service {
namespace {

using namespace std::chrono_literals;

constexpr base::UnixSeconds kNow = 1'800'000'000;
constexpr const char* kServer = "/usr/bin/redis-server";

class RedisProcess {
 public:
  explicit RedisProcess(const std::string& socket) : socket_(socket) {}
  ~RedisProcess() { kill(); }
  void start() {
    const char* const arguments[] = {kServer,         "--port",      "0",  "--unixsocket",
                                     socket_.c_str(), "--save",      "",   "--logfile",
                                     "/dev/null",     "--daemonize", "no", nullptr};
    ASSERT_EQ(posix_spawn(&process_, kServer, nullptr, nullptr, const_cast<char* const*>(arguments), environ), 0);
    for (int i = 0; i < 500; ++i) {
      try {
        redis::Connection(url(), 100ms);
        return;
      } catch (const redis::RedisError&) {
        std::this_thread::sleep_for(10ms);
      }
    }
    FAIL() << "redis-server does not start";
  }
  void kill() {
    if (process_ == 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    process_ = 0;
    ::unlink(socket_.c_str());
  }
  redis::Reply ask(std::initializer_list<std::string_view> words) {
    return redis::Connection(url(), 1s).ask(words, 1s);
  }

 private:
  redis::RedisUrl url() const {
    redis::RedisUrl url;
    url.path = socket_;
    return url;
  }

  const std::string socket_;
  pid_t process_ = 0;
};

class SharedCacheTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::access(kServer, X_OK) != 0) GTEST_SKIP() << "Redis is not installed (package redis-server)";
    ::signal(SIGPIPE, SIG_IGN);  // as lictord does
    redis_.start();
    catalog_.add(store::Product{1, id(100), "demo", "", 0});
    catalog_.add(store::Policy{11, id(101), 1, "policy", R"({"max_clients":5})", 0});
    history_.begin({100, hash('a', 100)});
    shared_ = open();
    eventually([&] { return shared_->counts().is_up; });
  }

  std::unique_ptr<SharedCache> open() {
    SharedCacheOptions options;
    options.url.path = directory_.file("socket");
    options.timeout = 2s;  // of a slow machine
    return std::make_unique<SharedCache>(crypto::Prf::Key{7}, clock_, catalog_, history_, std::move(options));
  }

  template <class Condition>
  static void eventually(const Condition& condition) {
    for (int i = 0; i < 1000 && !condition(); ++i) std::this_thread::sleep_for(10ms);
    EXPECT_TRUE(condition());
  }
  static base::Id id(std::uint8_t number) {
    base::Id made;
    made.bytes.fill(number);
    return made;
  }
  static std::string hash(char h, std::int64_t sequence) {
    std::string bytes(32, h);
    std::memcpy(bytes.data(), &sequence, 7);
    return bytes;
  }
  static store::LicenseView view(std::uint8_t number) {
    store::LicenseView made;
    made.license.id = id(number);
    made.license.key_digest = id(static_cast<std::uint8_t>(number + 50));
    made.activation.emplace();
    made.activation->held = true;
    return made;
  }
  static store::LicenseRef by_id(std::uint8_t number) { return {store::LicenseRef::By::id, id(number)}; }

  void read_feed() {
    history_.read_begins();
    history_.read_ends();
  }
  void change(std::uint8_t license, std::int64_t sequence, char h = 'a') {
    const store::ChangeNote notes[] = {{sequence,
                                        store::hash_head(hash(h, sequence)),
                                        "license.suspended",
                                        base::format_id(base::kLicensePrefix, id(license)),
                                        {},
                                        {}}};
    history_.append(notes);
  }
  void offer(const store::LicenseView& view) { shared_->offer(view, id(101), "c", true, history_.mark()); }
  // Until it is in Redis.
  void keep(const store::LicenseView& view) {
    offer(view);
    read_feed();
    eventually([&] { return redis_.ask({"DBSIZE"}).number >= 2; });
  }
  bool finds(std::uint8_t license) { return shared_->find(by_id(license), "c").has_value(); }

  test::TempDirectory directory_;
  RedisProcess redis_{directory_.file("socket")};
  base::ManualClock clock_{kNow};
  Catalog catalog_;
  ChangeHistory history_;
  std::unique_ptr<SharedCache> shared_;
};

TEST_F(SharedCacheTest, GivesBackWhatItWasOffered) {
  EXPECT_FALSE(finds(1));
  keep(view(1));
  const auto found = shared_->find(by_id(1), "c");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->license.policy, 11) << "the catalogue's own number";
  EXPECT_EQ(found->license.key_digest, id(51));
  EXPECT_TRUE(shared_->find({store::LicenseRef::By::key_digest, id(51)}, "c"));
  EXPECT_FALSE(shared_->find(by_id(1), "d"));
  EXPECT_FALSE(shared_->find(by_id(1), std::nullopt));
  const SharedCacheCounts counts = shared_->counts();
  EXPECT_EQ(counts.hits, 2U);
  EXPECT_EQ(counts.misses, 3U);
  EXPECT_EQ(counts.untrusted + counts.errors + counts.skipped + counts.dropped, 0U);
}

TEST_F(SharedCacheTest, KeepsNothingThatLetsNobodyIn) {
  for (const auto spoil : {+[](store::LicenseView& v) { v.license.state.status = licensing::LicenseStatus::suspended; },
                           +[](store::LicenseView& v) { v.activation.reset(); },
                           +[](store::LicenseView& v) { v.activation->held = false; }}) {
    store::LicenseView spoilt = view(1);
    spoil(spoilt);
    offer(spoilt);
  }
  keep(view(2));
  EXPECT_EQ(redis_.ask({"DBSIZE"}).number, 2);
}

TEST_F(SharedCacheTest, WaitsUntilNothingCanHaveComeInBetween) {
  history_.read_begins();  // began before the offer, and so may have missed a change
  offer(view(1));
  history_.read_ends();
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(redis_.ask({"DBSIZE"}).number, 0);
  change(1, 101);  // what was read is of before or after it: nobody knows
  keep(view(2));
  EXPECT_EQ(redis_.ask({"DBSIZE"}).number, 2) << "the other one";
  EXPECT_TRUE(finds(2));
  EXPECT_FALSE(finds(1));
}

TEST_F(SharedCacheTest, IsNotBelievedWithoutProof) {
  keep(view(1));
  ASSERT_TRUE(finds(1));
  change(2, 101);
  EXPECT_TRUE(finds(1)) << "another license's change";
  clock_.advance(300);
  EXPECT_TRUE(finds(1));
  clock_.advance(1);
  EXPECT_FALSE(finds(1)) << "older than its time to live";
  clock_.set(kNow - 301);
  EXPECT_FALSE(finds(1)) << "from the future";
  clock_.set(kNow);
  EXPECT_TRUE(finds(1));
  catalog_.remove_policy(11);
  EXPECT_FALSE(finds(1)) << "of no policy";
  catalog_.add(store::Policy{12, id(101), 1, "policy", R"({"max_clients":5})", 0});
  EXPECT_EQ(shared_->find(by_id(1), "c")->license.policy, 12);
  history_.forget();
  EXPECT_FALSE(finds(1)) << "nothing is known";
  history_.begin({100, hash('b', 100)});
  EXPECT_FALSE(finds(1)) << "of another history";
  history_.forget();
  history_.begin({100, hash('a', 100)});
  EXPECT_TRUE(finds(1));
  change(1, 101);
  EXPECT_FALSE(finds(1)) << "changed since";
  EXPECT_EQ(shared_->counts().untrusted, 6U);
}

TEST_F(SharedCacheTest, LeavesLeasesThatMayHaveEndedToTheDatabase) {
  store::LicenseView leased = view(1);
  leased.activation->lease_expires_at = kNow + 10;
  leased.license.state.next_lease_end = kNow + 5;  // of another client's
  keep(leased);
  clock_.set(kNow + 4);
  EXPECT_TRUE(finds(1));
  clock_.set(kNow + 5);
  EXPECT_FALSE(finds(1));
  shared_->stop();
  shared_.reset();
}

TEST_F(SharedCacheTest, ForgetsWhatThisProcessChanged) {
  keep(view(1));
  store::Event refused, changed;
  refused.action = "seat.refused";
  changed.action = "license.revoked";
  refused.subject = changed.subject = base::format_id(base::kLicensePrefix, id(1));
  shared_->committed(std::span(&refused, 1), 101);
  EXPECT_TRUE(finds(1));
  shared_->committed(std::span(&changed, 1), 102);
  EXPECT_FALSE(finds(1)) << "before the feed tells of it";
  eventually([&] { return redis_.ask({"DBSIZE"}).number == 0; });
}

TEST_F(SharedCacheTest, DropsWhatDoesNotFit) {
  SharedCacheOptions options;
  options.url.path = directory_.file("socket");
  options.queue_max = 3;
  shared_ = std::make_unique<SharedCache>(crypto::Prf::Key{7}, clock_, catalog_, history_, std::move(options));
  eventually([&] { return shared_->counts().is_up; });
  for (std::uint8_t i = 1; i <= 5; ++i) offer(view(i));
  EXPECT_EQ(shared_->counts().dropped, 2U);
}

TEST_F(SharedCacheTest, GoesOnWithoutRedisAndFindsItAgain) {
  keep(view(1));
  redis_.kill();
  EXPECT_FALSE(finds(1));
  EXPECT_FALSE(shared_->counts().is_up);
  EXPECT_FALSE(finds(1));
  EXPECT_EQ(shared_->counts().errors + shared_->counts().skipped, 2U);
  offer(view(2));
  EXPECT_EQ(shared_->counts().dropped, 1U);
  redis_.start();
  eventually([&] { return shared_->counts().is_up; });
  keep(view(1));
  EXPECT_TRUE(finds(1));
}

using SharedCacheConcurrent = SharedCacheTest;
TEST_F(SharedCacheConcurrent, AsksTellsAndLosesRedisAtOnce) {
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (std::uint8_t number = 1; number <= 4; ++number) {
    threads.emplace_back([&, number] {
      while (!done) {
        offer(view(number));
        finds(number);
      }
    });
  }
  threads.emplace_back([&] {
    for (std::int64_t sequence = 101; !done; ++sequence) {
      store::Event changed;
      changed.action = "license.suspended";
      changed.subject = base::format_id(base::kLicensePrefix, id(2));
      shared_->committed(std::span(&changed, 1), sequence);
      change(2, sequence);
      read_feed();
      std::this_thread::sleep_for(1ms);
    }
  });
  for (int i = 0; i < 3; ++i) {
    std::this_thread::sleep_for(300ms);
    redis_.kill();
    redis_.start();
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  shared_->stop();
  EXPECT_FALSE(finds(2));
}

}  // namespace
}  // namespace lictor::service
