#include "base/check_symbols.h"

#include <array>

namespace lictor::base {
namespace {

constexpr std::uint32_t kBech32mResidue = 0x2bc830a3;  // BIP-350

// One step of the division by the generator polynomial of BIP-173.
std::uint32_t polymod_step(std::uint32_t residue, std::uint8_t symbol) noexcept {
  constexpr std::array<std::uint32_t, 5> kGenerator{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
  const std::uint32_t top = residue >> 25;
  residue = ((residue & 0x1ffffff) << 5) ^ symbol;
  for (unsigned i = 0; i < kGenerator.size(); ++i) {
    if (((top >> i) & 1) != 0) residue ^= kGenerator[i];
  }
  return residue;
}

std::uint32_t polymod(std::span<const std::uint8_t> symbols, std::uint32_t residue = 1) noexcept {
  for (const std::uint8_t symbol : symbols) residue = polymod_step(residue, symbol);
  return residue;
}

}  // namespace

void write_check_symbols(std::span<const std::uint8_t> payload, std::span<std::uint8_t, kCheckSymbols> out) noexcept {
  std::uint32_t residue = polymod(payload);
  for (std::size_t i = 0; i < kCheckSymbols; ++i) residue = polymod_step(residue, 0);
  residue ^= kBech32mResidue;
  for (std::size_t i = 0; i < kCheckSymbols; ++i) out[i] = (residue >> (5 * (kCheckSymbols - 1 - i))) & 31;
}

bool has_valid_check(std::span<const std::uint8_t> payload_and_check) noexcept {
  return polymod(payload_and_check) == kBech32mResidue;
}

}  // namespace lictor::base
