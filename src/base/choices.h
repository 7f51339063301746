// A table's choices: words separated by '|'.
#pragma once

#include <string>
#include <string_view>

namespace lictor::base {

bool is_choice(std::string_view text, std::string_view choices);

// "human or json", "trace, debug or info"
std::string spelled_choices(std::string_view choices);

}  // namespace lictor::base
