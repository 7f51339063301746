#include "api/query.h"

#include <gtest/gtest.h>

namespace lictor::api {
namespace {

TEST(PercentDecode, Good) {
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"", ""},       {"abc", "abc"},  {"a%20b", "a b"}, {"%41%42", "AB"},    {"%2F%2f", "//"},
      {"a+b", "a+b"}, {"%C3%A9", "é"}, {"%25", "%"},     {"%E5%AE%A2", "客"},
  };
  for (const auto& [text, expected] : rows) EXPECT_EQ(percent_decode(text), std::string(expected)) << text;
}

TEST(PercentDecode, Refused) {
  for (const std::string_view text : {"%", "%4", "a%", "%zz", "%4g", "% 41", "%-1", "%00", "%0a", "%0D%0A", "%7f",
                                      "%C3", "%ff", "%C0%AF", "%ED%A0%80", "%E2%80%AE", "%E2%80%8B"}) {
    EXPECT_EQ(percent_decode(text), std::nullopt) << text;
  }
}

TEST(Query, Get) {
  const Query query("a=1&b=x%20y+z&c&d=&=e&&f=1=2");
  EXPECT_EQ(query.get("a"), "1");
  EXPECT_EQ(query.get("b"), "x y z");
  EXPECT_EQ(query.get("c"), "");
  EXPECT_EQ(query.get("d"), "");
  EXPECT_EQ(query.get("f"), "1=2");
  EXPECT_EQ(query.get("g"), std::nullopt);
  EXPECT_EQ(query.get("A"), std::nullopt);
}

TEST(Query, Unknown) {
  struct Row {
    std::string_view text;
    std::optional<std::string> unknown;
  };
  const Row rows[] = {
      {"", std::nullopt},
      {"a=1", std::nullopt},
      {"b=2&a=1", std::nullopt},
      {"c=1", "c"},
      {"a=1&c=2", "c"},
      {"a=1&a=1", "a"},
      {"a=%", "a"},
      {"a=%00", "a"},
      {"A=1", "A"},
      {"%61=1", "%61"},
      {"=1", ""},
      {"a=1&&b=2&", std::nullopt},
      {"a=1;b=2", std::nullopt},
      {"role=admin&a=1", "role"},
  };
  for (const auto& row : rows) EXPECT_EQ(Query(row.text).unknown({"a", "b"}), row.unknown) << row.text;
}

TEST(Query, Number) {
  const auto number = [](std::string_view text) { return Query(text).number("n", 50, 1, 500); };
  EXPECT_EQ(number(""), 50);
  EXPECT_EQ(number("n=1"), 1);
  EXPECT_EQ(number("n=500"), 500);
  EXPECT_EQ(number("n=%35"), 5);
  for (const std::string_view text : {"n=0", "n=501", "n=", "n", "n=x", "n=1x", "n=+1", "n=-1", "n=1.0", "n=1e2",
                                      "n=0x10", "n=%201", "n=99999999999999999999"}) {
    EXPECT_EQ(number(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace lictor::api
