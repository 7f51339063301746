#include "licensing/license_key.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <vector>

#include "base/encoding.h"

namespace lictor::licensing {
namespace {

std::string key_of(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::array<std::uint8_t, kLicenseKeyRandomSymbols> bytes;
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return make_license_key(bytes);
}

std::optional<std::string> normalized(std::string_view text) {
  const auto key = normalize_license_key(text);
  return key ? std::optional(std::string(key->view())) : std::nullopt;
}

TEST(LicenseKey, GeneratedKeysHaveTheFormOfTheContract) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const std::string key = key_of(seed);
    std::string form = key;  // ^[A-Z0-9]{8}-[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{12}$
    for (char& c : form) c = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? 'X' : c;
    EXPECT_EQ(form, "XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX") << key;
    EXPECT_TRUE(is_generated_license_key(key)) << key;
    EXPECT_EQ(normalized(key), key);
    EXPECT_EQ(key.find_first_of("ILOU"), std::string::npos) << key;
  }
}

TEST(LicenseKey, FiveBitsOfEachByteAreUsed) {
  std::array<std::uint8_t, kLicenseKeyRandomSymbols> zeros{}, high{};
  high.fill(0xE0);
  EXPECT_EQ(make_license_key(zeros), make_license_key(high));
  for (std::size_t i = 0; i < zeros.size(); ++i) {
    auto other = zeros;
    other[i] = 1;
    EXPECT_NE(make_license_key(other), make_license_key(zeros));
  }
}

// The check is that of bech32m; these are valid strings of BIP-350, expanded as BIP-173 says.
TEST(LicenseKey, ChecksAsBip350Does) {
  constexpr std::string_view kCharset = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
  for (const std::string_view text : {"a1lqfn3a", "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx"}) {
    const std::size_t split = text.rfind('1');
    std::vector<std::uint8_t> symbols;
    for (const char c : text.substr(0, split)) symbols.push_back(static_cast<std::uint8_t>(c >> 5));
    symbols.push_back(0);
    for (const char c : text.substr(0, split)) symbols.push_back(static_cast<std::uint8_t>(c & 31));
    for (const char c : text.substr(split + 1)) symbols.push_back(static_cast<std::uint8_t>(kCharset.find(c)));
    EXPECT_TRUE(has_valid_check(symbols)) << text;
    symbols.back() ^= 1;
    EXPECT_FALSE(has_valid_check(symbols)) << text;
  }
}

TEST(LicenseKey, EverySingleSubstitutionIsFound) {
  const std::string key = key_of(1);
  for (std::size_t at = 0; at < key.size(); ++at) {
    if (key[at] == '-') continue;
    for (const char digit : base::kBase32Digits) {
      std::string typo = key;
      typo[at] = digit;
      EXPECT_EQ(is_generated_license_key(typo), digit == key[at]) << typo;
    }
  }
}

TEST(LicenseKey, EverySwapOfNeighboursIsFound) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const std::string key = key_of(seed);
    for (std::size_t at = 0; at + 1 < key.size(); ++at) {
      const std::size_t next = key[at + 1] == '-' ? at + 2 : at + 1;  // also across a dash
      if (key[at] == '-' || key[at] == key[next]) continue;
      std::string typo = key;
      std::swap(typo[at], typo[next]);
      EXPECT_FALSE(is_generated_license_key(typo)) << typo;
    }
  }
}

TEST(LicenseKey, TwoToFourWrongSymbolsAreFound) {
  std::mt19937_64 random(7);
  std::string key = key_of(2);
  std::vector<std::size_t> places;
  for (std::size_t at = 0; at < key.size(); ++at) {
    if (key[at] != '-') places.push_back(at);
  }
  for (int i = 0; i < 60'000; ++i) {
    std::shuffle(places.begin(), places.end(), random);
    std::string typo = key;
    const std::size_t errors = 2 + random() % 3;
    for (std::size_t e = 0; e < errors; ++e) {
      const auto old = static_cast<std::size_t>(base::base32_value(key[places[e]]));
      typo[places[e]] = base::kBase32Digits[(old + 1 + random() % 31) % 32];
    }
    ASSERT_FALSE(is_generated_license_key(typo)) << typo;
  }
}

