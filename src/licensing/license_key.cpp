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

char without_lookalike(char c) noexcept { return c == 'O' ? '0' : (c == 'I' || c == 'L') ? '1' : c; }

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

std::optional<std::string> normalize_license_key(std::string_view text) {
  std::string key;
  key.reserve(text.size());
  for (char c : text) {
    if (c == ' ') continue;
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    const bool allowed = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
    if (!allowed || key.size() == kMaxLicenseKeyLength) return std::nullopt;
    key += c;
  }
  const auto symbols = key.size() - static_cast<std::size_t>(std::ranges::count(key, '-'));
  if (symbols < kMinLicenseKeyLength) return std::nullopt;
  if (has_generated_form(key) && key.find_first_of("OIL") != std::string::npos) {
    std::string mapped = key;
    std::ranges::transform(mapped, mapped.begin(), without_lookalike);
    if (is_generated_license_key(mapped)) return mapped;
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
