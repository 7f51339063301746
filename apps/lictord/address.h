// Where lictord listens, as others write it.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

namespace lictor::daemon {

inline std::string url_of(const std::string& host, std::uint16_t port) {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return fmt::format("http://{}:{}", is_ipv6 ? "[" + host + "]" : host, port);
}

// How a client on this machine gets there: "any address" is none to connect to.
inline std::string local_host_of(const std::string& host) {
  if (host == "0.0.0.0") return "127.0.0.1";
  return host == "::" ? "::1" : host;
}

}  // namespace lictor::daemon
