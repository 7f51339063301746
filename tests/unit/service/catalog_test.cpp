#include "service/catalog.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

namespace lictor::service {
namespace {

class CatalogTest : public testing::Test {
 protected:
  CatalogTest() {
    catalog_.add(store::Product{1, {}, "demo", R"({"client_auth":"license","releases":{"1.0":5}})", 0});
    catalog_.add(store::Product{2, {}, "alpha", "", 0});
    catalog_.add(store::Policy{11, {}, 1, "floating", R"({"lease":600,"max_clients":5,"features":{"a":null}})", 0});
    catalog_.add(store::Policy{12, {}, 1, "basic", "{}", 0});
    catalog_.add(store::Policy{13, {}, 2, "floating", "", 0});
  }
  static std::string overrides(int max_clients) { return "{\"max_clients\":" + std::to_string(max_clients) + "}"; }

  Catalog catalog_;
};

TEST_F(CatalogTest, FindsByNameAndRow) {
  EXPECT_EQ(catalog_.product("demo")->stored.row, 1);
  EXPECT_TRUE(catalog_.product("demo")->settings.license_auth);
  EXPECT_EQ(catalog_.product(2)->stored.name, "alpha");
  EXPECT_EQ(catalog_.product("none"), nullptr);
  EXPECT_EQ(catalog_.product(3), nullptr);
  EXPECT_EQ(catalog_.policy(1, "floating")->stored.row, 11);
  EXPECT_EQ(catalog_.policy(2, "floating")->stored.row, 13);
  EXPECT_EQ(catalog_.policy(2, "basic"), nullptr);
  EXPECT_EQ(catalog_.products()[0]->stored.name, "alpha");
  std::vector<store::Row> rows;
  for (const auto& policy : catalog_.policies()) rows.push_back(policy->stored.row);
  EXPECT_EQ(rows, (std::vector<store::Row>{13, 12, 11}));
}

TEST_F(CatalogTest, BadRecordsThrow) {
  EXPECT_THROW(catalog_.add(store::Policy{14, {}, 9, "orphan", "{}", 0}), std::runtime_error);
  EXPECT_THROW(catalog_.add(store::Product{3, {}, "bad", "{\"x\":1}", 0}), std::runtime_error);
  EXPECT_THROW((void)catalog_.terms(99, ""), std::runtime_error);
  EXPECT_THROW((void)catalog_.terms(11, "{\"max_clients\":0}"), std::runtime_error);
  EXPECT_EQ(catalog_.terms_count(), 0U);
}

TEST_F(CatalogTest, EqualTermsAreOneEntry) {
  const auto plain = catalog_.terms(11, "");
  EXPECT_EQ(&*plain, &*catalog_.terms(11, ""));
  EXPECT_EQ(plain->terms.max_clients, 5U);
  EXPECT_EQ(plain->terms.releases->size(), 1U);
  const auto seven = catalog_.terms(11, overrides(7));
  EXPECT_EQ(&*seven, &*catalog_.terms(11, overrides(7)));
  EXPECT_NE(&*seven, &*plain);
  EXPECT_EQ(seven->terms.max_clients, 7U);
  EXPECT_EQ(seven->terms.lease, 600);
  EXPECT_NE(&*catalog_.terms(12, overrides(7)), &*seven);
  EXPECT_EQ(plain->fragment,
            R"("type":"perpetual","features":["a"],"entitlements":{"a":{"limit":null,"expires_at":null}})");
  EXPECT_EQ(plain->fragment_until, licensing::kNever);
}

TEST_F(CatalogTest, TheFragmentHoldsUntilAFeatureExpires) {
  EXPECT_EQ(catalog_.terms(11, R"({"features":{"a":{"expires_at":200},"b":{"expires_at":100}}})")->fragment_until, 100);
}

TEST_F(CatalogTest, OverridesGoWithTheirLastHandle) {
  {
    const auto permanent = catalog_.terms(11, "");
    auto one = catalog_.terms(11, overrides(7));
    const auto index = one->index;
    auto copy = one;
    auto moved = std::move(one);
    EXPECT_FALSE(one);  // NOLINT(bugprone-use-after-move)
    moved = TermsHandle();
    EXPECT_EQ(catalog_.terms_count(), 2U);
    EXPECT_EQ(copy->terms.max_clients, 7U);
    copy = {};
    EXPECT_EQ(catalog_.terms_count(), 1U);
    EXPECT_EQ(catalog_.terms(12, overrides(8))->index, index) << "indexes are used again";
  }
  EXPECT_EQ(catalog_.terms_count(), 1U) << "a policy's own terms stay";
}

TEST_F(CatalogTest, DetachedIndexesKeepTheEntry) {
  const auto index = catalog_.detach(catalog_.terms(11, overrides(7)));
  EXPECT_EQ(catalog_.terms_count(), 1U);
  {
    const auto handle = catalog_.at(index);
    EXPECT_EQ(handle->terms.max_clients, 7U);
    const auto second = catalog_.detach(handle);
    EXPECT_EQ(second, index);
    catalog_.drop(second);
  }
  EXPECT_EQ(catalog_.at(index)->terms.max_clients, 7U);
  catalog_.drop(index);
  EXPECT_EQ(catalog_.terms_count(), 0U);
}

TEST_F(CatalogTest, ManyIndexes) {
  std::vector<TermsHandle> handles;
  for (int i = 1; i <= 3000; ++i) handles.push_back(catalog_.terms(11, overrides(i)));
  for (int i = 1; i <= 3000; ++i)
    EXPECT_EQ(catalog_.at(handles[static_cast<std::size_t>(i) - 1]->index)->terms.max_clients,
              static_cast<unsigned>(i));
  handles.clear();
  EXPECT_EQ(catalog_.terms_count(), 0U);
}

TEST_F(CatalogTest, AChangedPolicyGivesItsTermsAnew) {
  const auto plain = catalog_.terms(11, ""), seven = catalog_.terms(11, overrides(7)), other = catalog_.terms(12, "");
  const auto replacements =
      catalog_.replace(store::Policy{11, {}, 1, "floating", R"({"lease":60,"max_clients":9})", 0});
  EXPECT_EQ(replacements.size(), 2U);
  EXPECT_EQ(plain->terms.max_clients, 5U) << "who holds the old goes on with it";
  EXPECT_TRUE(plain->retired);
  EXPECT_EQ(replacements.at(plain->index)->terms.max_clients, 9U);
  EXPECT_EQ(replacements.at(seven->index)->terms.max_clients, 7U);
  EXPECT_EQ(replacements.at(seven->index)->terms.lease, 60);
  EXPECT_EQ(&*catalog_.terms(11, ""), &*replacements.at(plain->index));
  EXPECT_EQ(&*catalog_.terms(12, ""), &*other) << "of another policy: as it was";
  EXPECT_FALSE(other->retired);
  EXPECT_EQ(catalog_.policy(1, "floating")->stored.terms, R"({"lease":60,"max_clients":9})");
}

TEST_F(CatalogTest, AChangedProductGivesTheTermsOfAllItsPoliciesAnew) {
  const auto floating = catalog_.terms(11, ""), basic = catalog_.terms(12, ""), foreign = catalog_.terms(13, "");
  const auto replacements = catalog_.replace(store::Product{1, {}, "demo", R"({"client_auth":"api_key"})", 0});
  EXPECT_EQ(replacements.size(), 2U);
  EXPECT_TRUE(floating->product->settings.license_auth);
  EXPECT_FALSE(catalog_.terms(11, "")->product->settings.license_auth);
  EXPECT_FALSE(catalog_.policy(1, "basic")->product->settings.license_auth);
  EXPECT_EQ(&*catalog_.terms(13, ""), &*foreign);
  EXPECT_THROW(catalog_.replace(store::Product{1, {}, "demo", "{\"x\":1}", 0}), std::runtime_error);
  EXPECT_FALSE(catalog_.product("demo")->settings.license_auth) << "what can't be read changes nothing";
}

TEST_F(CatalogTest, OldTermsGoWithTheirLastHandle) {
  auto old = catalog_.terms(11, overrides(3));
  const auto index = catalog_.detach(catalog_.terms(11, overrides(3)));
  {
    const auto replacements = catalog_.replace(store::Policy{11, {}, 1, "floating", "{}", 0});
    EXPECT_EQ(replacements.count(index), 1U);
  }
  const auto before = catalog_.terms_count();
  EXPECT_EQ(catalog_.at(index)->terms.lease, 600) << "a record still refers to it";
  catalog_.drop(index);
  old = {};
  EXPECT_LE(catalog_.terms_count(), before);
  EXPECT_EQ(catalog_.terms(11, overrides(3))->terms.lease, 0);
}

TEST_F(CatalogTest, WhatIsRemovedIsNotFound) {
  const auto held = catalog_.terms(12, "");
  catalog_.remove_policy(12);
  EXPECT_THROW((void)catalog_.terms(12, ""), std::runtime_error) << "no terms of what is gone";
  catalog_.add(store::Policy{12, {}, 1, "again", R"({"max_clients":3})", 0});
  EXPECT_EQ(catalog_.terms(12, "")->terms.max_clients, 3U);
  EXPECT_EQ(held->terms.max_clients, 1U) << "who holds the old goes on with it";
  catalog_.remove_policy(12);
  EXPECT_EQ(catalog_.policy(1, "basic"), nullptr);
  EXPECT_NE(catalog_.policy(1, "floating"), nullptr);
  catalog_.remove_policy(13);
  catalog_.remove_product(2);
  EXPECT_EQ(catalog_.product("alpha"), nullptr);
  EXPECT_EQ(catalog_.product(2), nullptr);
  EXPECT_EQ(catalog_.policies().size(), 1U);
}

// Each change of a product kept the terms of its policies before it, with all its releases, as long as lictord ran.
TEST_F(CatalogTest, ChangesLeaveNoOldTermsBehind) {
  auto record = catalog_.detach(catalog_.terms(11, ""));  // as the cache does
  std::uint32_t highest = 0;
  for (int i = 0; i < 1000; ++i) {
    const bool even = i % 2 == 0;
    const auto replacements = even ? catalog_.replace(store::Product{1, {}, "demo", R"({"releases":{"1.0":5}})", 0})
                                   : catalog_.replace(store::Policy{11, {}, 1, "floating", R"({"max_clients":9})", 0});
    ASSERT_EQ(replacements.count(record), 1U);
    const auto next = catalog_.detach(replacements.at(record));
    catalog_.drop(record);
    record = next;
    highest = std::max(highest, record);
    ASSERT_LE(catalog_.retired_count(), 2U);
  }
  EXPECT_LE(highest, 4U) << "indexes are used again";
  catalog_.drop(record);
  catalog_.remove_policy(11);
  catalog_.remove_policy(12);
  EXPECT_LE(catalog_.retired_count(), 1U);
}

TEST_F(CatalogTest, PoliciesOfAProductShareItsReleases) {
  EXPECT_EQ(catalog_.terms(11, "")->terms.releases, catalog_.terms(12, "")->terms.releases);
  EXPECT_EQ(catalog_.terms(11, "")->terms.releases, catalog_.terms(11, overrides(7))->terms.releases);
}

class CatalogConcurrent : public CatalogTest {};

TEST_F(CatalogConcurrent, HandlesComeAndGo) {
  std::vector<std::thread> threads;
  for (int number = 0; number < 4; ++number) {
    threads.emplace_back([&, number] {
      for (int i = 0; i < 3000; ++i) {
        const int clients = 1 + (i + number) % 3;
        auto handle = catalog_.terms(11, overrides(clients));
        const auto copy = handle;
        const auto index = catalog_.detach(std::move(handle));
        EXPECT_EQ(catalog_.at(index)->terms.max_clients, static_cast<unsigned>(clients));
        EXPECT_EQ(copy->overrides, overrides(clients));
        catalog_.drop(index);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(catalog_.terms_count(), 0U);
}

TEST_F(CatalogConcurrent, ChangedTermsAreThereAsLongAsSomebodyHasThem) {
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (int number = 0; number < 3; ++number) {
    threads.emplace_back([&] {
      TermsHandle kept;
      while (!done.load()) {
        auto handle = catalog_.terms(11, "");
        const auto copy = handle;
        kept = std::move(handle);
        handle = TermsHandle();
        EXPECT_EQ(copy->overrides, "");
        EXPECT_EQ(kept->terms.releases->size(), 1U);
      }
    });
  }
  for (int i = 0; i < 2000; ++i) {
    catalog_.replace(store::Product{1, {}, "demo", R"({"releases":{"1.0":)" + std::to_string(i) + "}}", 0});
  }
  done = true;
  for (auto& thread : threads) thread.join();
  catalog_.replace(store::Product{1, {}, "demo", R"({"releases":{"1.0":5}})", 0});
  EXPECT_LE(catalog_.retired_count(), 1U);
}

}  // namespace
}  // namespace lictor::service
