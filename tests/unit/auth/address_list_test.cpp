#include "auth/address_list.h"

#include <gtest/gtest.h>

namespace lictor::auth {
namespace {

AddressList list_of(std::string_view text) {
  auto list = AddressList::parse(text);
  if (!list) throw std::runtime_error(list.problem().message);
  return *std::move(list);
}

TEST(AddressList, Allows) {
  struct Row {
    std::string_view list, address;
    bool allowed;
  };
  const Row rows[] = {
      {"", "192.0.2.1", true},
      {"", "no address", true},
      {"192.0.2.1", "192.0.2.1", true},
      {"192.0.2.1", "192.0.2.2", false},
      {"192.0.2.1", "::ffff:192.0.2.1", true},  // an IPv4 peer of an IPv6 socket
      {"::ffff:192.0.2.1", "192.0.2.1", true},
      {"10.0.0.0/8", "10.255.255.255", true},
      {"10.0.0.0/8", "11.0.0.0", false},
      {"10.0.0.0/9", "10.127.255.255", true},
      {"10.0.0.0/9", "10.128.0.0", false},
      {"0.0.0.0/0", "203.0.113.9", true},
      {"0.0.0.0/0", "2001:db8::1", false},
      {"::/0", "2001:db8::1", true},
      {"::/0", "203.0.113.9", true},
      {"2001:db8::/32", "2001:db8:ffff::1", true},
      {"2001:db8::/32", "2001:db9::1", false},
      {"2001:db8::/33", "2001:db8:8000::", false},
      {"192.0.2.1 ::1", "::1", true},
      {"192.0.2.1 ::1", "::2", false},
      {"192.0.2.1", "192.0.2.1:80", false},
      {"192.0.2.1", "", false},
      {"192.0.2.1", std::string_view("192.0.2.1\0", 10), false},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(list_of(row.list).allows(row.address), row.allowed) << row.list << " and " << row.address;
  }
}

TEST(AddressList, WhatIsNoNetwork) {
  for (const std::string_view text : {"10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0",
                                      "10.0.0.0.0", "2001:db8::1/32", "::/129", "localhost", "10.0.0.0/8  ::1",
                                      " 10.0.0.0/8", "1.2.3.4,5.6.7.8", "010.0.0.1", "[::1]"}) {
    EXPECT_FALSE(AddressList::parse(text)) << text;
  }
  const auto wrong = AddressList::parse("::1 300.1.1.1");
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.problem().message.find("'300.1.1.1'"), std::string::npos);
}

}  // namespace
}  // namespace lictor::auth
