// The text forms of option values.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "config/options.h"

namespace lictor::config {

// Problem::message is empty when `allowed_text(option)` says all there is to say, else it is the reason.
base::Result<OptionValue> parse_option_value(const Option& option, std::string_view text);

// `text` as an error may show it: in quotes, not too long, and without what a database URL may hold (a password).
std::string shown_value(const Option& option, std::string_view text);

}  // namespace lictor::config
