// License keys. A generated key is 32 Crockford base32 symbols as 8-4-4-4-12: 26 random symbols (130 bits) and 6 check
// symbols of the BCH code of bech32m (BIP-173 and BIP-350) over GF(32), which finds every error of up to four symbols
// and every swap of neighbours, so that a typo is found offline. An administrator may import any key of 4 to 64
// characters of [A-Z0-9-].
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/check_symbols.h"

namespace lictor::licensing {

inline constexpr std::size_t kLicenseKeyRandomSymbols = 26;
inline constexpr std::size_t kMaxLicenseKeyLength = 64;
inline constexpr std::size_t kMinLicenseKeyLength = 4;  // hyphens not counted

using base::has_valid_check;
using base::kCheckSymbols;
using base::write_check_symbols;

// A key from 26 random bytes, of which five bits each are used.
std::string make_license_key(std::span<const std::uint8_t, kLicenseKeyRandomSymbols> random);

// A key's text in the one form that is stored and looked up.
class NormalLicenseKey {
 public:
  std::string_view view() const noexcept { return {text_.data(), size_}; }

 private:
  friend std::optional<NormalLicenseKey> normalize_license_key(std::string_view text) noexcept;
  std::array<char, kMaxLicenseKeyLength> text_{};
  std::size_t size_ = 0;
};

// Upper case, without spaces; in keys of the generated form I and L become 1 and O becomes 0 when that makes the check
// hold. Nothing when what remains could be no key at all.
std::optional<NormalLicenseKey> normalize_license_key(std::string_view text) noexcept;

// True when the key has the generated form and its check symbols hold.
bool is_generated_license_key(std::string_view normalized) noexcept;

}  // namespace lictor::licensing
