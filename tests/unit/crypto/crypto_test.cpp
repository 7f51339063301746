#include "crypto/crypto.h"

#include <gtest/gtest.h>

#include <set>
#include <type_traits>

#include "base/encoding.h"

namespace lictor::crypto {
namespace {

// Every suite of this program may call crypto.
class Initialized : public testing::Environment {
  void SetUp() override { initialize(); }
};
[[maybe_unused]] testing::Environment* const kInitialized = testing::AddGlobalTestEnvironment(new Initialized);

std::string bytes(std::size_t count, int value) { return std::string(count, static_cast<char>(value)); }
std::string counting(std::size_t from, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += static_cast<char>(from + i);
  return text;
}

// FIPS 180-4 (the examples of NIST's Cryptographic Standards and Guidelines: one block, two blocks, a million).
TEST(Sha256, Vectors) {
  const std::pair<std::string, std::string> rows[] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {bytes(1'000'000, 'a'), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
  };
  for (const auto& [text, expected] : rows) EXPECT_EQ(base::to_hex(sha256(text)), expected) << text.substr(0, 60);
}

struct HmacRow {
  std::string key, message, expected;
};
// RFC 4231, sections 4.2 to 4.8 (4.6 untruncated).
const HmacRow kHmacRows[] = {
    {bytes(20, 0x0b), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {"Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {bytes(20, 0xaa), bytes(50, 0xdd), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    {counting(1, 25), bytes(50, 0xcd), "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
    {bytes(20, 0x0c), "Test With Truncation", "a3b6167473100ee06e0c796c2955552bfa6f7c0a6a8aef8b93f860aab0cd20c5"},
    {bytes(131, 0xaa), "Test Using Larger Than Block-Size Key - Hash Key First",
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {bytes(131, 0xaa),
     "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed "
     "before being used by the HMAC algorithm.",
     "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
};

TEST(HmacSha256, Rfc4231) {
  for (const auto& row : kHmacRows) EXPECT_EQ(base::to_hex(HmacSha256(row.key)(row.message)), row.expected);
}

TEST(HmacSha256, AKeyedStateServesManyMessages) {
  HmacSha256 first(kHmacRows[1].key);
  HmacSha256 second(kHmacRows[0].key);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(base::to_hex(first(kHmacRows[1].message)), kHmacRows[1].expected);
    EXPECT_EQ(base::to_hex(second(kHmacRows[0].message)), kHmacRows[0].expected);
    EXPECT_NE(base::to_hex(first("")), kHmacRows[1].expected);
  }
  HmacSha256 moved(std::move(first));
  EXPECT_EQ(base::to_hex(moved(kHmacRows[1].message)), kHmacRows[1].expected);
}

TEST(HmacSha256, AnEmptyKeyIsAKey) {
  // HMAC-SHA256 with an empty key and an empty message (RFC 2104 pads it with zeros).
  EXPECT_EQ(base::to_hex(HmacSha256("")("")), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

// vectors_sip128 of the SipHash reference implementation (SipHash-2-4-128): key 00 01 … 0f, message 00 01 … n-1.
TEST(Prf, SipHash128Vectors) {
  const std::pair<std::size_t, std::string> rows[] = {
      {0, "a3817f04ba25a8e66df67214c7550293"},  {1, "da87c1d86b99af44347659119b22fc45"},
      {2, "8177228da4a45dc7fca38bdef60affe4"},  {3, "9c70b60c5267a94e5f33b6b02985ed51"},
      {7, "a1f1ebbed8dbc153c0b84aa61ff08239"},  {8, "3b62a9ba6258f5610f83e264f31497b4"},
      {15, "5493e99933b0a8117e08ec0f97cfc3d9"}, {16, "6ee2a4ca67b054bbfd3315bf85230577"},
      {63, "5150d1772f50834a503e069a973fbd7c"},
  };
  Prf::Key key{};
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(i);
  const Prf prf(key);
  for (const auto& [length, expected] : rows)
    EXPECT_EQ(base::to_hex(prf(counting(0, length)).bytes), expected) << length;
}

TEST(Prf, TheKeyDecides) {
  const Prf one(Prf::Key{1}), other(Prf::Key{2});
  EXPECT_EQ(one("text"), one("text"));
  EXPECT_NE(one("text"), other("text"));
  EXPECT_NE(one("text"), one("Text"));
  EXPECT_NE(one("text"), one(std::string_view("text\0", 5)));
}

// A17: a Secret has no comparison but the constant-time one, no copy, and nothing that prints it.
template <class A, class B>
concept EqualComparable = requires(const A& a, const B& b) {
  a == b;
};
template <class T>
concept Printable = requires(std::ostream& out, const T& value) {
  out << value;
};
static_assert(!EqualComparable<Secret, Secret>);
static_assert(!EqualComparable<Secret, std::string>);
static_assert(!EqualComparable<Secret, std::string_view>);
static_assert(!EqualComparable<Secret, const char*>);
static_assert(!Printable<Secret>);
static_assert(!std::is_copy_constructible_v<Secret> && !std::is_copy_assignable_v<Secret>);
static_assert(!std::is_convertible_v<Secret, std::string> && !std::is_convertible_v<Secret, std::string_view>);
static_assert(!std::is_convertible_v<std::string, Secret>);

TEST(Secret, Equals) {
  const Secret secret(std::string("swordfish"));
  EXPECT_TRUE(secret.equals("swordfish"));
  EXPECT_FALSE(secret.equals("swordfisH"));
  EXPECT_FALSE(secret.equals("Swordfish"));
  EXPECT_FALSE(secret.equals("swordfish "));
  EXPECT_FALSE(secret.equals(std::string_view("swordfish\0", 10)));
  EXPECT_FALSE(secret.equals(""));
  EXPECT_TRUE(Secret().equals(""));
}

TEST(Secret, MovesItsText) {
  Secret secret(std::string("a text that is too long for the small buffer of a string"));
  Secret moved(std::move(secret));
  EXPECT_TRUE(moved.equals("a text that is too long for the small buffer of a string"));
  Secret assigned(std::string("another"));
  assigned = std::move(moved);
  EXPECT_EQ(assigned.reveal(), "a text that is too long for the small buffer of a string");
}

TEST(Random, IdsDoNotRepeat) {
  std::set<base::Id> ids;
  for (int i = 0; i < 2000; ++i) ids.insert(random_id());  // more than one filling of the buffer
  EXPECT_EQ(ids.size(), 2000U);
}

TEST(EqualConstantTime, LengthsAndBytes) {
  const Sha256 a = sha256("a"), b = sha256("b");
  EXPECT_TRUE(equal_constant_time(a, a));
  EXPECT_FALSE(equal_constant_time(a, b));
  EXPECT_FALSE(equal_constant_time(a, std::span(a).first(31)));
  Sha256 last_bit = a;
  last_bit[31] ^= 1;
  EXPECT_FALSE(equal_constant_time(a, last_bit));
}

}  // namespace
}  // namespace lictor::crypto
