#include "auth/guide_signature.h"

#include <algorithm>
#include <string>

#include "base/encoding.h"

namespace lictor::auth {
namespace {

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
    if (!member.plain) return std::nullopt;
    if (!text.empty()) text += '&';
    text.append(member.name).append("=").append(member.text);
  }
  // Nothing may shift a border: there are the separators that were put here, no others, and no control characters. One
  // pass without an early way out, so that it is vectorised.
  std::size_t equals = 0, ampersands = 0, controls = 0;
  for (const char c : text) {
    equals += c == '=' ? 1U : 0U;
    ampersands += c == '&' ? 1U : 0U;
    controls += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? 1U : 0U;
  }
  if (equals != members.size() || ampersands + 1 != std::max<std::size_t>(members.size(), 1) || controls != 0)
    return std::nullopt;
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
