// 128-bit identifiers and their text form `<prefix>_<26 characters>`, Crockford base32 in lower case.
// The text is big-endian with two leading zero bits, so its order is the order of the bytes.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace lictor::base {

// 16 bytes; used for identifiers and for 128-bit digests. A zero value means "none".
struct Bytes16 {
  std::array<std::uint8_t, 16> bytes{};

  auto operator<=>(const Bytes16&) const = default;       // NOLINT(modernize-use-nullptr): what it compares with 0
  bool operator==(const Bytes16& other) const noexcept {  // two comparisons instead of a call
    return low64() == other.low64() && high64() == other.high64();
  }
  explicit operator bool() const noexcept { return low64() != 0 || high64() != 0; }
  std::uint64_t low64() const noexcept { return load(0); }
  std::uint64_t high64() const noexcept { return load(8); }

 private:
  std::uint64_t load(std::size_t at) const noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    return word;
  }
};

// For those that are random or digests, in which no bit tells anything of another.
struct Bytes16Hash {
  using is_avalanching = void;
  std::size_t operator()(const Bytes16& value) const noexcept { return value.low64(); }
};

using Id = Bytes16;
using Digest = Bytes16;

inline constexpr std::string_view kLicensePrefix = "lic";
inline constexpr std::string_view kClientPrefix = "cli";
inline constexpr std::string_view kApiKeyPrefix = "key";
inline constexpr std::string_view kProductPrefix = "prd";
inline constexpr std::string_view kPolicyPrefix = "pol";
inline constexpr std::string_view kRequestPrefix = "req";
inline constexpr std::size_t kIdDigits = 26;

// Writes exactly 26 characters to `out`.
void write_id_digits(const Id& id, char* out) noexcept;
std::string format_id(std::string_view prefix, const Id& id);
// Nothing when the prefix differs, the length is wrong or a character is not of the alphabet. Upper case is accepted.
std::optional<Id> parse_id(std::string_view prefix, std::string_view text) noexcept;
std::optional<Id> parse_id_digits(std::string_view digits) noexcept;

}  // namespace lictor::base
