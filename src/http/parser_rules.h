// What both readers of a request's head agree on.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "base/ascii.h"

namespace lictor::http {

inline bool is_visible_ascii(char c) noexcept { return c > ' ' && c < '\x7f'; }

// Of a request's target: a fragment is never sent (RFC 9110, section 7.1).
inline bool is_target_char(char c) noexcept { return is_visible_ascii(c) && c != '#'; }

// ASCII letters, digits and `others`.
constexpr std::array<bool, 256> alphanumeric_and(std::string_view others) {
  std::array<bool, 256> chars{};
  for (unsigned char c = 'a'; c <= 'z'; ++c) chars[c] = chars[c - 'a' + 'A'] = true;
  for (unsigned char c = '0'; c <= '9'; ++c) chars[c] = true;
  for (const char c : others) chars[static_cast<unsigned char>(c)] = true;
  return chars;
}
inline constexpr auto kHostChars = alphanumeric_and("-._~%:[]");

// Of a URI's host and port (RFC 3986, section 3.2.2), without the rarer sub-delims, which no DNS name has.
inline bool is_host_char(char c) noexcept { return kHostChars[static_cast<unsigned char>(c)]; }

// RFC 9110, section 8.6: 1*DIGIT. Beast alone would also take a list of equal numbers.
inline bool parse_content_length(std::string_view text, std::uint64_t& length) noexcept {
  if (text.empty() || text.size() > 19 || !std::all_of(text.begin(), text.end(), base::is_digit)) return false;
  length = 0;
  for (const char c : text) length = length * 10 + static_cast<std::uint64_t>(c - '0');
  return true;
}

}  // namespace lictor::http
