// Text encodings: Crockford base32 symbols, hexadecimal, base64 (RFC 4648, section 4), JSON strings (RFC 8259, section
// 7).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lictor::base {

// Crockford's alphabet: no I, L, O, U.
inline constexpr std::string_view kBase32Digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
// 0 … 31, or -1. Accepts lower case; does not map I, L and O.
int base32_value(char digit) noexcept;

std::string to_hex(std::span<const std::uint8_t> bytes);
// Into exactly out.size() bytes; false when the text is no hexadecimal of that length.
[[nodiscard]] bool decode_hex(std::string_view text, std::span<std::uint8_t> out) noexcept;
std::optional<std::vector<std::uint8_t>> from_hex(std::string_view text);
// RFC 3986, section 2.1. Nothing when a % is not followed by two hex digits.
std::optional<std::string> percent_decode(std::string_view text);
// Whether SCHEME://USER:PASSWORD@HOST/… has an @ more, or behind the first slash: most likely the password has one that
// is not written as %40, so that a part of it passes for the host.
bool has_stray_at(std::string_view url) noexcept;
inline constexpr std::string_view kStrayAt =
    "an @ where none can be: in a password it is written as %40, and / : ? # % as %2F %3A %3F %23 %25";
// Standard alphabet; padding may be missing, anything else that is not canonical is refused.
std::optional<std::vector<std::uint8_t>> from_base64(std::string_view text);

// Appends `text` with quotes and escapes. `text` must be valid UTF-8.
void append_json_string(std::string& out, std::string_view text);
void append_number(std::string& out, std::int64_t number);
std::string json_string(std::string_view text);

bool is_valid_utf8(std::string_view text) noexcept;
// The beginning of `utf8`, at most `most` bytes, that ends where a character ends.
std::string_view clip_utf8(std::string_view utf8, std::size_t most) noexcept;
// Control characters and the Unicode marks that reorder or hide text (bidi controls, zero-width); see security.md, A36.
bool has_control_characters(std::string_view utf8) noexcept;

}  // namespace lictor::base