TEST(LicenseKey, NormalisesCaseSpacesAndLookalikes) {
  // Of many keys some have the digits that people read as letters.
  int mapped = 0;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const std::string key = key_of(seed);
    std::string typed = " ";
    for (char c : key) {
      if (c == '0') c = "oO"[mapped++ % 2];
      if (c == '1') c = "iIlL"[mapped++ % 4];
      typed += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      if (c == '-') typed += "  ";
    }
    EXPECT_EQ(normalized(typed + " "), key) << typed;
  }
  EXPECT_GT(mapped, 20);
}

TEST(LicenseKey, NormalisationTable) {
  struct Row {
    std::string_view text;
    std::optional<std::string> normalized;
  };
  using namespace std::string_view_literals;
  const std::string longest(kMaxLicenseKeyLength, 'A');
  const std::vector<Row> rows{
      {"TEST-KEY-001", "TEST-KEY-001"},
      {"test-key-001", "TEST-KEY-001"},
      {" TEST - KEY - 001 ", "TEST-KEY-001"},
      {"OIL-LOIO", "OIL-LOIO"},  // an imported key keeps its letters
      {"OILOILOI-LOIL-OILO-ILOI-LOILOILOILOI",
       "OILOILOI-LOIL-OILO-ILOI-LOILOILOILOI"},  // also one of the generated form
      {"ABCD", "ABCD"},
      {"ABC", {}},
      {"A B C", {}},
      {"", {}},
      {"    ", {}},
      {longest, longest},
      {std::string_view("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), {}},  // 65
      {"TEST-KEY-001\n", {}},
      {"\nTEST-KEY-001", {}},
      {"TEST-KEY-001\r", {}},
      {"TEST\tKEY", {}},
      {"TEST-KEY-001\0"sv, {}},
      {"TEST\0KEY"sv, {}},
      {"TEST_KEY", {}},
      {"TEST.KEY", {}},
      {"TEST/KEY", {}},
      {"TEST'KEY", {}},
      {"TEST%20KEY", {}},
      {"TEST-KEY-\xEF\xBC\x90\xEF\xBC\x90\xEF\xBC\x91", {}},  // full-width digits
      {"\xEF\xBC\xB4\xEF\xBC\xA5ST-KEY", {}},                 // full-width letters
      {"\xD0\xA2\xD0\x95ST-KEY", {}},                         // Cyrillic
      {"TEST\xE2\x80\x91KEY", {}},                            // non-breaking hyphen
      {"TEST\xC2\xA0KEY", {}},                                // no-break space
      {"TEST-KEY\xE2\x80\x8B", {}},                           // zero-width space
      {"\xE2\x80\xAETEST-KEY", {}},                           // right-to-left override
      {"\xEF\xBB\xBFTEST-KEY", {}},                           // byte order mark
      {"\xC5\xBFTEST-KEY", {}},                               // long s, whose upper case is S
      {"TEST-KEY\xFF", {}},
  };
  for (const Row& row : rows) EXPECT_EQ(normalized(row.text), row.normalized) << row.text;
}

TEST(LicenseKey, OnlyTheGeneratedFormIsGenerated) {
  const std::string key = key_of(3);
  std::string lower = key, moved = key;
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  std::swap(moved[8], moved[9]);
  std::string without;
  std::ranges::copy_if(key, std::back_inserter(without), [](char c) { return c != '-'; });
  for (const std::string& text : {std::string(), std::string("TEST-KEY-001"), moved, without, key + "0", key + "\n",
                                  key.substr(1), " " + key, std::string(36, '-'), std::string(36, '0')}) {
    EXPECT_FALSE(is_generated_license_key(text)) << text;
  }
}

}  // namespace
}  // namespace lictor::licensing
