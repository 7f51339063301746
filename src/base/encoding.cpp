#include "base/encoding.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace lictor::base {
namespace {

constexpr std::array<std::int8_t, 256> make_base32_values() {
  std::array<std::int8_t, 256> values{};
  for (auto& value : values) value = -1;
  for (std::size_t i = 0; i < kBase32Digits.size(); ++i) {
    const char digit = kBase32Digits[i];
    values[static_cast<unsigned char>(digit)] = static_cast<std::int8_t>(i);
    if (digit >= 'A') values[static_cast<unsigned char>(digit - 'A' + 'a')] = static_cast<std::int8_t>(i);
  }
  return values;
}
constexpr auto kBase32Values = make_base32_values();

int base64_value(char digit) noexcept {
  if (digit >= 'A' && digit <= 'Z') return digit - 'A';
  if (digit >= 'a' && digit <= 'z') return digit - 'a' + 26;
  if (digit >= '0' && digit <= '9') return digit - '0' + 52;
  if (digit == '+') return 62;
  return digit == '/' ? 63 : -1;
}

// Reads one code point; returns its length, or 0 when the bytes are not valid UTF-8 (RFC 3629).
std::size_t read_code_point(std::string_view text, char32_t& code) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return code = first, 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  code = first & (0x7F >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    code = (code << 6) | (byte(i) & 0x3F);
  }
  const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  return overlong || surrogate || code > 0x10FFFF ? 0 : length;
}

bool is_control(char32_t code) noexcept {
  return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x00AD || code == 0x061C || code == 0x180E ||
         (code >= 0x200B && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E) ||
         (code >= 0x2060 && code <= 0x206F) || code == 0xFEFF || (code >= 0xFFF9 && code <= 0xFFFB) ||
         (code >= 0xE0000 && code <= 0xE007F);
}

}  // namespace

int base32_value(char digit) noexcept { return kBase32Values[static_cast<unsigned char>(digit)]; }

std::string to_hex(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

bool decode_hex(std::string_view text, std::span<std::uint8_t> out) noexcept {
  constexpr std::size_t kPart = 64;  // digits at a time: a SHA-256
  if (text.size() != 2 * out.size()) return false;
  std::array<std::uint8_t, kPart> values;
  std::uint8_t bad = 0;
  while (!text.empty()) {
    const std::size_t size = std::min(text.size(), kPart);
    for (std::size_t i = 0; i < size; ++i) {  // no branches, so that it is vectorised
      const auto c = static_cast<std::uint8_t>(text[i]);
      const auto digit = static_cast<std::uint8_t>(c - '0');
      const auto letter = static_cast<std::uint8_t>((c | 0x20) - 'a');
      values[i] = digit < 10 ? digit : static_cast<std::uint8_t>(letter + 10);
      bad = static_cast<std::uint8_t>(bad | (digit >= 10 && letter >= 6 ? 1 : 0));
    }
    for (std::size_t i = 0; i < size / 2; ++i)
      out[i] = static_cast<std::uint8_t>((values[2 * i] << 4) | (values[2 * i + 1] & 15));
    text.remove_prefix(size);
    out = out.subspan(size / 2);
  }
  return bad == 0;
}

std::optional<std::vector<std::uint8_t>> from_hex(std::string_view text) {
  std::vector<std::uint8_t> bytes(text.size() / 2);
  if (!decode_hex(text, bytes)) return std::nullopt;
  return bytes;
}

bool has_stray_at(std::string_view url) noexcept {
  const std::size_t begin = url.find("://");
  if (begin == std::string_view::npos) return url.find('@') != std::string_view::npos;
  url.remove_prefix(begin + 3);
  const std::size_t at = url.find('@');
  if (at == std::string_view::npos) return false;
  return url.find_first_of("/?#") < at || url.substr(0, url.find('?')).rfind('@') != at;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const auto byte = from_hex(text.substr(i + 1, 2));
    if (!byte || byte->size() != 1) return std::nullopt;
    decoded += static_cast<char>(byte->front());
    i += 2;
  }
  return decoded;
}

std::optional<std::vector<std::uint8_t>> from_base64(std::string_view text) {
  if (text.ends_with('=')) {
    if (text.size() % 4 != 0) return std::nullopt;
    text.remove_suffix(text.ends_with("==") ? 2 : 1);
  }
  if (text.size() % 4 == 1) return std::nullopt;
  std::vector<std::uint8_t> bytes;
  bytes.reserve(text.size() * 3 / 4);
  std::uint32_t window = 0;
  unsigned bits = 0;
  for (const char digit : text) {
    const int value = base64_value(digit);
    if (value < 0) return std::nullopt;
    window = (window << 6) | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes.push_back(static_cast<std::uint8_t>(window >> bits));
    }
  }
  if ((window & ((1U << bits) - 1)) != 0) return std::nullopt;  // bits that no byte carries must be zero
  return bytes;
}

void append_json_string(std::string& out, std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  out += '"';
  std::size_t copied = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text, copied, i - copied);
    copied = i + 1;
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        out += "\\u00";
        out += kDigits[c >> 4];
        out += kDigits[c & 15];
    }
  }
  out.append(text, copied);
  out += '"';
}

void append_number(std::string& out, std::int64_t number) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

bool is_valid_utf8(std::string_view text) noexcept {
  char32_t code = 0;
  while (!text.empty()) {
    const std::size_t length = read_code_point(text, code);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string_view clip_utf8(std::string_view utf8, std::size_t most) noexcept {
  if (utf8.size() <= most) return utf8;
  while (most > 0 && (static_cast<unsigned char>(utf8[most]) & 0xC0) == 0x80) --most;
  return utf8.substr(0, most);
}

bool has_control_characters(std::string_view utf8) noexcept {
  unsigned unusual = 0;  // no early way out, so that the loop is vectorised: nearly every text is plain ASCII
  for (const char c : utf8) unusual |= static_cast<unsigned>(static_cast<unsigned char>(c - 0x20) >= 0x5F);
  if (unusual == 0) return false;
  char32_t code = 0;
  while (!utf8.empty()) {
    const std::size_t length = read_code_point(utf8, code);
    if (length == 0 || is_control(code)) return true;
    utf8.remove_prefix(length);
  }
  return false;
}

}  // namespace lictor::base
