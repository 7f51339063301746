#include "base/id.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace lictor::base {
namespace {

Id filled(std::uint8_t value) {
  Id id;
  id.bytes.fill(value);
  return id;
}

TEST(Id, TextTable) {
  Id one, top;
  one.bytes[15] = 1;
  top.bytes[0] = 0x80;
  struct Row {
    Id id;
    std::string_view digits;
  };
  const std::vector<Row> rows{{Id{}, "00000000000000000000000000"},
                              {one, "00000000000000000000000001"},
                              {top, "40000000000000000000000000"},
                              {filled(0xFF), "7zzzzzzzzzzzzzzzzzzzzzzzzz"}};
  for (const Row& row : rows) {
    EXPECT_EQ(format_id("lic", row.id), "lic_" + std::string(row.digits));
    EXPECT_EQ(parse_id_digits(row.digits), row.id);
  }
}

TEST(Id, RoundTripsAndKeepsTheOrder) {
  std::mt19937_64 random(1);
  Id before;
  for (int i = 0; i < 2000; ++i) {
    Id id;
    for (auto& byte : id.bytes) byte = static_cast<std::uint8_t>(random());
    const std::string text = format_id(kLicensePrefix, id);
    ASSERT_EQ(text.size(), kLicensePrefix.size() + 1 + kIdDigits);
    ASSERT_EQ(parse_id(kLicensePrefix, text), id);
    ASSERT_EQ(text < format_id(kLicensePrefix, before), id < before);
    before = id;
  }
}

TEST(Id, EveryBitIsKept) {
  for (std::size_t bit = 0; bit < 128; ++bit) {
    Id id;
    id.bytes[bit / 8] = static_cast<std::uint8_t>(1U << bit % 8);
    EXPECT_EQ(parse_id("cli", format_id("cli", id)), id);
    EXPECT_TRUE(id);
  }
  EXPECT_FALSE(Id{});
}

TEST(Id, BadTextTable) {
  const std::string good = format_id("lic", filled(0x5A));
  ASSERT_TRUE(parse_id("lic", good));
  const auto with = [&](std::size_t at, char c) {
    std::string text = good;
    text[at] = c;
    return text;
  };
  const std::vector<std::string> bad{
      "",
      "lic",
      "lic_",
      good.substr(4),
      good + "0",
      good.substr(0, good.size() - 1),
      " " + good,
      good + "\n",
      with(3, '-'),
      with(0, 'L'),
      with(4, '8'),
      with(4, 'z'),
      with(9, 'i'),
      with(9, 'l'),
      with(9, 'o'),
      with(9, 'u'),
      with(9, 'U'),
      with(9, '-'),
      with(9, '\0'),
      with(9, '\xC3'),
      "cli" + good.substr(3),
      "lic__" + good.substr(5),
  };
  for (const std::string& text : bad) EXPECT_FALSE(parse_id("lic", text)) << text;
  EXPECT_FALSE(parse_id("li", good));
  EXPECT_FALSE(parse_id("lic_", good));
}

TEST(Id, UpperCaseDigitsAreAccepted) {
  std::string text = format_id("lic", filled(0xBE));
  for (std::size_t i = 4; i < text.size(); ++i) text[i] = static_cast<char>(std::toupper(text[i]));
  EXPECT_EQ(parse_id("lic", text), filled(0xBE));
}

}  // namespace
}  // namespace lictor::base
