// Client versions and version ranges. A version is up to four numbers joined by dots, optionally preceded by `v` and
// followed by `-pre-release` and `+build` (Semantic Versioning 2.0.0; a pre-release sorts before its release, two
// pre-releases of one version are equal). A range is a list of comparisons joined by spaces, all of which must hold:
// `>=2.0 <3.0`; operators `>= > <= < =`, a bare version means `=`, `*` is any.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lictor::licensing {

struct Version {
  std::array<std::uint32_t, 4> numbers{};
  bool release = true;  // false: a pre-release

  auto operator<=>(const Version&) const = default;
};

std::optional<Version> parse_version(std::string_view text) noexcept;

class VersionRange {
 public:
  static base::Result<VersionRange> parse(std::string_view text);
  bool covers(const Version& version) const noexcept;
  bool is_any() const noexcept { return comparisons_.empty(); }

 private:
  enum class Operator : std::uint8_t { equal, less, less_equal, greater, greater_equal };
  struct Comparison {
    Operator op;
    Version version;
  };
  std::vector<Comparison> comparisons_;
};

}  // namespace lictor::licensing
