#include "service/cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace lictor::service {
namespace {

constexpr base::UnixSeconds kNow = 1'800'000'000;

store::LicenseRef by_id(const base::Id& id) { return {store::LicenseRef::By::id, id}; }
store::LicenseRef by_key(const base::Digest& digest) { return {store::LicenseRef::By::key_digest, digest}; }

store::LicenseView make_view(std::uint32_t seats_held = 1) {
  store::LicenseView view;
  view.license.row = 1;
  view.license.id = crypto::random_id();
  view.license.key_digest = crypto::random_id();
  view.license.policy = 11;
  view.license.state.issued_at = kNow - 100;
  view.license.state.starts_at = kNow - 50;
  view.license.state.expires_at = 253402300799;
  view.license.state.seats_held = seats_held;
  view.license.state.last_check_in_at = kNow - 10;
  return view;
}
licensing::Activation seat(licensing::Fingerprint::Kind kind = licensing::Fingerprint::Kind::absent) {
  licensing::Activation activation;
  activation.client = crypto::random_id();
  activation.held = true;
  activation.activated_at = kNow - 5;
  activation.lease_expires_at = licensing::kNever;
  activation.fingerprint.kind = kind;
  if (kind == licensing::Fingerprint::Kind::opaque) activation.fingerprint.tags[0] = crypto::random_id();
  if (kind == licensing::Fingerprint::Kind::components) {
    activation.fingerprint.mask = 5;
    activation.fingerprint.tags[0] = crypto::random_id();
    activation.fingerprint.tags[2] = crypto::random_id();
  }
  return activation;
}

class CacheTest : public testing::Test {
 protected:
  CacheTest() {
    catalog_.add(store::Product{1, {}, "demo", "", 0});
    catalog_.add(store::Policy{11, {}, 1, "policy", R"({"max_clients":5})", 0});
  }
  TermsHandle terms(const std::string& overrides = "") { return catalog_.terms(11, overrides); }
  void fill(Cache& cache, const store::LicenseView& view, std::string_view client = {}) {
    cache.fill(view, terms(view.license.overrides), true, client.empty() ? nullptr : &client, cache.fill_ticket());
  }
  static bool has(Cache& cache, const store::LicenseRef& ref, std::string_view client = {},
                  base::UnixSeconds now = kNow) {
    CachedView out;
    return cache.find(ref, client.empty() ? nullptr : &client, now, out);
  }

