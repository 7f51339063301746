// The cryptography Lictor uses, over OpenSSL 3 (digests), nettle (HMAC) and libsodium (SipHash, random). The only place
// that calls them. All functions are thread-safe unless they say otherwise.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/id.h"

namespace lictor::crypto {

using Sha256 = std::array<std::uint8_t, 32>;

// Must be called once before anything else here; throws std::runtime_error when a library can't start.
void initialize();

Sha256 sha256(std::string_view bytes);
void random_bytes(std::span<std::uint8_t> out) noexcept;  // from the kernel's generator
base::Id random_id() noexcept;  // 128 bits nobody can guess; from a generator of the thread's own

[[nodiscard]] bool equal_constant_time(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) noexcept;

// A secret text: can't be printed or compared by accident, and is wiped when it goes.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) noexcept : text_(std::move(text)) {}
  Secret(Secret&&) noexcept = default;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();
  bool operator==(const Secret&) const = delete;
  [[nodiscard]] bool equals(std::string_view other) const noexcept;  // constant time for equal lengths
  std::string_view reveal() const noexcept { return text_; }         // the only way to the text: easy to find

 private:
  std::string text_;
};

// A keyed 128-bit pseudo-random function (SipHash-2-4 with 128-bit output): the index of license keys and fingerprints.
// Without the key nobody can tell what a digest stands for or make two inputs collide.
class Prf {
 public:
  using Key = std::array<std::uint8_t, 16>;
  explicit Prf(const Key& key) noexcept : key_(key) {}
  base::Digest operator()(std::string_view bytes) const noexcept;

 private:
  Key key_;
};

// HMAC-SHA256 (RFC 2104) with one key: the keyed state is kept, so that a message costs its own blocks only.
// Not thread-safe: one for each thread.
class HmacSha256 {
 public:
  explicit HmacSha256(std::string_view key);
  HmacSha256(HmacSha256&&) noexcept;
  HmacSha256& operator=(HmacSha256&&) noexcept;
  ~HmacSha256();
  Sha256 operator()(std::string_view message) noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lictor::crypto
