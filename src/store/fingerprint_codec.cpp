#include "store/fingerprint_codec.h"

#include <bit>
#include <cstring>

namespace lictor::store {
namespace {

using Kind = licensing::Fingerprint::Kind;
constexpr std::size_t kHeaderBytes = 2;
constexpr std::size_t kTagBytes = 16;

// Which of the tags are written: an opaque value is the first tag, although its mask stays zero.
unsigned written_tags(Kind kind, licensing::ComponentMask mask) noexcept {
  switch (kind) {
    case Kind::opaque:
      return 1;
    case Kind::components:
      return mask;
    case Kind::absent:
      break;
  }
  return 0;
}

}  // namespace

std::span<const std::uint8_t> encode_fingerprint(const licensing::Fingerprint& fingerprint,
                                                 FingerprintBuffer& buffer) noexcept {
  buffer[0] = static_cast<std::uint8_t>(fingerprint.kind);
  buffer[1] = fingerprint.kind == Kind::components ? fingerprint.mask : 0;
  std::size_t size = kHeaderBytes;
  const unsigned written = written_tags(fingerprint.kind, fingerprint.mask);
  for (std::size_t index = 0; index < fingerprint.tags.size(); ++index) {
    if ((written >> index & 1U) == 0) continue;
    std::memcpy(buffer.data() + size, fingerprint.tags[index].bytes.data(), kTagBytes);
    size += kTagBytes;
  }
  return std::span(buffer).first(size);
}

std::optional<licensing::Fingerprint> decode_fingerprint(std::span<const std::uint8_t> bytes) noexcept {
  if (bytes.size() < kHeaderBytes || bytes[0] > static_cast<std::uint8_t>(Kind::components)) return std::nullopt;
  licensing::Fingerprint fingerprint;
  fingerprint.kind = static_cast<Kind>(bytes[0]);
  fingerprint.mask = bytes[1];
  if (fingerprint.kind != Kind::components && fingerprint.mask != 0) return std::nullopt;
  const unsigned written = written_tags(fingerprint.kind, fingerprint.mask);
  const auto tags = static_cast<std::size_t>(std::popcount(written));
  if (bytes.size() != kHeaderBytes + tags * kTagBytes) return std::nullopt;
  std::size_t at = kHeaderBytes;
  for (std::size_t index = 0; index < fingerprint.tags.size(); ++index) {
    if ((written >> index & 1U) == 0) continue;
    std::memcpy(fingerprint.tags[index].bytes.data(), bytes.data() + at, kTagBytes);
    at += kTagBytes;
  }
  return fingerprint;
}

}  // namespace lictor::store
