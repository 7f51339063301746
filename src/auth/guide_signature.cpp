#include "auth/guide_signature.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/encoding.h"
#include "base/text_writer.h"

namespace lictor::auth {
namespace {

// '&', '=' and control characters. Eight bytes at a time, as in "Bit Twiddling Hacks" (hasless): the high bit of a byte
// tells that it, or one before it, is among them.
bool shifts_borders(std::string_view text) noexcept {
  constexpr std::uint64_t kOnes = 0x0101010101010101, kHighBits = kOnes << 7, kHarmless = kOnes * 'a';
  constexpr auto below = [](std::uint64_t word, std::uint64_t limit) { return (word - kOnes * limit) & ~word; };
  constexpr auto equals = [below](std::uint64_t word, char c) {
    return below(word ^ (kOnes * static_cast<unsigned char>(c)), 1);
  };
  std::uint64_t found = 0;
  while (!text.empty()) {
    std::uint64_t word = kHarmless;
    const std::size_t size = std::min(text.size(), sizeof word);
    size == sizeof word ? std::memcpy(&word, text.data(), sizeof word) : std::memcpy(&word, text.data(), size);
    found |= below(word, 0x20) | equals(word, '&') | equals(word, '=') | equals(word, 0x7F);
    text.remove_prefix(size);
  }
  return (found & kHighBits) != 0;
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
  // The texts are looked at in one pass, so the separators come after it.
  constexpr std::string_view kLater = " ";
  thread_local std::string text;
  text.clear();
  {
    base::TextWriter out(text, 512);
    for (const SignedMember& member : members) {
      if (!member.plain) return std::nullopt;
      if (&member != &members.front()) out.text(kLater);
      out.text(member.name).text(kLater).text(member.text);
    }
  }
  if (shifts_borders(text)) return std::nullopt;
  char* at = text.data();
  for (const SignedMember& member : members) {
    if (&member != &members.front()) *at++ = '&';
    at[member.name.size()] = '=';
    at += member.name.size() + 1 + member.text.size();
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
