#include "store/mysql_address.h"

#include <charconv>
#include <optional>

#include "base/encoding.h"
#include "store/store.h"

namespace lictor::store {
namespace {

constexpr std::string_view kForm = "mysql://user:password@host:port/database";

[[noreturn]] void refuse(const std::string& what) {
  throw StoreError(StoreError::Kind::other, "the database's address " + what + "; its form is " + std::string(kForm));
}

std::string decoded(std::string_view text) {
  auto out = base::percent_decode(text);
  if (!out) refuse("has a % that is not followed by two hexadecimal digits");
  if (out->find('\0') != std::string::npos) refuse("has a zero byte");
  return *std::move(out);
}

// What is before `mark`, which goes too; all when it does not occur.
std::string_view take_until(std::string_view& text, char mark) {
  const std::size_t end = text.find(mark);
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return taken;
}

void read_host(MysqlAddress& address, std::string_view text) {
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) refuse("has a [ without its ]");
    address.host = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    if (!text.empty() && text.front() != ':') refuse("has something between ] and the port");
    port = text.empty() ? text : text.substr(1);
  } else {
    address.host = decoded(take_until(text, ':'));
    port = text;
  }
  if (address.host.empty()) address.host = "localhost";
  if (port.empty()) return;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (error != std::errc() || end != port.data() + port.size() || address.port == 0) {
    refuse("has a port that is no number from 1 to 65535");
  }
}

MysqlAddress::Tls tls_of(const std::string& value) {
  if (value == "disabled") return MysqlAddress::Tls::disabled;
  if (value == "required") return MysqlAddress::Tls::required;
  if (value == "verify-identity") return MysqlAddress::Tls::verify_identity;
  refuse("has an unknown ssl-mode '" + value + "' (allowed: disabled, required, verify-identity)");
}

void read_parameters(MysqlAddress& address, std::string_view text) {
  bool has_mode = false;
  while (!text.empty()) {
    std::string_view value = take_until(text, '&');
    const std::string_view name = take_until(value, '=');
    if (name == "socket") {
      address.socket = decoded(value);
    } else if (name == "ssl-ca") {
      address.tls_ca = decoded(value);
    } else if (name == "ssl-mode") {
      address.tls = tls_of(decoded(value));
      has_mode = true;
    } else {
      refuse("has an unknown parameter '" + std::string(name) + "' (allowed: socket, ssl-mode, ssl-ca)");
    }
  }
  if (!address.tls_ca.empty() && !has_mode) address.tls = MysqlAddress::Tls::verify_identity;
  if (!address.tls_ca.empty() && address.tls != MysqlAddress::Tls::verify_identity) {
    refuse("has an ssl-ca that its ssl-mode does not use (only verify-identity does)");
  }
}

}  // namespace

std::string MysqlAddress::shown() const {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  std::string text = "mysql://" + (user.empty() ? "" : user + "@");
  if (socket.empty()) text += (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
  text += "/" + database;
  return socket.empty() ? text : text + "?socket=" + socket;
}

MysqlAddress parse_mysql_address(std::string_view url) {
  if (url.starts_with("mysql://")) {
    url.remove_prefix(8);
  } else if (url.starts_with("mariadb://")) {
    url.remove_prefix(10);
  } else {
    refuse("does not begin with mysql:// or mariadb://");
  }
  if (base::has_stray_at("mysql://" + std::string(url))) refuse("has " + std::string(base::kStrayAt));
  MysqlAddress address;
  std::string_view before = take_until(url, '?');
  read_parameters(address, url);
  std::string_view authority = take_until(before, '/');
  address.database = decoded(before);
  if (address.database.empty()) refuse("names no database");
  const std::size_t at = authority.rfind('@');
  if (at != std::string_view::npos) {
    std::string_view account = authority.substr(0, at);
    address.user = decoded(take_until(account, ':'));
    address.password = decoded(account);
    authority.remove_prefix(at + 1);
  }
  read_host(address, authority);
  return address;
}

}  // namespace lictor::store
