// Versions and ranges of them: the first line is one version, the second another, the third a range. Against a plain
// second reading; the order is total; a range is the same whatever its spaces, and two together cover what both cover.
#include <algorithm>
#include <array>
#include <sstream>

#include "fuzz/targets.h"
#include "licensing/version.h"

namespace lictor::fuzz {
namespace {

using licensing::parse_version;
using licensing::Version;
using licensing::VersionRange;

std::string text_of(const Version& version) {
  std::string text;
  for (const std::uint32_t number : version.numbers) text += (text.empty() ? "" : ".") + std::to_string(number);
  return text + (version.release ? "" : "-x");
}

std::optional<Version> read(std::string text) {
  if (text.starts_with('v') || text.starts_with('V')) text.erase(0, 1);
  Version version;
  for (const char mark : {'+', '-'}) {
    const std::size_t at = text.find(mark);
    if (at == std::string::npos) continue;
    if (at + 1 == text.size()) return std::nullopt;
    if (mark == '-') version.release = false;
    text.erase(at);
  }
  std::size_t parts = 0;
  std::istringstream stream(text + ".");
  for (std::string part; std::getline(stream, part, '.'); ++parts) {
    if (parts == 4 || part.empty() || part.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
    part.erase(0, std::min(part.find_first_not_of('0'), part.size() - 1));
    if (part.size() > 10 || std::stoull(part) > 0xFFFFFFFF) return std::nullopt;
    version.numbers[parts] = static_cast<std::uint32_t>(std::stoull(part));
  }
  return parts == 0 ? std::nullopt : std::optional(version);
}

bool covers(std::string_view term, const Version& version) {
  constexpr std::array<std::string_view, 5> kOperators{">=", "<=", ">", "<", "="};
  if (term == "*") return true;
  for (const std::string_view op : kOperators) {
    if (!term.starts_with(op)) continue;
    const Version bound = *parse_version(term.substr(op.size()));
    const auto order = version <=> bound;
    return op == ">="   ? order >= 0
           : op == "<=" ? order <= 0
           : op == ">"  ? order > 0
           : op == "<"  ? order < 0
                        : order == 0;
  }
  return version == *parse_version(term);
}

void check_range(std::string_view text, const Version& a, const Version& b) {
  const auto range = VersionRange::parse(text);
  if (!range) return require(range.problem().field == "version_range" && !range.problem().message.empty(), "named");
  std::istringstream terms{std::string(text)};
  for (const Version& version : {a, b}) {
    bool expected = true;
    terms.clear();
    terms.seekg(0);
    for (std::string term; std::getline(terms, term, ' ');)
      expected = expected && (term.empty() || covers(term, version));
    require(range->covers(version) == expected, "covers what each comparison covers");
  }
  const std::string whole(text);
  const auto twice = VersionRange::parse(whole + "  " + whole);
  require(twice && twice->covers(a) == range->covers(a), "said twice, the same");
  const auto narrower = VersionRange::parse(whole + " >=" + text_of(b));
  require(narrower && narrower->covers(a) == (range->covers(a) && a >= b), "two together");
}

}  // namespace

void versions(std::string_view input) {
  Input in(input);
  const std::string_view first = in.line(), second = in.line();
  const auto a = parse_version(first), b = parse_version(second);
  require(a == read(std::string(first)) && b == read(std::string(second)), "read as the rules say");
  for (const auto& version : {a, b}) {
    if (version) require(parse_version(text_of(*version)) == version, "written out, the same");
  }
  const Version left = a.value_or(Version{}), right = b.value_or(Version{{1, 2, 3, 0}, true});
  require((left < right) + (left == right) + (right < left) == 1, "a total order");
  Version before = left;
  before.release = false;
  require(before <= left, "a pre-release comes before its release");
  check_range(in.rest(), left, right);
}

Seeds version_seeds() {
  return {"1.2.3\n2.0\n>=1.0 <3.0",
          "v1\nV2.0.0.1\n*",
          "1.0-rc1\n1.0\n>=1.0",
          "1.0+build\n1\n=1.0",
          "4294967295\n4294967296\n<5",
          "1.2.3.4.5\n\n",
          "01.002\n1.2\n<=1.2 >0.9",
          "1..2\n.1\n> 1",
          "1.0-\n1.0+\n>=",
          "a\n1.a\n>=a",
          "1\n2\n1 2",
          "\n\n   "};
}

Words version_dictionary() {
  return {">=", "<=", ">", "<", "=", "*", "-rc1", "+b", "v", ".", "4294967295", "0", "\n", " "};
}

}  // namespace lictor::fuzz
