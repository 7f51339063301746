#include "auth/api_keys.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "base/encoding.h"

namespace lictor::auth {
namespace {

constexpr base::UnixSeconds kNow = 1'800'000'000;

store::ApiKey stored(const NewApiKey& made, std::string scopes = "license:validate") {
  store::ApiKey key;
  key.id = made.id;
  key.name = "test";
  key.secret_hash = made.secret_hash;
  key.scopes = std::move(scopes);
  return key;
}

TEST(ApiKeys, Format) {
  std::set<std::string> all;
  for (int i = 0; i < 50; ++i) {
    const NewApiKey made = make_api_key();
    const std::string text(made.text.reveal());
    ASSERT_EQ(text.size(), 8U + 26 + 1 + 32);
    EXPECT_TRUE(text.starts_with("lk_live_"));
    EXPECT_EQ(text[34], '_');
    EXPECT_EQ(text.find_first_not_of("0123456789abcdefghjkmnpqrstvwxyz", 35), std::string::npos) << text;
    EXPECT_EQ("key_" + text.substr(8, 26), base::format_id("key", made.id));
    const auto hash = crypto::sha256(text);
    EXPECT_EQ(made.secret_hash, std::string(hash.begin(), hash.end()));
    all.insert(text);
  }
  EXPECT_EQ(all.size(), 50U);
}

TEST(ApiKeys, FindsWhoItIs) {
  ApiKeys keys(1, {});
  const NewApiKey made = make_api_key();
  store::ApiKey key = stored(made, "license:validate license:activate");
  key.product = 7;
  key.require_signature = true;
  keys.add(key);
  for (int round = 0; round < 2; ++round) {  // verified now, remembered then
    const Caller* caller = keys.find(0, made.text.reveal(), kNow);
    ASSERT_NE(caller, nullptr);
    EXPECT_EQ(caller->key, made.id);
    EXPECT_EQ(caller->scopes, 3);
    EXPECT_EQ(caller->product, 7);
    EXPECT_TRUE(caller->require_signature);
    EXPECT_EQ(base::to_hex((*caller->hmac)("x")), base::to_hex(crypto::HmacSha256(made.text.reveal())("x")));
  }
}

TEST(ApiKeys, EveryFlippedSymbolIsRefused) {
  ApiKeys keys(1, {});
  const NewApiKey made = make_api_key();
  keys.add(stored(made));
  const std::string text(made.text.reveal());
  ASSERT_NE(keys.find(0, text, kNow), nullptr);
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string wrong = text;
    wrong[i] = wrong[i] == '2' ? '3' : '2';
    EXPECT_EQ(keys.find(0, wrong, kNow), nullptr) << i;
  }
  for (std::size_t i = 0; i < text.size(); ++i) EXPECT_EQ(keys.find(0, text.substr(0, i), kNow), nullptr) << i;
  EXPECT_NE(keys.find(0, text, kNow), nullptr);
}

TEST(ApiKeys, OtherTextsAreRefused) {
  ApiKeys keys(1, {});
  const NewApiKey made = make_api_key();
  keys.add(stored(made));
  const std::string text(made.text.reveal());
  std::string upper = text;
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  const NewApiKey stranger = make_api_key();
  const std::string mixed = text.substr(0, 35) + std::string(stranger.text.reveal().substr(35));
  const std::string rows[] = {"",
                              text + " ",
                              " " + text,
                              text + "\n",
                              upper,
                              text + text,
                              text.substr(0, 34),
                              mixed,
                              std::string(stranger.text.reveal()),
                              std::string(10000, 'a'),
                              std::string(67, '\0'),
                              "lk_live_" + std::string(26, '0') + "_" + std::string(32, '0')};
  for (const auto& row : rows) EXPECT_EQ(keys.find(0, row, kNow), nullptr) << row.substr(0, 80);
}

// A database that was written to by somebody else: the hash of another key.
TEST(ApiKeys, TheWholeKeyIsHashed) {
  ApiKeys keys(1, {});
  const NewApiKey made = make_api_key();
  store::ApiKey key = stored(made);
  key.secret_hash.back() = static_cast<char>(key.secret_hash.back() ^ 1);
  keys.add(key);
  EXPECT_EQ(keys.find(0, made.text.reveal(), kNow), nullptr);
  key.secret_hash.clear();
  keys.add(key);
  EXPECT_EQ(keys.find(0, made.text.reveal(), kNow), nullptr);
}

TEST(ApiKeys, ExpiryHoldsForRememberedKeysToo) {
  ApiKeys keys(1, {});
  const NewApiKey made = make_api_key();
  store::ApiKey key = stored(made);
  key.expires_at = kNow + 10;
  keys.add(key);
  EXPECT_NE(keys.find(0, made.text.reveal(), kNow + 9), nullptr);
  EXPECT_EQ(keys.find(0, made.text.reveal(), kNow + 10), nullptr);
  EXPECT_NE(keys.find(0, made.text.reveal(), kNow + 9), nullptr) << "the clock decides, not the first refusal";
}

TEST(ApiKeys, RevocationIsSeenByEveryLaneAtOnce) {
  ApiKeys keys(3, {});
  const NewApiKey made = make_api_key(), other = make_api_key();
  keys.add(stored(made));
  keys.add(stored(other));
  for (unsigned lane = 0; lane < 3; ++lane) ASSERT_NE(keys.find(lane, made.text.reveal(), kNow), nullptr);
  keys.revoke(made.id, kNow);
  for (unsigned lane = 0; lane < 3; ++lane) {
    EXPECT_EQ(keys.find(lane, made.text.reveal(), kNow), nullptr) << lane;
    EXPECT_NE(keys.find(lane, other.text.reveal(), kNow), nullptr) << lane;
  }
  keys.revoke(made.id, 0);
  EXPECT_EQ(keys.find(0, made.text.reveal(), kNow), nullptr) << "a second revocation must not undo the first";
  keys.revoke(base::Id{}, kNow);
}

TEST(ApiKeys, AddReplaces) {
  ApiKeys keys(1, {});
  const NewApiKey made = make_api_key();
  keys.add(stored(made, "license:validate"));
  ASSERT_EQ(keys.find(0, made.text.reveal(), kNow)->scopes, 1);
  keys.add(stored(made, "admin:*"));
  EXPECT_EQ(keys.find(0, made.text.reveal(), kNow)->scopes, 63);
  keys.add(stored(made, "no:scope"));
  EXPECT_EQ(keys.find(0, made.text.reveal(), kNow), nullptr);
}

TEST(ApiKeysConcurrent, LanesReadWhileKeysComeAndGo) {
  constexpr unsigned kLanes = 3;
  ApiKeys keys(kLanes, {});
  const NewApiKey kept = make_api_key(), gone = make_api_key();
  keys.add(stored(kept));
  keys.add(stored(gone));
  std::atomic<bool> revoked{false};
  std::vector<std::thread> readers;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    readers.emplace_back([&, lane] {
      for (int i = 0; i < 2000; ++i) {
        const bool was_revoked = revoked.load();
        const Caller* caller = keys.find(lane, gone.text.reveal(), kNow);
        if (was_revoked) {
          EXPECT_EQ(caller, nullptr);
        }
        if (caller != nullptr) {
          EXPECT_EQ(caller->key, gone.id);
        }
        EXPECT_NE(keys.find(lane, kept.text.reveal(), kNow), nullptr);
      }
    });
  }
  for (int i = 0; i < 50; ++i) keys.add(stored(make_api_key()));
  keys.revoke(gone.id, kNow);
  revoked = true;
  for (int i = 0; i < 50; ++i) keys.add(stored(make_api_key()));
  for (auto& reader : readers) reader.join();
}

}  // namespace
}  // namespace lictor::auth
