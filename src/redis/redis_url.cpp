#include "redis/redis_url.h"

#include <charconv>
#include <optional>

#include "base/encoding.h"

namespace lictor::redis {
namespace {

using base::Problem;
using base::Result;

constexpr std::size_t kMaxShownScheme = 20;
constexpr std::size_t kMaxSocketPath = 107;  // sockaddr_un, with the zero byte
constexpr unsigned kMaxDatabase = 1'000'000;

template <class Number>
std::optional<Number> parse_number(std::string_view text, Number most) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc{} && end == text.data() + text.size() && number <= most;
  return whole ? std::optional(number) : std::nullopt;
}

// USER:PASSWORD or :PASSWORD. Nothing of it is repeated in a problem.
std::optional<Problem> parse_account(std::string_view text, RedisUrl& url) {
  const std::size_t colon = text.find(':');
  if (colon == text.npos || colon + 1 == text.size())
    return Problem{"", "before the @ stands USER:PASSWORD, or :PASSWORD where there are no users"};
  auto user = base::percent_decode(text.substr(0, colon));
  auto password = base::percent_decode(text.substr(colon + 1));
  if (!user || !password)
    return Problem{"", "in the user's name or the password a % is not followed by two hex digits"};
  url.user = std::move(*user);
  url.password = std::move(*password);
  return std::nullopt;
}

// What stands between // and @, if there is one; both go.
std::optional<Problem> take_account(std::string_view& rest, RedisUrl& url) {
  rest.remove_prefix(2);
  const std::size_t at = rest.rfind('@');
  if (at == rest.npos) return std::nullopt;
  const std::string_view account = rest.substr(0, at);
  rest.remove_prefix(at + 1);
  return parse_account(account, url);
}

std::optional<Problem> parse_host(std::string_view text, RedisUrl& url) {
  std::size_t colon = text.rfind(':');
  if (text.starts_with('[')) {
    const std::size_t bracket = text.find(']');
    if (bracket == text.npos) return Problem{"", "the host's ] is missing"};
    url.host = text.substr(1, bracket - 1);
    text.remove_prefix(bracket + 1);
    colon = text.empty() ? text.npos : 0;
    if (colon == 0 && text.front() != ':') return Problem{"", "after the host's ] stands :PORT, or nothing"};
  } else {
    url.host = text.substr(0, colon);
    if (url.host.find(':') != url.host.npos)
      return Problem{"", "an IPv6 address stands in brackets: redis://[::1]:6379"};
  }
  if (url.host.empty()) return Problem{"", "the host is missing"};
  if (url.host.find_first_of(" %?#[]\t\r\n") != url.host.npos || url.host.find('\0') != url.host.npos)
    return Problem{"", "the host holds a character that no name or address has"};
  if (colon == text.npos) return std::nullopt;
  const auto port = parse_number<std::uint16_t>(text.substr(colon + 1), 65535);
  if (!port || *port == 0) return Problem{"", "the port of host " + url.host + " is not a number from 1 to 65535"};
  url.port = *port;
  return std::nullopt;
}

std::optional<Problem> parse_database(std::string_view text, RedisUrl& url) {
  const auto number = parse_number<unsigned>(text, kMaxDatabase);
  if (!number) return Problem{"", "the database is a number, as the 1 of redis://HOST:6379/1"};
  url.database = *number;
  return std::nullopt;
}

Result<RedisUrl> parse_tcp(std::string_view rest) {
  RedisUrl url;
  if (!rest.starts_with("//")) return Problem{"", "redis: is followed by //HOST:PORT"};
  if (auto problem = take_account(rest, url)) return *problem;
  const std::size_t slash = rest.find('/');
  if (auto problem = parse_host(rest.substr(0, slash), url)) return *problem;
  if (slash == rest.npos || slash + 1 == rest.size()) return url;
  if (auto problem = parse_database(rest.substr(slash + 1), url)) return *problem;
  return url;
}

Result<RedisUrl> parse_socket(std::string_view rest) {
  RedisUrl url;
  if (rest.starts_with("//")) {
    if (auto problem = take_account(rest, url)) return *problem;
  }
  const std::size_t question = rest.find('?');
  url.path = rest.substr(0, question);
  if (!url.path.starts_with('/')) return Problem{"", "unix: is followed by the path of a socket that begins with /"};
  if (url.path.size() > kMaxSocketPath || url.path.find('\0') != url.path.npos)
    return Problem{"", "the path of a socket has at most 107 bytes and no zero byte"};
  if (question == rest.npos) return url;
  rest.remove_prefix(question + 1);
  if (!rest.starts_with("db=")) return Problem{"", "after the path of a socket stands ?db=NUMBER, or nothing"};
  if (auto problem = parse_database(rest.substr(3), url)) return *problem;
  return url;
}

}  // namespace

Result<RedisUrl> parse_redis_url(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == text.npos) return Problem{"", "the scheme is missing"};
  const std::string_view scheme = text.substr(0, colon);
  if (scheme == "redis") return parse_tcp(text.substr(colon + 1));
  if (scheme == "unix") return parse_socket(text.substr(colon + 1));
  if (scheme == "rediss")
    return Problem{
        "", "connections to Redis are not encrypted (no TLS): put it on a private network, or a tunnel before it"};
  return Problem{"", "'" + std::string(scheme.substr(0, kMaxShownScheme)) + "' is no scheme of Redis"};
}

std::string shown(const RedisUrl& url) {
  const std::string database = std::to_string(url.database);
  const std::string slashes = url.path.starts_with("//") ? "//" : "";  // or its own would be taken for these
  if (url.host.empty()) return "unix:" + slashes + url.path + (url.database == 0 ? "" : "?db=" + database);
  const std::string host = url.host.find(':') == url.host.npos ? url.host : "[" + url.host + "]";
  return "redis://" + host + ":" + std::to_string(url.port) + (url.database == 0 ? "" : "/" + database);
}

}  // namespace lictor::redis
