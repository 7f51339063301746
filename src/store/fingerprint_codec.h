// The persisted form of a fingerprint. Never change what exists; new kinds get new numbers.
//
//   fingerprint = absent | opaque | components
//   absent      = 00 00
//   opaque      = 01 00 tag
//   components  = 02 mask tag*      one tag for each bit set in mask, lowest bit first (licensing::ComponentClass)
//   tag         = 16 bytes
//
// Pure and thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "licensing/fingerprint.h"

namespace lictor::store {

inline constexpr std::size_t kMaxFingerprintBytes = 2 + licensing::kComponentClasses * 16;
using FingerprintBuffer = std::array<std::uint8_t, kMaxFingerprintBytes>;

// Writes into `buffer` and returns the part that was used.
std::span<const std::uint8_t> encode_fingerprint(const licensing::Fingerprint& fingerprint,
                                                 FingerprintBuffer& buffer) noexcept;
// Nothing for bytes that encode_fingerprint could not have written.
std::optional<licensing::Fingerprint> decode_fingerprint(std::span<const std::uint8_t> bytes) noexcept;

}  // namespace lictor::store
