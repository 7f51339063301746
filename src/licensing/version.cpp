#include "licensing/version.h"

#include <algorithm>
#include <charconv>
#include <string>

namespace lictor::licensing {

std::optional<Version> parse_version(std::string_view text) noexcept {
  if (text.starts_with('v') || text.starts_with('V')) text.remove_prefix(1);
  Version version;
  const std::size_t build = text.find('+');
  if (build != std::string_view::npos) {
    if (build + 1 == text.size()) return std::nullopt;
    text = text.substr(0, build);
  }
  const std::size_t pre = text.find('-');
  if (pre != std::string_view::npos) {
    if (pre + 1 == text.size()) return std::nullopt;
    version.release = false;
    text = text.substr(0, pre);
  }
  for (std::size_t i = 0; i < version.numbers.size(); ++i) {
    const char* const end = text.data() + text.size();
    const auto [next, error] = std::from_chars(text.data(), end, version.numbers[i]);
    if (error != std::errc{}) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(next - text.data()));
    if (text.empty()) return version;
    if (text.front() != '.') return std::nullopt;
    text.remove_prefix(1);
  }
  return std::nullopt;  // a fifth number
}

base::Result<VersionRange> VersionRange::parse(std::string_view text) {
  constexpr std::pair<std::string_view, Operator> kOperators[] = {
      {">=", Operator::greater_equal}, {"<=", Operator::less_equal}, {">", Operator::greater},
      {"<", Operator::less},           {"=", Operator::equal},
  };
  VersionRange range;
  while (true) {
    const std::size_t start = text.find_first_not_of(' ');
    if (start == std::string_view::npos) return range;
    text.remove_prefix(start);
    std::string_view term = text.substr(0, text.find(' '));
    text.remove_prefix(term.size());
    if (term == "*") continue;
    const std::string_view whole = term;
    Operator op = Operator::equal;
    for (const auto& [symbol, value] : kOperators) {
      if (!term.starts_with(symbol)) continue;
      op = value;
      term.remove_prefix(symbol.size());
      break;
    }
    const auto version = parse_version(term);
    if (!version) {
      std::string message = "'";  // appended to: g++ 12 warns wrongly of "'" + std::string
      message.append(whole).append("' is no comparison; allowed: '*' or comparisons like '>=2.0 <3.0'");
      return base::Problem{"version_range", message};
    }
    range.comparisons_.push_back({op, *version});
  }
}

bool VersionRange::covers(const Version& version) const noexcept {
  return std::ranges::all_of(comparisons_, [&](const Comparison& c) {
    switch (c.op) {
      case Operator::equal:
        return version == c.version;
      case Operator::less:
        return version < c.version;
      case Operator::less_equal:
        return version <= c.version;
      case Operator::greater:
        return version > c.version;
      case Operator::greater_equal:
        return version >= c.version;
    }
    return false;
  });
}

}  // namespace lictor::licensing
