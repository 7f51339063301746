// Networks of API keys: the first line is a list, the rest an address. A list that is taken allows exactly what a
// reading of it bit by bit allows; each of its networks holds its own address, and written out in the usual form it is
// the same.
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "auth/address_list.h"
#include "base/encoding.h"
#include "fuzz/targets.h"

namespace lictor::fuzz {
namespace {

using auth::AddressList;

struct Bits {
  std::string text;  // 128 of '0' and '1'
  bool is_ipv4 = false;
};

std::string bits_of(const std::uint8_t* bytes, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count * 8; ++i) text += (bytes[i / 8] >> (7 - i % 8)) & 1 ? '1' : '0';
  return text;
}

std::optional<Bits> read(const std::string& text) {
  if (text.find('\0') != std::string::npos) return std::nullopt;
  std::array<std::uint8_t, 16> bytes{};
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return Bits{bits_of(bytes.data(), 16), false};
  if (inet_pton(AF_INET, text.c_str(), bytes.data()) != 1) return std::nullopt;
  return Bits{std::string(80, '0') + std::string(16, '1') + bits_of(bytes.data(), 4), true};
}

std::string usual_form(const Bits& bits) {
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t i = 0; i < 128; ++i) {
    if (bits.text[i] == '1') bytes[i / 8] = static_cast<std::uint8_t>(bytes[i / 8] | (0x80U >> (i % 8)));
  }
  char buffer[INET6_ADDRSTRLEN];
  return inet_ntop(AF_INET6, bytes.data(), buffer, sizeof buffer);
}

struct Network {
  Bits address;
  std::size_t length;
};

std::optional<Network> read_network(const std::string& text) {
  const std::size_t slash = text.find('/');
  const auto address = read(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == std::string::npos) return Network{*address, 128};
  const std::string digits = text.substr(slash + 1);
  if (digits.empty() || digits.size() > 3 || digits.find_first_not_of("0123456789") != std::string::npos)
    return std::nullopt;
  if (digits.size() > 1 && digits.front() == '0') return std::nullopt;
  const std::size_t length = std::stoul(digits);
  if (length > (address->is_ipv4 ? 32U : 128U)) return std::nullopt;
  const std::size_t all = address->is_ipv4 ? 96 + length : length;
  if (address->text.find('1', all) != std::string::npos) return std::nullopt;
  return Network{*address, all};
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    words.emplace_back(word);
    text.remove_prefix(std::min(text.size(), word.size() + 1));
  }
  return words;
}

void check_allows(const AddressList& list, const std::vector<Network>& networks, const std::string& text) {
  const auto address = read(text);
  bool expected = networks.empty();
  for (const Network& network : networks)
    expected = expected || (address && address->text.starts_with(network.address.text.substr(0, network.length)));
  require(list.allows(text) == expected, "allowed as bit by bit");
}

}  // namespace

void addresses(std::string_view input) {
  Input in(input);
  const std::string_view text = in.line();
  const auto list = AddressList::parse(text);
  std::vector<Network> networks;
  bool readable = true;
  for (const std::string& word : words_of(text)) {
    const auto network = read_network(word);
    readable = readable && network.has_value();
    if (network) networks.push_back(*network);
  }
  require(static_cast<bool>(list) == readable, "taken when each word is a network");
  if (!list) {
    require(list.problem().field == "addresses" && !list.problem().message.empty(), "the member is named");
    return require(base::is_valid_utf8(list.problem().message) || !base::is_valid_utf8(text), "in UTF-8");
  }
  require(list->empty() == networks.empty(), "empty or not");
  check_allows(*list, networks, std::string(in.rest()));
  std::string usual;
  for (const Network& network : networks) {
    Bits inside = network.address;
    require(list->allows(usual_form(inside)), "a network holds its own address");
    check_allows(*list, networks, usual_form(inside));
    if (network.length > 0) inside.text[network.length - 1] = inside.text[network.length - 1] == '0' ? '1' : '0';
    check_allows(*list, networks, usual_form(inside));
    usual += (usual.empty() ? "" : " ") + usual_form(network.address) + "/" + std::to_string(network.length);
  }
  const auto again = AddressList::parse(usual);
  require(static_cast<bool>(again), "the usual form is taken");
  check_allows(*again, networks, std::string(in.rest()));
}

Seeds address_seeds() {
  return {
      "10.0.0.0/8\n10.1.2.3",
      "10.0.0.0/8 ::1\n::1",
      "::ffff:10.0.0.0/104\n10.9.9.9",
      "2001:db8::/32\n2001:db8:1::2",
      "10.0.0.1/8\n10.0.0.1",
      "0.0.0.0/0\n1.2.3.4",
      "::/0\n1.2.3.4",
      "::/0\n::",
      "127.0.0.1\n127.0.0.1",
      "127.0.0.1/32\n::ffff:127.0.0.1",
      "127.1\n127.0.0.1",
      "0x7f000001\n127.0.0.1",
      "10.0.0.0/33\n10.0.0.1",
      "10.0.0.0/\n10.0.0.1",
      "10.0.0.0/08\n10.0.0.1",
      "fe80::1%eth0\nfe80::1",
      "[::1]\n::1",
      "10.0.0.1 \n10.0.0.1",
      "\n10.0.0.1",
      " \n10.0.0.1",
      "localhost\n127.0.0.1",
      std::string("10.0.0.1\0x\n10.0.0.1", 19),
      "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
      "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
      "\xc3\xa9\xc3\xa9\xc3\xa9x\xc3\xa9\n1.1.1.1"};
}

Words address_dictionary() {
  return {"10.0.0.0/8", "::1",     "::ffff:",         "/128", "/32", "/0", "2001:db8::",
          "::/0",       "0.0.0.0", "255.255.255.255", " ",    "\n"};
}

}  // namespace lictor::fuzz
