#include "base/id.h"

#include <bit>
#include <cstring>

#include "base/encoding.h"

namespace lictor::base {
namespace {
constexpr std::string_view kLowerDigits = "0123456789abcdefghjkmnpqrstvwxyz";
}

void write_id_digits(const Id& id, char* out) noexcept {
  const auto big_endian = [&id](std::size_t at) {
    std::uint64_t word = 0;
    std::memcpy(&word, id.bytes.data() + at, sizeof word);
    if constexpr (std::endian::native == std::endian::little) word = __builtin_bswap64(word);
    return word;
  };
  // 130 bits, 26 digits: two zeros, 63 bits of the first word (13 digits), then its last bit with the second word.
  const std::uint64_t first = big_endian(0), second = big_endian(8);
  for (unsigned i = 0; i < 13; ++i) out[i] = kLowerDigits[((first >> 1) >> (60 - 5 * i)) & 31];
  out[13] = kLowerDigits[((first & 1) << 4) | (second >> 60)];
  for (unsigned i = 0; i < 12; ++i) out[14 + i] = kLowerDigits[(second >> (55 - 5 * i)) & 31];
}

std::string format_id(std::string_view prefix, const Id& id) {
  std::string text(prefix.size() + 1 + kIdDigits, '_');
  prefix.copy(text.data(), prefix.size());
  write_id_digits(id, text.data() + prefix.size() + 1);
  return text;
}

std::optional<Id> parse_id_digits(std::string_view digits) noexcept {
  if (digits.size() != kIdDigits) return std::nullopt;
  Id id;
  std::uint32_t window = 0;
  unsigned bits = 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const int value = base32_value(digits[i]);
    if (value < 0 || (i == 0 && value > 7)) return std::nullopt;
    window = (window << 5) | static_cast<std::uint32_t>(value);
    bits += i == 0 ? 3 : 5;
    if (bits >= 8) {
      bits -= 8;
      id.bytes[at++] = static_cast<std::uint8_t>(window >> bits);
    }
  }
  return id;
}

std::optional<Id> parse_id(std::string_view prefix, std::string_view text) noexcept {
  if (text.size() != prefix.size() + 1 + kIdDigits || !text.starts_with(prefix) || text[prefix.size()] != '_') {
    return std::nullopt;
  }
  return parse_id_digits(text.substr(prefix.size() + 1));
}

}  // namespace lictor::base
