// Queries of targets: against a plain second reading of the same rules, and written out again.
#include <algorithm>
#include <utility>

#include "api/query.h"
#include "base/encoding.h"
#include "fuzz/targets.h"

namespace lictor::fuzz {
namespace {

std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    plain ? void(out += c) : void(out.append("%").append(base::to_hex({&byte, 1})));
  }
  return out;
}

std::optional<std::string> decode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef0123456789ABCDEF";
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const std::size_t high = kDigits.find(text[i + 1]), low = kDigits.find(text[i + 2]);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    out += static_cast<char>((high % 16) * 16 + low % 16);
    i += 2;
  }
  if (!base::is_valid_utf8(out) || base::has_control_characters(out)) return std::nullopt;
  return out;
}

std::vector<std::pair<std::string, std::optional<std::string>>> read(std::string_view text) {
  std::vector<std::pair<std::string, std::optional<std::string>>> all;
  std::size_t from = 0;
  while (from <= text.size()) {
    const std::size_t to = std::min(text.find('&', from), text.size());
    const std::string_view pair = text.substr(from, to - from);
    from = to + 1;
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    all.emplace_back(pair.substr(0, equals), decode(pair.substr(std::min(equals + 1, pair.size()))));
  }
  return all;
}

void check_number(const api::Query& query, const std::string& name, const std::optional<std::string>& value) {
  const auto number = query.number(name, 7, -50, 1000);
  if (!value) return;
  if (!number) return;
  require(*number >= -50 && *number <= 1000, "a number within its bounds");
  std::string digits = *value;
  if (digits.starts_with('-')) digits.erase(0, 1);
  require(!digits.empty() && digits.find_first_not_of("0123456789") == std::string::npos, "of digits only");
}

}  // namespace

void query(std::string_view input) {
  if (const auto decoded = api::percent_decode(input)) {
    require(base::is_valid_utf8(*decoded) && !base::has_control_characters(*decoded), "printable UTF-8");
    require_equal(api::percent_decode(percent_encode(*decoded)).value_or("?"), *decoded, "encoded, decoded: the same");
  }
  const api::Query query(input);
  const auto expected = read(input);
  bool again = false, undecodable = false;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto& [name, value] = expected[i];
    const auto first = std::ranges::find(expected, name, [](const auto& p) { return p.first; });
    again = again || first != expected.begin() + static_cast<std::ptrdiff_t>(i);
    undecodable = undecodable || !value;
    require(query.get(name) == first->second, "the first value of a name");
    check_number(query, name, first->second);
  }
  require(!query.get("not-there").has_value() ||
              std::ranges::any_of(expected, [](const auto& p) { return p.first == "not-there"; }),
          "nothing that was not given");
  const auto unknown = query.unknown({});
  require(unknown.has_value() == !expected.empty(), "no parameter is known");
  if (expected.size() == 1) {
    const auto& name = expected[0].first;
    require(query.unknown({name}).has_value() == undecodable, "one that is known, unless it can't be decoded");
  }
  if (expected.size() == 2 && again) require(query.unknown({expected[0].first}) == expected[0].first, "not twice");
}

Seeds query_seeds() {
  return {"a=1&b=2",
          "a=%20b%c3%a9&c=+d+",
          "a=%zz",
          "a=%",
          "a=%f",
          "a=%00",
          "a=%c3",
          "a&b&&c=",
          "=x",
          "a=1&a=2",
          "limit=100",
          "limit=-1",
          "limit=99999999999999999999",
          "limit= 1",
          "limit=+1",
          "a==b=c",
          "%61=1",
          "a=%e2%80%ae",
          "&",
          "",
          "a=\xff",
          "a=%F0%9F%98%80",
          "from=0&to=253402300799&by=license&format=csv",
          "a=%2525"};
}

Words query_dictionary() {
  return {"limit=", "cursor=", "&",      "=",     "%20",   "%00", "%c3%a9",
          "%",      "+",       "after=", "from=", "sort=", "-1",  "not-there="};
}

}  // namespace lictor::fuzz
