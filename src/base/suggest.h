// "Did you mean …?"
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace lictor::base {

// Single-character insertions, deletions, replacements and swaps of neighbours that turn one into the other.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidate that is nearest to `name`, or empty when none is near. A candidate SECTION.KEY is also near to its key
// alone and to the same key in another section.
std::string_view nearest_name(std::string_view name, std::span<const std::string_view> candidates);

// "; did you mean X?", or empty.
std::string suggestion(std::string_view name, std::span<const std::string_view> candidates);

}  // namespace lictor::base
