// The name of a TCP peer.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <string_view>

namespace lictor::http {

// The numeric address; IPv4 in the IPv4 way also when it came in over an IPv6 socket.
class PeerName {
 public:
  explicit PeerName(const sockaddr_storage& address) noexcept {
    const auto* v4 = &reinterpret_cast<const sockaddr_in*>(&address)->sin_addr;
    const auto* const v6 = &reinterpret_cast<const sockaddr_in6*>(&address)->sin6_addr;
    const bool mapped = address.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(v6);
    if (mapped) v4 = reinterpret_cast<const in_addr*>(v6->s6_addr + 12);
    if (address.ss_family == AF_INET || mapped) {
      ::inet_ntop(AF_INET, v4, text_.data(), INET6_ADDRSTRLEN);
    } else {
      ::inet_ntop(AF_INET6, v6, text_.data(), INET6_ADDRSTRLEN);
    }
  }
  std::string_view view() const noexcept { return text_.data(); }

 private:
  std::array<char, INET6_ADDRSTRLEN> text_{};
};

}  // namespace lictor::http
