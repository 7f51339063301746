#include "auth/address_list.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/encoding.h"

namespace lictor::auth {
namespace {

constexpr unsigned kMappedBits = 96;  // ::ffff:0:0/96, before the 32 bits of IPv4

}  // namespace

std::optional<AddressList::Address> AddressList::read_address(std::string_view text) noexcept {
  char buffer[INET6_ADDRSTRLEN];
  // A NUL would end the text for inet_pton(), whatever stands behind it.
  if (text.empty() || text.size() >= sizeof buffer || text.find('\0') != std::string_view::npos) return std::nullopt;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  Address address{};
  if (inet_pton(AF_INET6, buffer, address.data()) == 1) return address;
  address = {};
  address[10] = address[11] = 0xFF;
  if (inet_pton(AF_INET, buffer, address.data() + 12) == 1) return address;
  return std::nullopt;
}

std::optional<AddressList::Network> AddressList::read_network(std::string_view text) noexcept {
  const std::size_t slash = text.find('/');
  const auto address = read_address(text.substr(0, slash));
  if (!address) return std::nullopt;
  Network network{*address, 128};
  if (slash == std::string_view::npos) return network;
  const bool is_ipv4 = text.find(':') == std::string_view::npos;
  const std::string_view length = text.substr(slash + 1);
  unsigned bits = 0;
  const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), bits);
  if (error != std::errc{} || end != length.data() + length.size() || bits > (is_ipv4 ? 32U : 128U))
    return std::nullopt;
  if (length.size() > 1 && length.front() == '0') return std::nullopt;  // in one way only
  network.bits = is_ipv4 ? kMappedBits + bits : bits;
  for (unsigned bit = network.bits; bit < 128; ++bit) {
    if ((network.address[bit / 8] & (0x80U >> (bit % 8))) != 0) return std::nullopt;
  }
  return network;
}

bool AddressList::contains(const Network& network, const Address& address) noexcept {
  const unsigned whole = network.bits / 8;
  if (!std::equal(address.begin(), address.begin() + whole, network.address.begin())) return false;
  const unsigned rest = network.bits % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xFF00U >> rest);
  return (address[whole] & mask) == (network.address[whole] & mask);
}

base::Result<AddressList> AddressList::parse(std::string_view text) {
  AddressList list;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    const auto network = read_network(one);
    if (!network) {
      return base::Problem{"addresses",
                           "'" + std::string(base::clip_utf8(one, 64)) +
                               "' is no IPv4 or IPv6 address or network such as 10.0.0.0/8 or 2001:db8::/32"};
    }
    list.networks_.push_back(*network);
  }
  return list;
}

bool AddressList::allows(std::string_view address) const noexcept {
  if (networks_.empty()) return true;
  const auto read = read_address(address);
  return read && std::ranges::any_of(networks_, [&](const Network& network) { return contains(network, *read); });
}

bool AddressList::covers(const AddressList& other) const noexcept {
  if (networks_.empty()) return true;
  return !other.networks_.empty() && std::ranges::all_of(other.networks_, [this](const Network& inner) {
    return std::ranges::any_of(
        networks_, [&](const Network& outer) { return outer.bits <= inner.bits && contains(outer, inner.address); });
  });
}

}  // namespace lictor::auth