  Catalog catalog_;
  Cache cache_{{64, 64}, catalog_, crypto::Prf::Key{7}};
};

TEST_F(CacheTest, WhatWasFilledIsFound) {
  using Kind = licensing::Fingerprint::Kind;
  for (const Kind kind : {Kind::absent, Kind::opaque, Kind::components}) {
    auto view = make_view(3);
    view.activation = seat(kind);
    view.activation->over_limit = true;
    view.activation->lease_expires_at = kNow + 60;
    view.license.state.next_lease_end = kNow + 60;
    EXPECT_FALSE(has(cache_, by_id(view.license.id)));
    fill(cache_, view, "client");
    for (const auto& ref : {by_id(view.license.id), by_key(view.license.key_digest)}) {
      CachedView out;
      const std::string_view client = "client";
      ASSERT_TRUE(cache_.find(ref, &client, kNow, out));
      EXPECT_EQ(out.id, view.license.id);
      EXPECT_EQ(out.license, view.license.state);
      EXPECT_EQ(out.terms->terms.max_clients, 5U);
      ASSERT_TRUE(out.has_activation);
      EXPECT_EQ(out.activation, *view.activation);
      EXPECT_FALSE(has(cache_, ref, "stranger"));
      EXPECT_TRUE(has(cache_, ref));
    }
  }
}

TEST_F(CacheTest, AnEndedLeaseSendsToTheDatabase) {
  auto view = make_view();
  view.license.state.next_lease_end = kNow + 60;
  fill(cache_, view);
  EXPECT_TRUE(has(cache_, by_id(view.license.id), "", kNow + 59));
  EXPECT_FALSE(has(cache_, by_id(view.license.id), "", kNow + 60));
}

TEST_F(CacheTest, AFillThatRacedWithAPublishIsDropped) {
  auto view = make_view(1);
  view.activation = seat();
  const auto ticket = cache_.fill_ticket();  // the reader looks now …
  auto newer = view;
  newer.license.state.status = licensing::LicenseStatus::revoked;
  cache_.begin_publish();  // … and a commit is told before it fills
  cache_.publish(newer.license, terms());
  const std::string_view client = "client";
  cache_.fill(view, terms(), true, &client, ticket);
  CachedView out;
  ASSERT_TRUE(cache_.find(by_id(view.license.id), nullptr, kNow, out));
  EXPECT_EQ(out.license.status, licensing::LicenseStatus::revoked);
  EXPECT_FALSE(has(cache_, by_id(view.license.id), client));
  EXPECT_EQ(cache_.counts().dropped_fills, 2U);
  fill(cache_, newer, client);
  EXPECT_TRUE(has(cache_, by_id(view.license.id), client));
}

TEST_F(CacheTest, PublishReplaces) {
  auto view = make_view(1);
  view.activation = seat(licensing::Fingerprint::Kind::components);
  fill(cache_, view, "client");
  view.license.state.seats_held = 2;
  view.license.state.status = licensing::LicenseStatus::suspended;
  cache_.begin_publish();
  cache_.publish(view.license, terms("{\"max_clients\":9}"));
  auto bound = seat(licensing::Fingerprint::Kind::opaque);
  cache_.publish(view.license.id, "client", bound);
  CachedView out;
  const std::string_view client = "client";
  ASSERT_TRUE(cache_.find(by_key(view.license.key_digest), &client, kNow, out));
  EXPECT_EQ(out.license.seats_held, 2U);
  EXPECT_EQ(out.license.status, licensing::LicenseStatus::suspended);
  EXPECT_EQ(out.terms->terms.max_clients, 9U);
  EXPECT_EQ(out.activation, bound);
  bound.held = false;
  cache_.publish(view.license.id, "client", bound);
  EXPECT_FALSE(has(cache_, by_id(view.license.id), "client"));
  EXPECT_EQ(cache_.counts().activations, 0U);
  cache_.publish(view.license.id, "client", bound);
}

TEST_F(CacheTest, SeatsOfTwoLicensesAreApart) {
  auto one = make_view(), other = make_view();
  one.activation = seat();
  fill(cache_, one, "client");
  fill(cache_, other);
  EXPECT_TRUE(has(cache_, by_id(one.license.id), "client"));
  EXPECT_FALSE(has(cache_, by_id(other.license.id), "client"));
}

// Memory is bounded, what was evicted is forgotten under its key as well, and nothing leaks (AddressSanitizer looks).
TEST_F(CacheTest, APlaceIsNoMoreThanAHint) {
  Cache cache({100'000, 100'000}, catalog_, {});
  std::vector<store::LicenseView> views(1000);
  for (auto& view : views) {
    view = make_view();
    view.activation = seat();
    fill(cache, view, "client");
  }
  const std::string_view client = "client", other = "other";
  for (std::size_t i = 0; i < views.size(); ++i) {
    const auto& license = views[i].license;
    const auto& wrong = views[(i + 1) % views.size()].license;
    for (const auto& asked :
         {by_key(wrong.key_digest), by_id(wrong.id), by_key(license.key_digest), by_id(license.id)}) {
      const CachePlace place = cache.approach(asked);
      cache.prefetch_seat(place);
      CachedView out;
      ASSERT_TRUE(cache.find(by_key(license.key_digest), &client, kNow, out, place));
      EXPECT_EQ(out.id, license.id);
      EXPECT_EQ(out.activation.client, views[i].activation->client);
      ASSERT_TRUE(cache.find(by_id(license.id), &client, kNow, out, place));
      EXPECT_EQ(out.activation.client, views[i].activation->client);
      EXPECT_FALSE(cache.find(by_id(license.id), &other, kNow, out, place));
    }
    CachedView out;
    EXPECT_FALSE(cache.find(by_id(crypto::random_id()), nullptr, kNow, out, cache.approach(by_id(license.id))));
  }
}

TEST_F(CacheTest, TheBoundIsKept) {
  std::vector<store::LicenseView> views;
  for (int i = 0; i < 2000; ++i) {
    views.push_back(make_view());
    views.back().license.overrides = "{\"max_clients\":" + std::to_string(i + 1) + "}";
    views.back().activation = seat(licensing::Fingerprint::Kind::components);
    fill(cache_, views.back(), "client");
    ASSERT_TRUE(has(cache_, by_key(views.back().license.key_digest), "client"));
  }
  const auto counts = cache_.counts();
  EXPECT_LE(counts.licenses, 128U);  // 64 shards of two
  EXPECT_LE(counts.activations, 128U);
  EXPECT_GE(counts.evictions, 2000 - counts.licenses);
  EXPECT_EQ(catalog_.terms_count(), counts.licenses) << "terms go with their licenses";
  std::uint64_t found = 0;
  for (const auto& view : views) {
    CachedView out;
    const bool here = cache_.find(by_id(view.license.id), nullptr, kNow, out);
    found += here ? 1 : 0;
    EXPECT_EQ(has(cache_, by_key(view.license.key_digest)), here);
    if (here) {
      EXPECT_EQ(out.terms->overrides, view.license.overrides);
    }
  }
  EXPECT_EQ(found, counts.licenses);
}

TEST_F(CacheTest, WhatIsUsedStaysLonger) {
  auto used = make_view();
  fill(cache_, used);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(has(cache_, by_id(used.license.id))) << i;
    auto other = make_view();
    other.license.id.bytes[0] = used.license.id.bytes[0];  // the same shard, which holds two
    fill(cache_, other);
  }
}

