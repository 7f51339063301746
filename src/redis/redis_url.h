// Where a Redis server is, as one text:
//   redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]      HOST: a name, an IPv4 address or an IPv6 one in brackets
//   unix:PATH[?db=DATABASE]                               or unix://[USER]:PASSWORD@PATH[?db=DATABASE]
// In USER and PASSWORD %XX stands for a byte (RFC 3986, section 2.1). Connections are not encrypted: rediss:// is
// refused.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace lictor::redis {

struct RedisUrl {
  std::string host;  // without brackets; empty: `path` is used
  std::uint16_t port = 6379;
  std::string path;  // of a socket
  std::string user;  // empty: none
  std::string password;
  unsigned database = 0;

  bool operator==(const RedisUrl&) const = default;
};

base::Result<RedisUrl> parse_redis_url(std::string_view text);
std::string shown(const RedisUrl& url);  // for people: without user and password

}  // namespace lictor::redis
