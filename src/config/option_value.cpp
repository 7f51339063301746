#include "config/option_value.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>

#include "base/encoding.h"
#include "redis/redis_url.h"

namespace lictor::config {
namespace {

using base::Problem;
using base::Result;

struct Unit {
  std::string_view name;
  std::int64_t factor;
};
constexpr std::array<Unit, 9> kByteUnits{{{"", 1},
                                          {"B", 1},
                                          {"kB", 1000},
                                          {"KB", 1000},
                                          {"KiB", 1024},
                                          {"MB", 1000 * 1000},
                                          {"MiB", 1024 * 1024},
                                          {"GB", 1000 * 1000 * 1000},
                                          {"GiB", 1024 * 1024 * 1024}}};
constexpr std::array<Unit, 6> kDurationUnits{
    {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
constexpr std::array<Unit, 1> kNoUnit{{{"", 1}}};
constexpr std::array<std::string_view, 4> kOn{"on", "true", "yes", "1"};
constexpr std::array<std::string_view, 4> kOff{"off", "false", "no", "0"};
constexpr std::size_t kMaxShownBytes = 120;

// Decimal digits and nothing else: no sign, no spaces, no value that does not fit.
std::optional<std::int64_t> parse_digits(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || text.front() == '-' || error != std::errc{} || end != text.data() + text.size()) return {};
  return number;
}

Result<OptionValue> parse_quantity(const Option& option, std::string_view text, std::span<const Unit> units) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_digits(text.substr(0, digits));
  const auto unit =
      std::find_if(units.begin(), units.end(), [&](const Unit& u) { return u.name == text.substr(digits); });
  if (!number || unit == units.end()) return Problem{};
  std::int64_t value = 0;
  if (__builtin_mul_overflow(*number, unit->factor, &value) || value < option.min || value > option.max)
    return Problem{};
  return OptionValue{value, {}};
}

Result<OptionValue> parse_boolean(std::string_view text) {
  if (std::find(kOn.begin(), kOn.end(), text) != kOn.end()) return OptionValue{1, {}};
  if (std::find(kOff.begin(), kOff.end(), text) != kOff.end()) return OptionValue{0, {}};
  return Problem{};
}

Result<OptionValue> parse_choice(const Option& option, std::string_view text) {
  std::string_view rest = option.choices;
  for (std::int64_t place = 0;; ++place) {
    const std::size_t bar = rest.find('|');
    if (text == rest.substr(0, bar)) return OptionValue{place, {}};
    if (bar == std::string_view::npos) return Problem{};
    rest.remove_prefix(bar + 1);
  }
}

Result<OptionValue> parse_path(std::string_view text) {
  if (text.empty()) return Problem{"", "it is empty"};
  if (text.find('\0') != std::string_view::npos) return Problem{"", "it holds a zero byte"};
  return OptionValue{0, std::string(text)};
}

bool is_numeric_host(int family, const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> address;
  return inet_pton(family, host.c_str(), address.data()) == 1;
}

// The port after the last colon; the host before it, in brackets when it is IPv6 (RFC 3986, section 3.2.2).
Result<OptionValue> parse_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Problem{"", "the port is missing"};
  const auto port = parse_digits(text.substr(colon + 1));
  if (!port || *port > 65535) return Problem{"", "the port is not a number from 0 to 65535"};
  std::string host(text.substr(0, colon));
  if (host == "localhost") return OptionValue{*port, "127.0.0.1"};
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (!is_numeric_host(AF_INET6, host)) return Problem{"", "what stands in brackets is not an IPv6 address"};
  } else if (is_numeric_host(AF_INET6, host)) {
    return Problem{"", "an IPv6 address stands in brackets"};
  } else if (!is_numeric_host(AF_INET, host)) {
    return Problem{"", "the host is not a numeric address"};
  }
  return OptionValue{*port, std::move(host)};
}

Result<OptionValue> parse_database(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view scheme = text.substr(0, colon);
  if (colon == std::string_view::npos) return Problem{"", "the scheme is missing"};
  using Engine = Options::Database::Engine;
  const bool postgresql = scheme == "postgresql" || scheme == "postgres";
  if (postgresql || scheme == "mysql" || scheme == "mariadb") {
    if (!text.substr(colon).starts_with("://") || text.size() == colon + 3)
      return Problem{"", "the host and the database are missing"};
    if (base::has_stray_at(text)) return Problem{"", "it has " + std::string(base::kStrayAt)};
    return OptionValue{static_cast<std::int64_t>(postgresql ? Engine::postgresql : Engine::mysql), std::string(text)};
  }
  if (scheme != "sqlite")
    return Problem{"", "'" + std::string(scheme.substr(0, 20)) + "' is no database that lictord knows"};
  const std::string_view path = text.substr(colon + 1);
  if (path == ":memory:") return Problem{"", "a database in memory would not survive a restart"};
  if (path.starts_with("//") && !path.starts_with("///")) return Problem{"", "a path follows the colon, no host"};
  return parse_path(path);
}

Result<OptionValue> parse_redis(std::string_view text) {
  const auto url = redis::parse_redis_url(text);
  return url ? Result<OptionValue>(OptionValue{0, std::string(text)}) : url.problem();
}

}  // namespace

Result<OptionValue> parse_option_value(const Option& option, std::string_view text) {
  switch (option.type) {
    case OptionType::toggle:
    case OptionType::boolean:
      return parse_boolean(text);
    case OptionType::integer:
      return parse_quantity(option, text, kNoUnit);
    case OptionType::bytes:
      return parse_quantity(option, text, kByteUnits);
    case OptionType::duration:
      return parse_quantity(option, text, kDurationUnits);
    case OptionType::choice:
      return parse_choice(option, text);
    case OptionType::path:
      return parse_path(text);
    case OptionType::address:
      return parse_address(text);
    case OptionType::database:
      return parse_database(text);
    case OptionType::redis:
      return parse_redis(text);
  }
  return Problem{};
}

std::string shown_value(const Option& option, std::string_view text) {
  if (option.secret) return "(a secret)";
  std::string shown(text.substr(0, kMaxShownBytes));
  bool cut = shown.size() < text.size();
  const std::size_t colon = shown.find(':');
  const bool is_file = option.type == OptionType::database && shown.starts_with("sqlite:");
  if ((option.type == OptionType::database || option.type == OptionType::redis) && !is_file) {
    shown.resize(colon == std::string::npos ? 0 : colon + 1);
    cut = true;
  }
  return '"' + shown + (cut ? "…\"" : "\"");
}

std::string printable_text(const EffectiveOption& effective) {
  if (effective.text.empty()) return {};
  std::string shown = shown_value(*effective.option, effective.text);
  const auto is_control = [](char c) { return (c >= 0 && c < ' ') || c == '\x7F'; };
  std::replace_if(shown.begin(), shown.end(), is_control, '?');
  return shown.starts_with('"') ? shown.substr(1, shown.size() - 2) : shown;
}

}  // namespace lictor::config
