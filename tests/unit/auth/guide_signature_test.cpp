#include "auth/guide_signature.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "api/json_body.h"
#include "api/requests.h"
#include "base/encoding.h"

namespace lictor::auth {
namespace {

using Members = std::vector<SignedMember>;

SignedMember plain(std::string_view name, std::string_view text) { return {name, text, true}; }

enum class SignatureVerdict : std::uint8_t { valid, invalid, ambiguous };

SignatureVerdict verify_guide_signature(Members& members, std::string_view signature, crypto::HmacSha256& hmac,
                                        crypto::Sha256& mac) {
  const auto text = signed_text(members);
  if (!text) return SignatureVerdict::ambiguous;
  return auth::verify_guide_signature(*text, signature, hmac, mac) ? SignatureVerdict::valid
                                                                   : SignatureVerdict::invalid;
}

SignatureVerdict verify(Members members, std::string_view signature, std::string_view api_key = "your-api-key") {
  crypto::HmacSha256 hmac(api_key);
  crypto::Sha256 mac{};
  return verify_guide_signature(members, signature, hmac, mac);
}

std::string signature_of(std::string_view text, std::string_view api_key = "your-api-key") {
  return base::to_hex(crypto::HmacSha256(api_key)(text));
}

// What the guide's LicenseClient sends, not in the order of names; the signature was computed by the guide's Python
// (_sign_request) with the API key "your-api-key".
const Members kExample{plain("license_key", "TEST-KEY-001"), plain("client_id", "client-001"),
                       plain("hardware_fingerprint", "a1b2c3d4"), plain("client_version", "2.3.1"),
                       plain("timestamp", "1700000000")};
constexpr std::string_view kHex = "bc38167c8f315d8fe6e36ce5147354c387a2544e7c79950c6484149892ccbcbf";
constexpr std::string_view kBase64 = "vDgWfI8xXY/m42zlFHNUw4eiVE58eZUMZIQUmJLMvL8=";

TEST(GuideSignature, TheExampleOfTheGuide) {
  EXPECT_EQ(verify(kExample, kHex), SignatureVerdict::valid);
  EXPECT_EQ(verify(kExample, kBase64), SignatureVerdict::valid);
  EXPECT_EQ(verify(kExample, kBase64.substr(0, kBase64.size() - 1)), SignatureVerdict::valid) << "without padding";
  std::string upper(kHex);
  std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  EXPECT_EQ(verify(kExample, upper), SignatureVerdict::valid);
  EXPECT_EQ(verify(kExample, kHex, "your-api-kez"), SignatureVerdict::invalid);
  EXPECT_EQ(
      verify({plain("timestamp", "1700000000"), plain("license_key", "TEST-KEY-001"), plain("client_id", "客户端-é")},
             "955e1c070b615bdd771a4a415e1afacf2c671996347258f3dadd20dafdaad7e2"),
      SignatureVerdict::valid);
}

TEST(GuideSignature, AnyOtherTextIsInvalid) {
  const std::string hex(kHex), base64(kBase64);
  const std::string rows[] = {"",
                              " ",
                              hex.substr(1),
                              hex.substr(0, 63),
                              hex + "0",
                              " " + hex,
                              hex + "\n",
                              "0x" + hex.substr(2),
                              hex.substr(0, 63) + "g",
                              base64 + "=",
                              base64.substr(0, 42),
                              base64 + "AAAA",
                              "base64-encoded-signature",
                              std::string(64, '0'),
                              std::string(43, 'A'),
                              base64.substr(0, 42) + "9=",
                              std::string(100000, 'A')};
  for (const auto& row : rows) EXPECT_EQ(verify(kExample, row), SignatureVerdict::invalid) << row.substr(0, 80);
  for (std::size_t i = 0; i < hex.size(); ++i) {
    std::string flipped = hex;
    flipped[i] = flipped[i] == '0' ? '1' : '0';
    EXPECT_EQ(verify(kExample, flipped), SignatureVerdict::invalid) << i;
  }
}

TEST(GuideSignature, EveryMemberIsSigned) {
  for (std::size_t i = 0; i < kExample.size(); ++i) {
    Members changed = kExample;
    const std::string text = std::string(changed[i].text) + "x";
    changed[i].text = text;
    EXPECT_EQ(verify(changed, kHex), SignatureVerdict::invalid) << changed[i].name;
    Members without = kExample;
    without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_EQ(verify(without, kHex), SignatureVerdict::invalid) << i;
  }
  Members more = kExample;
  more.push_back(plain("nonce", "1"));
  EXPECT_EQ(verify(more, kHex), SignatureVerdict::invalid);
}

// The point of A13: the text signed for one member set must never be that of another.
TEST(GuideSignature, MembersThatCouldShiftABorderAreAmbiguous) {
  const std::string signature = signature_of("client_id=a&license_key=K");
  EXPECT_EQ(verify({plain("client_id", "a"), plain("license_key", "K")}, signature), SignatureVerdict::valid);
  EXPECT_EQ(verify({plain("client_id", "a&license_key=K")}, signature), SignatureVerdict::ambiguous);
  EXPECT_EQ(verify({plain("client_id=a&license_key", "K")}, signature), SignatureVerdict::ambiguous);
  const std::string shifting[] = {"&", "=", "a=b", std::string("\0", 1), "\n", "\x1f", "\x7f", "a\tb"};
  for (const auto& text : shifting) {
    EXPECT_EQ(verify({plain("client_id", text)}, signature_of("client_id=" + text)), SignatureVerdict::ambiguous)
        << text;
    EXPECT_EQ(verify({plain(text, "v")}, signature_of(text + "=v")), SignatureVerdict::ambiguous) << text;
  }
  EXPECT_EQ(verify({plain("a", "1"), {"features", "", false}}, signature_of("a=1&features=")),
            SignatureVerdict::ambiguous);
}

TEST(GuideSignature, TheMacNamesTheRequestHoweverItWasWritten) {
  crypto::HmacSha256 hmac("your-api-key");
  crypto::Sha256 from_hex{}, from_base64{};
  Members members = kExample;
  ASSERT_EQ(verify_guide_signature(members, kHex, hmac, from_hex), SignatureVerdict::valid);
  ASSERT_EQ(verify_guide_signature(members, kBase64, hmac, from_base64), SignatureVerdict::valid);
  EXPECT_EQ(from_hex, from_base64);
  EXPECT_EQ(base::to_hex(from_hex), kHex);
}

TEST(GuideSignature, Freshness) {
  EXPECT_TRUE(is_fresh(1000, 1000));
  EXPECT_TRUE(is_fresh(700, 1000));
  EXPECT_TRUE(is_fresh(1300, 1000));
  EXPECT_FALSE(is_fresh(699, 1000));
  EXPECT_FALSE(is_fresh(1301, 1000));
  EXPECT_FALSE(is_fresh(0, 1'800'000'000));
}

// ---- A13 as a property, through the readers of requests ----

using Body = std::map<std::string, std::string>;  // member → JSON value

std::string random_text(std::mt19937& random) {
  static const std::string kPieces[] = {
      "a",       "b",       "1",    "-",    "&", "=", "a=b",     "&license_key=", "client_id", "客", "%26",
      "\\u0026", "\\u003d", "\\\"", "\\\\", " ", "+", "\\u0000", "\\n",           "0",         "é"};
  std::string text;
  for (auto left = random() % 4 + 1; left > 0; --left) text += kPieces[random() % std::size(kPieces)];
  return '"' + text + '"';
}

Body random_body(std::mt19937& random) {
  static const std::string kNames[] = {"license_key", "license_id",           "client_id", "client_version", "nonce",
                                       "timestamp",   "hardware_fingerprint", "features"};
  static const std::string kNumbers[] = {"0", "1", "10", "-0", "1700000000"};
  Body body;
  for (const auto& name : kNames) {
    if (random() % 3 != 0) continue;
    body[name] = name == "timestamp"  ? kNumbers[random() % std::size(kNumbers)]
                 : name == "features" ? "[" + random_text(random) + "]"
                                      : random_text(random);
  }
  return body;
}

std::string render(const Body& body) {
  std::string text = "{";
  for (const auto& [name, value] : body) text += (text.size() > 1 ? "," : "") + base::json_string(name) + ":" + value;
  return text + "}";
}

struct Signed {
  std::map<std::string, std::string> members;  // as the server understood them, with their kinds
  SignatureVerdict verdict = SignatureVerdict::invalid;
  crypto::Sha256 mac{};
};

// The members as a request reader accepted them, and their MAC under "key"; nothing when they were refused.
template <class Request>
std::optional<Signed> read_and_sign(const std::string& text, const api::FingerprintReader& fingerprints) {
  api::JsonBody body;
  Request request;
  if (body.parse(text) || read_request(body, fingerprints, request)) return std::nullopt;
  Signed result;
  Members members;
  std::string to_sign;
  body.for_each_member([&](const api::JsonMember& member) {
    const bool is_plain = member.kind == api::JsonKind::string || member.kind == api::JsonKind::integer;
    members.push_back({member.name, member.text, is_plain});
    result.members[std::string(member.name)] = std::string(api::describe(member.kind)) + ":" + std::string(member.text);
  });
  std::ranges::sort(members, {}, &SignedMember::name);
  for (const auto& member : members) {
    to_sign += (to_sign.empty() ? "" : "&") + std::string(member.name) + "=" + std::string(member.text);
  }
  crypto::HmacSha256 hmac("key");
  result.verdict = verify_guide_signature(members, signature_of(to_sign, "key"), hmac, result.mac);
  return result;
}

TEST(GuideSignature, TwoMemberSetsNeverVerifyUnderOneMac) {
  std::mt19937 random(20261123);
  const api::FingerprintReader fingerprints(crypto::Prf::Key{1});
  std::map<crypto::Sha256, std::map<std::string, std::string>> by_mac;
  int accepted = 0, ambiguous = 0;
  for (int i = 0; i < 30'000; ++i) {
    const std::string text = render(random_body(random));
    for (const auto& result : {read_and_sign<api::ActivateRequest>(text, fingerprints),
                               read_and_sign<api::ValidateRequest>(text, fingerprints),
                               read_and_sign<api::DeactivateRequest>(text, fingerprints)}) {
      if (!result) continue;
      ++accepted;
      ASSERT_NE(result->verdict, SignatureVerdict::invalid) << text;
      if (result->verdict == SignatureVerdict::ambiguous) {
        ++ambiguous;
        continue;
      }
      const auto [it, is_new] = by_mac.emplace(result->mac, result->members);
      ASSERT_TRUE(is_new || it->second == result->members) << text;
    }
  }
  EXPECT_GT(accepted, 3000);
  EXPECT_GT(ambiguous, 500);
  EXPECT_GT(by_mac.size(), 500U);
}

}  // namespace
}  // namespace lictor::auth
