#include "auth/address_list.h"

#include <gtest/gtest.h>

#include "base/encoding.h"

namespace lictor::auth {
namespace {

using namespace std::literals;

struct Row {
  std::string_view list, address;
  bool allowed;
};

TEST(AddressList, AllowsWhatIsInside) {
  const Row rows[] = {{"", "10.0.0.1", true},
                      {"10.0.0.0/8", "10.255.0.1", true},
                      {"10.0.0.0/8", "11.0.0.0", false},
                      {"10.0.0.0/8", "::ffff:10.1.2.3", true},
                      {"10.0.0.0/8 ::1", "::1", true},
                      {"192.168.1.128/25", "192.168.1.127", false},
                      {"192.168.1.128/25", "192.168.1.128", true},
                      {"2001:db8::/33", "2001:db8:7fff::1", true},
                      {"2001:db8::/33", "2001:db8:8000::1", false},
                      {"0.0.0.0/0", "1.2.3.4", true},
                      {"0.0.0.0/0", "2001:db8::1", false},
                      {"::/0", "1.2.3.4", true},
                      {"10.0.0.1", "10.0.0.1 ", false},
                      {"10.0.0.1", "10.0.0.1\0x"sv, false},
                      {"10.0.0.1", "", false}};
  for (const auto& [list, address, allowed] : rows) {
    const auto parsed = AddressList::parse(list);
    ASSERT_TRUE(parsed) << list;
    EXPECT_EQ(parsed->allows(address), allowed) << list << " allows " << address;
  }
}

TEST(AddressList, Covers) {
  struct {
    std::string_view outer, inner;
    bool covers;
  } const rows[] = {{"", "", true},
                    {"", "10.0.0.0/8", true},
                    {"10.0.0.0/8", "", false},
                    {"10.0.0.0/8", "10.1.0.0/16 10.2.3.4", true},
                    {"10.0.0.0/8", "10.1.0.0/16 11.0.0.1", false},
                    {"10.1.0.0/16", "10.0.0.0/8", false},
                    {"10.0.0.0/8 ::/0", "2001:db8::/32", true},
                    {"::/0", "10.0.0.0/8", true}};
  for (const auto& [outer, inner, covers] : rows) {
    EXPECT_EQ(AddressList::parse(outer)->covers(*AddressList::parse(inner)), covers) << outer << " and " << inner;
  }
}

TEST(AddressList, Refused) {
  for (const std::string_view text :
       {"10.0.0.1/8"sv, "10.0.0.0/33"sv, "10.0.0.0/08"sv, "::/000000000000000000000"sv, "10.0.0.0/-1"sv, "10.0.0.0/"sv,
        "10.0.0.0/8/8"sv, "127.1"sv, "0x7f000001"sv, "2130706433"sv, "010.0.0.1"sv, "::1%lo"sv, "[::1]"sv,
        "localhost"sv, " "sv, "10.0.0.1  ::1"sv, "::/129"sv, "10.0.0.1\0"sv, "10.0.0.1\0.evil.example"sv}) {
    const auto parsed = AddressList::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.problem().field, "addresses");
    EXPECT_NE(parsed.problem().message.find("10.0.0.0/8"), std::string::npos) << "an example of what is allowed";
  }
}

TEST(AddressList, WhatIsShownOfALongTextIsStillUtf8) {
  std::string text = "x";
  for (int i = 0; i < 60; ++i) text += "\xC3\xA9";
  const auto parsed = AddressList::parse(text);
  ASSERT_FALSE(parsed);
  EXPECT_TRUE(base::is_valid_utf8(parsed.problem().message)) << parsed.problem().message;
}

}  // namespace
}  // namespace lictor::auth