TEST_F(CacheTest, CountsHitsAndMisses) {
  auto view = make_view();
  fill(cache_, view);
  has(cache_, by_id(view.license.id));
  has(cache_, by_id(view.license.id), "nobody");
  has(cache_, by_key(crypto::random_id()));
  const auto counts = cache_.counts();
  EXPECT_EQ(counts.hits, 2U);
  EXPECT_EQ(counts.misses, 2U);
}

// ---- concurrent ----

class CacheConcurrent : public CacheTest {};

// A writer moves licenses on, one version after the other; no reader may ever see an older one than it saw before, nor
// one older than what was published before it looked.
TEST_F(CacheConcurrent, NobodySeesThePast) {
  constexpr std::size_t kLicenses = 300;  // more than the cache holds
  Cache cache({128, 128}, catalog_, crypto::Prf::Key{7});
  std::vector<store::LicenseView> views;
  for (std::size_t i = 0; i < kLicenses; ++i) views.push_back(make_view(0));
  std::vector<std::atomic<std::uint32_t>> committed(kLicenses), published(kLicenses);
  std::atomic<bool> stop{false};

  std::thread writer([&] {
    for (std::uint32_t round = 1; round <= 40; ++round) {
      for (std::size_t i = 0; i < kLicenses; ++i) {
        auto row = views[i].license;
        row.state.seats_held = round;
        committed[i] = round;  // the database has it
        cache.begin_publish();
        cache.publish(row, terms());
        auto bound =
            seat(round % 2 == 0 ? licensing::Fingerprint::Kind::components : licensing::Fingerprint::Kind::opaque);
        bound.held = round % 5 != 0;
        bound.activated_at = round;
        cache.publish(row.id, "client", bound);
        published[i] = round;
      }
    }
    stop = true;
  });
  std::vector<std::thread> readers;
  for (unsigned number = 0; number < 3; ++number) {
    readers.emplace_back([&, number] {
      std::size_t i = number;
      const std::string_view client = "client";
      while (!stop) {
        i = (i + 7) % kLicenses;
        const std::uint32_t least = published[i];
        CachedView out;
        const auto ref = number % 2 == 0 ? by_id(views[i].license.id) : by_key(views[i].license.key_digest);
        cache.prefetch(ref);
        const CachePlace place = cache.approach(ref);
        cache.prefetch_seat(place);
        if (cache.find(ref, nullptr, kNow, out, place)) {
          EXPECT_EQ(out.id, views[i].license.id);
          EXPECT_GE(out.license.seats_held, least);
          if (cache.find(ref, &client, kNow, out, place)) {
            EXPECT_GE(out.activation.activated_at, least);
          }
          continue;
        }
        const auto ticket = cache.fill_ticket();
        auto view = views[i];
        view.license.state.seats_held = committed[i];
        view.activation = seat(licensing::Fingerprint::Kind::components);
        view.activation->activated_at = view.license.state.seats_held;
        std::this_thread::yield();
        cache.fill(view, terms(), true, &client, ticket);
      }
    });
  }
  writer.join();
  for (auto& reader : readers) reader.join();
  EXPECT_LE(cache.counts().licenses, 192U);
}

}  // namespace
}  // namespace lictor::service
