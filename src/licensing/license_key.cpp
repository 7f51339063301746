#include "licensing/license_key.h"

#include <algorithm>
#include <array>

#include "base/encoding.h"

namespace lictor::licensing {
namespace {

constexpr std::array<std::size_t, 5> kGroups{8, 4, 4, 4, 12};
constexpr std::size_t kSymbols = kLicenseKeyRandomSymbols + kCheckSymbols;
constexpr std::size_t kGeneratedLength = kSymbols + kGroups.size() - 1;

bool has_generated_form(std::string_view key) noexcept {
  if (key.size() != kGeneratedLength) return false;
  std::size_t at = 0;
  for (std::size_t i = 0; i < kGroups.size(); ++i) {
    const auto group = key.substr(at, kGroups[i]);
    if (group.find('-') != std::string_view::npos) return false;
    at += kGroups[i];
    if (i + 1 < kGroups.size() && key[at++] != '-') return false;
  }
  return true;
}

constexpr char without_lookalike(char c) noexcept { return c == 'O' ? '0' : (c == 'I' || c == 'L') ? '1' : c; }

// What a character stands for in a key: itself in upper case, ' ' for a space, 0 when it may not be there.
constexpr std::array<char, 256> make_normal_symbols() {
  std::array<char, 256> symbols{};
  symbols[' '] = ' ';
  symbols['-'] = '-';
  for (unsigned char c = '0'; c <= '9'; ++c) symbols[c] = static_cast<char>(c);
  for (unsigned char c = 'A'; c <= 'Z'; ++c) symbols[c] = symbols[c - 'A' + 'a'] = static_cast<char>(c);
  return symbols;
}
constexpr auto kNormalSymbols = make_normal_symbols();

}  // namespace

std::string make_license_key(std::span<const std::uint8_t, kLicenseKeyRandomSymbols> random) {
  std::array<std::uint8_t, kSymbols> symbols{};
  std::ranges::transform(random, symbols.begin(), [](std::uint8_t byte) -> std::uint8_t { return byte & 31; });
  write_check_symbols(std::span(symbols).first<kLicenseKeyRandomSymbols>(), std::span(symbols).last<kCheckSymbols>());
  std::string key;
  key.reserve(kGeneratedLength);
  std::size_t at = 0;
  for (const std::size_t group : kGroups) {
    if (!key.empty()) key += '-';
    for (std::size_t i = 0; i < group; ++i) key += base::kBase32Digits[symbols[at++]];
  }
  return key;
}

std::optional<NormalLicenseKey> normalize_license_key(std::string_view text) noexcept {
  NormalLicenseKey key;
  std::size_t symbols = 0;
  bool has_lookalike = false;
  for (const char c : text) {
    const char symbol = kNormalSymbols[static_cast<unsigned char>(c)];
    if (symbol == ' ') continue;
    if (symbol == 0 || key.size_ == kMaxLicenseKeyLength) return std::nullopt;
    key.text_[key.size_++] = symbol;
    symbols += symbol != '-' ? 1U : 0U;
    has_lookalike = has_lookalike || symbol != without_lookalike(symbol);
  }
  if (symbols < kMinLicenseKeyLength) return std::nullopt;
  if (has_lookalike && has_generated_form(key.view())) {
    NormalLicenseKey mapped = key;
    std::ranges::transform(mapped.text_, mapped.text_.begin(), without_lookalike);
    if (is_generated_license_key(mapped.view())) return mapped;
  }
  return key;
}

bool is_generated_license_key(std::string_view normalized) noexcept {
  if (!has_generated_form(normalized)) return false;
  std::array<std::uint8_t, kSymbols> symbols{};
  std::size_t at = 0;
  for (const char c : normalized) {
    if (c == '-') continue;
    const int value = base::base32_value(c);
    if (value < 0) return false;
    symbols[at++] = static_cast<std::uint8_t>(value);
  }
  return has_valid_check(symbols);
}

}  // namespace lictor::licensing
