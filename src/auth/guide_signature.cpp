#include "auth/guide_signature.h"

#include <algorithm>
#include <string>

#include "base/encoding.h"

namespace lictor::auth {
namespace {

bool shifts_borders(std::string_view text) noexcept {
  return std::ranges::any_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return c == '&' || c == '=' || byte < 0x20 || byte == 0x7F;
  });
}

bool decode(std::string_view signature, crypto::Sha256& out) {
  if (signature.size() == 2 * out.size()) return base::decode_hex(signature, out);
  const auto bytes = base::from_base64(signature);
  if (!bytes || bytes->size() != out.size()) return false;
  std::ranges::copy(*bytes, out.begin());
  return true;
}

}  // namespace

SignatureVerdict verify_guide_signature(std::span<SignedMember> members, std::string_view signature,
                                        crypto::HmacSha256& hmac, crypto::Sha256& mac) {
  std::ranges::sort(members, {}, &SignedMember::name);
  thread_local std::string text;
  text.clear();
  for (const SignedMember& member : members) {
    if (!member.plain || shifts_borders(member.name) || shifts_borders(member.text)) return SignatureVerdict::ambiguous;
    if (!text.empty()) text += '&';
    text.append(member.name).append("=").append(member.text);
  }
  crypto::Sha256 presented;
  if (!decode(signature, presented)) return SignatureVerdict::invalid;
  mac = hmac(text);
  return crypto::equal_constant_time(mac, presented) ? SignatureVerdict::valid : SignatureVerdict::invalid;
}

bool is_fresh(std::int64_t timestamp, std::int64_t now) noexcept {
  return timestamp >= now - kSignatureWindowSeconds && timestamp <= now + kSignatureWindowSeconds;
}

}  // namespace lictor::auth
