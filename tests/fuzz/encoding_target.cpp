// Text encodings, each against its inverse or a second implementation: hexadecimal, base64, JSON strings, UTF-8.
#include <algorithm>
#include <boost/json.hpp>

#include "base/encoding.h"
#include "fuzz/targets.h"

namespace lictor::fuzz {
namespace {

std::span<const std::uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return result;
}

std::string base64(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto at = [&](std::size_t k) { return k < bytes.size() ? std::uint32_t{bytes[k]} : 0U; };
    const std::uint32_t word = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
    for (unsigned k = 0; k < 4; ++k) text += i + k <= bytes.size() ? kDigits[word >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

void hexadecimal(std::string_view text) {
  require(base::from_hex(base::to_hex(as_bytes(text))) == std::vector(as_bytes(text).begin(), as_bytes(text).end()),
          "any bytes, back from hexadecimal");
  if (const auto bytes = base::from_hex(text)) require_equal(base::to_hex(*bytes), lower(text), "one text for bytes");
  const bool digits = text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
  require(base::from_hex(text).has_value() == (digits && text.size() % 2 == 0), "hexadecimal is known");
}

void base64_text(std::string_view text) {
  const std::vector<std::uint8_t> bytes(as_bytes(text).begin(), as_bytes(text).end());
  const std::string encoded = base64(bytes);
  require(base::from_base64(encoded) == bytes, "any bytes, back from base64");
  require(base::from_base64(encoded.substr(0, encoded.find('='))) == bytes, "padding may be missing");
  if (const auto decoded = base::from_base64(text)) {
    const std::string canonical = base64(*decoded);
    require(text == canonical || text == canonical.substr(0, canonical.find('=')), "only what is canonical");
  }
}

void json_text(std::string_view text) {
  const bool valid = base::is_valid_utf8(text);
  boost::json::error_code error;
  const std::string quoted = base::json_string(text);
  const auto value = boost::json::parse(boost::json::string_view(quoted.data(), quoted.size()), error);
  require(valid == !error, "UTF-8 is known");
  if (!valid) return require(base::has_control_characters(text), "what is no UTF-8 is not to be shown");
  const auto& string = value.get_string();
  require_equal(std::string_view(string.data(), string.size()), text, "back from JSON");
  const bool control =
      std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; });
  require(!control || base::has_control_characters(text), "a control character is known");
  const bool ascii = std::ranges::all_of(text, [](char c) { return c >= ' ' && c < '\x7f'; });
  require(!ascii || !base::has_control_characters(text), "plain text is plain");
}

}  // namespace

void encoding(std::string_view input) {
  Input in(input);
  constexpr std::array kKinds{hexadecimal, base64_text, json_text};
  kKinds[in.byte() % kKinds.size()](in.rest());
}

Seeds encoding_seeds() {
  Seeds seeds;
  for (const std::string& text :
       {std::string("00ffAB"), std::string("0g"), std::string("QUJD"), std::string("QQ=="), std::string("QR=="),
        std::string("QUI"), std::string("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), std::string("\xc0\x80"),
        std::string("\xed\xa0\x80"), std::string("a\n\"\\\t\x01"), std::string("\xe2\x80\xae"),
        std::string("\xf4\x90\x80\x80"), std::string(200, 'a')}) {
    for (char kind = 0; kind < 3; ++kind) seeds.push_back(kind + text);
  }
  return seeds;
}

}  // namespace lictor::fuzz
