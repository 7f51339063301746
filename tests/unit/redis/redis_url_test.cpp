#include "redis/redis_url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lictor::redis {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Good {
  const char* text;
  RedisUrl url;
  const char* shown;
};

TEST(RedisUrls, SayHostOrSocketAccountAndDatabase) {
  const Good table[] = {
      {"redis://h", {"h", 6379, "", "", "", 0}, "redis://h:6379"},
      {"redis://h:1/", {"h", 1, "", "", "", 0}, "redis://h:1"},
      {"redis://10.0.0.1:6380/3", {"10.0.0.1", 6380, "", "", "", 3}, "redis://10.0.0.1:6380/3"},
      {"redis://[::1]", {"::1", 6379, "", "", "", 0}, "redis://[::1]:6379"},
      {"redis://[fe80::1]:7/15", {"fe80::1", 7, "", "", "", 15}, "redis://[fe80::1]:7/15"},
      {"redis://:pw@h", {"h", 6379, "", "", "pw", 0}, "redis://h:6379"},
      {"redis://user:p%40%3a%2Fw@h:1", {"h", 1, "", "user", "p@:/w", 0}, "redis://h:1"},
      {"redis://u:p@w@h", {"h", 6379, "", "u", "p@w", 0}, "redis://h:6379"},
      {"unix:/run/redis.sock", {"", 6379, "/run/redis.sock", "", "", 0}, "unix:/run/redis.sock"},
      {"unix:///run/r?db=2", {"", 6379, "/run/r", "", "", 2}, "unix:/run/r?db=2"},
      {"unix://u:pw@/run/r", {"", 6379, "/run/r", "u", "pw", 0}, "unix:/run/r"},
  };
  for (const Good& row : table) {
    const auto url = parse_redis_url(row.text);
    ASSERT_TRUE(url) << row.text << ": " << url.problem().message;
    EXPECT_EQ(*url, row.url) << row.text;
    EXPECT_EQ(shown(*url), row.shown);
  }
}

TEST(RedisUrls, AreRefusedWithTheReasonAndWithoutThePassword) {
  const std::pair<const char*, const char*> table[] = {
      {"", "scheme is missing"},
      {"localhost", "scheme is missing"},
      {"http://h", "'http' is no scheme of Redis"},
      {"rediss://:hunter2@h", "not encrypted"},
      {"redis:h", "followed by //HOST:PORT"},
      {"redis://", "host is missing"},
      {"redis://:hunter2@", "host is missing"},
      {"redis://:hunter2@/1", "host is missing"},
      {"redis://hunter2@h", "USER:PASSWORD"},
      {"redis://user:@h", "USER:PASSWORD"},
      {"redis://:hunter2%4@h", "two hex digits"},
      {"redis://:hunter2%@h", "two hex digits"},
      {"redis://:hunter2%zz@h", "two hex digits"},
      {"redis://:hunter2@h:0", "port of host h is not a number from 1 to 65535"},
      {"redis://:hunter2@h:65536", "from 1 to 65535"},
      {"redis://:hunter2@h:x", "from 1 to 65535"},
      {"redis://:hunter2@h:", "from 1 to 65535"},
      {"redis://:hunter2@::1", "in brackets"},
      {"redis://:hunter2@[::1", "] is missing"},
      {"redis://:hunter2@[::1]x", "after the host's ]"},
      {"redis://:hunter2@h h", "no name or address has"},
      {"redis://:hunter2@h/x", "the database is a number"},
      {"redis://:hunter2@h/-1", "the database is a number"},
      {"redis://:hunter2@h/1/2", "the database is a number"},
      {"unix:run", "begins with /"},
      {"unix://:hunter2@run", "begins with /"},
      {"unix:/run?x=1", "?db=NUMBER"},
      {"unix:/run?db=x", "the database is a number"},
  };
  for (const auto& [text, reason] : table) {
    const auto url = parse_redis_url(text);
    ASSERT_FALSE(url) << text;
    EXPECT_THAT(url.problem().message, HasSubstr(reason)) << text;
    EXPECT_THAT(url.problem().message, Not(HasSubstr("hunter2"))) << text;
  }
  EXPECT_FALSE(parse_redis_url("unix:/" + std::string(107, 'x')));
  EXPECT_FALSE(parse_redis_url(std::string("redis://h\0x", 11)));
}

}  // namespace
}  // namespace lictor::redis
