// Six check symbols for keys that people copy: the BCH code of bech32m (BIP-173, BIP-350) over GF(32). It finds every
// error of up to four symbols in keys of this length, and every swap of neighbours. Symbols are values 0 … 31.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace lictor::base {

inline constexpr std::size_t kCheckSymbols = 6;

void write_check_symbols(std::span<const std::uint8_t> payload, std::span<std::uint8_t, kCheckSymbols> out) noexcept;
[[nodiscard]] bool has_valid_check(std::span<const std::uint8_t> payload_and_check) noexcept;

}  // namespace lictor::base
