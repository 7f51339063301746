// The guide signature (contract.md, section 5.1): HMAC-SHA256 with the caller's API key over the other top-level
// members of the body, sorted by name, as k=v joined with &. It is ambiguous by design, so it is verified only for
// members that are strings or integers and hold no character that could shift a border.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "crypto/crypto.h"

namespace lictor::auth {

inline constexpr std::int64_t kSignatureWindowSeconds = 300;

struct SignedMember {
  std::string_view name;
  std::string_view text;  // as the guide's Python prints it
  bool plain = false;     // a string or an integer
};

// What is signed: `members` (all but `signature`, with distinct names; sorted here by name) as k=v joined with &.
// Nothing when that is ambiguous. Valid until the thread's next call.
[[nodiscard]] std::optional<std::string_view> signed_text(std::span<SignedMember> members);

// Whether `signature`, 64 hex digits or base64, is that of `text`. Constant time in the comparison. A valid one's MAC
// goes to `mac`: it names the signed request, however the signature was written.
[[nodiscard]] bool verify_guide_signature(std::string_view text, std::string_view signature, crypto::HmacSha256& hmac,
                                          crypto::Sha256& mac);

// True when `timestamp` is within the window around `now`.
bool is_fresh(std::int64_t timestamp, std::int64_t now) noexcept;

}  // namespace lictor::auth
