// Networks from which an API key may be used: IPv4 and IPv6 addresses and prefixes (RFC 4632, RFC 4291). An IPv4-mapped
// IPv6 address counts as the IPv4 address. Thread-safe once made.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lictor::auth {

class AddressList {
 public:
  // Texts separated by single spaces, such as "10.0.0.0/8 ::1"; an empty text allows every address. A Problem names the
  // one at fault. Bits behind a prefix must be zero: "10.0.0.1/8" is likely a mistake.
  static base::Result<AddressList> parse(std::string_view text);

  bool empty() const noexcept { return networks_.empty(); }
  // Whether what `other` allows is allowed by this one, too.
  bool covers(const AddressList& other) const noexcept;
  // `address` is numeric, without a port. False for what is no address, unless the list is empty.
  bool allows(std::string_view address) const noexcept;

 private:
  using Address = std::array<std::uint8_t, 16>;  // IPv4 as IPv4-mapped IPv6
  struct Network {
    Address address{};
    unsigned bits = 128;  // of the prefix
  };
  static std::optional<Address> read_address(std::string_view text) noexcept;
  static std::optional<Network> read_network(std::string_view text) noexcept;
  static bool contains(const Network& network, const Address& address) noexcept;

  std::vector<Network> networks_;
};

}  // namespace lictor::auth
