#include "auth/guide_signature.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/encoding.h"

namespace lictor::auth {
namespace {

// Eight bytes at a time, as in "Bit Twiddling Hacks" (hasless, hasvalue): each term's high bits tell a byte that is.
bool shifts_borders(std::uint64_t bytes) noexcept {
  constexpr std::uint64_t kOnes = 0x0101010101010101, kHighBits = kOnes << 7;
  const auto below = [](std::uint64_t x, std::uint64_t limit) { return (x - kOnes * limit) & ~x; };
  const auto is = [&](char c) { return below(bytes ^ (kOnes * static_cast<unsigned char>(c)), 1); };
  return ((below(bytes, 0x20) | is('&') | is('=') | is(0x7F)) & kHighBits) != 0;
}

bool shifts_borders(std::string_view text) noexcept {
  constexpr std::size_t kWord = sizeof(std::uint64_t);
  std::uint64_t word = 0;
  for (; text.size() >= kWord; text.remove_prefix(kWord)) {
    std::memcpy(&word, text.data(), kWord);
    if (shifts_borders(word)) return true;
  }
  word = 0x2020202020202020;  // harmless where the text has ended
  std::memcpy(&word, text.data(), text.size());
  return shifts_borders(word);
}

bool decode(std::string_view signature, crypto::Sha256& out) {
  if (signature.size() == 2 * out.size()) return base::decode_hex(signature, out);
  const auto bytes = base::from_base64(signature);
  if (!bytes || bytes->size() != out.size()) return false;
  std::ranges::copy(*bytes, out.begin());
  return true;
}

}  // namespace

std::optional<std::string_view> signed_text(std::span<SignedMember> members) {
  if (!std::ranges::is_sorted(members, {}, &SignedMember::name)) std::ranges::sort(members, {}, &SignedMember::name);
  thread_local std::string text;
  text.clear();
  for (const SignedMember& member : members) {
    if (!member.plain || shifts_borders(member.name) || shifts_borders(member.text)) return std::nullopt;
    if (!text.empty()) text += '&';
    text.append(member.name).append("=").append(member.text);
  }
  return text;
}

bool verify_guide_signature(std::string_view text, std::string_view signature, crypto::HmacSha256& hmac,
                            crypto::Sha256& mac) {
  crypto::Sha256 presented;
  if (!decode(signature, presented)) return false;
  mac = hmac(text);
  return crypto::equal_constant_time(mac, presented);
}

bool is_fresh(std::int64_t timestamp, std::int64_t now) noexcept {
  return timestamp >= now - kSignatureWindowSeconds && timestamp <= now + kSignatureWindowSeconds;
}

}  // namespace lictor::auth
