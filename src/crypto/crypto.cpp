#include "crypto/crypto.h"

#include <nettle/hmac.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sodium.h>

#include <stdexcept>
#include <utility>

namespace lictor::crypto {
namespace {

struct FreeDigest {
  void operator()(EVP_MD* digest) const noexcept { EVP_MD_free(digest); }
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};

void require(bool done, const char* what) {
  if (!done) throw std::runtime_error(std::string("OpenSSL: ") + what + " failed");
}

// Fetched once: a fetch by name for each message costs more than the message.
const EVP_MD* sha256_algorithm() {
  static const std::unique_ptr<EVP_MD, FreeDigest> algorithm(EVP_MD_fetch(nullptr, "SHA256", nullptr));
  return algorithm.get();
}

}  // namespace

void initialize() {
  if (sodium_init() < 0) throw std::runtime_error("libsodium can't be initialised");
  require(sha256_algorithm() != nullptr, "fetching SHA-256");
}

Sha256 sha256(std::string_view bytes) {
  thread_local const std::unique_ptr<EVP_MD_CTX, FreeDigest> context(EVP_MD_CTX_new());
  Sha256 digest{};
  require(EVP_DigestInit_ex2(context.get(), sha256_algorithm(), nullptr) == 1, "DigestInit");
  require(EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) == 1, "DigestUpdate");
  require(EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) == 1, "DigestFinal");
  return digest;
}

void random_bytes(std::span<std::uint8_t> out) noexcept { randombytes_buf(out.data(), out.size()); }

base::Id random_id() noexcept {
  // Fast key erasure (D. J. Bernstein, 2017): the pool is a key's ChaCha20 stream; its first bytes are the next key,
  // and what was given out is wiped. One key from the kernel for each thread costs less than a system call for each
  // pool.
  struct Pool {
    std::array<std::uint8_t, crypto_stream_chacha20_KEYBYTES + 4096> bytes;
    std::size_t used = sizeof(bytes);
    Pool() { randombytes_buf(bytes.data(), crypto_stream_chacha20_KEYBYTES); }
    ~Pool() { sodium_memzero(bytes.data(), bytes.size()); }
    void refill() noexcept {
      static constexpr std::array<std::uint8_t, crypto_stream_chacha20_NONCEBYTES> kNonce{};  // a key is used once
      std::array<std::uint8_t, crypto_stream_chacha20_KEYBYTES> key;
      std::memcpy(key.data(), bytes.data(), key.size());
      crypto_stream_chacha20(bytes.data(), bytes.size(), kNonce.data(), key.data());
      sodium_memzero(key.data(), key.size());
      used = crypto_stream_chacha20_KEYBYTES;
    }
  };
  thread_local Pool pool;
  if (pool.used == pool.bytes.size()) pool.refill();
  base::Id id;
  std::memcpy(id.bytes.data(), pool.bytes.data() + pool.used, id.bytes.size());
  std::memset(pool.bytes.data() + pool.used, 0, id.bytes.size());
  pool.used += id.bytes.size();
  return id;
}

bool equal_constant_time(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    sodium_memzero(text_.data(), text_.size());
    text_ = std::move(other.text_);
  }
  return *this;
}

Secret::~Secret() { sodium_memzero(text_.data(), text_.size()); }

bool Secret::equals(std::string_view other) const noexcept {
  return text_.size() == other.size() && CRYPTO_memcmp(text_.data(), other.data(), other.size()) == 0;
}

base::Digest Prf::operator()(std::string_view bytes) const noexcept {
  base::Digest digest;
  crypto_shorthash_siphashx24(digest.bytes.data(), reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                              key_.data());
  return digest;
}

// Nettle's, because its state is a plain struct: OpenSSL allocates and copies three contexts for each message, which
// costs half as much again as the hashing (docs/decisions/0006-transport-and-hmac.md).
struct HmacSha256::State {
  hmac_sha256_ctx context{};
  ~State() { sodium_memzero(&context, sizeof context); }
};

HmacSha256::HmacSha256(std::string_view key) : state_(std::make_unique<State>()) {
  hmac_sha256_set_key(&state_->context, key.size(), reinterpret_cast<const std::uint8_t*>(key.data()));
}
HmacSha256::HmacSha256(HmacSha256&&) noexcept = default;
HmacSha256& HmacSha256::operator=(HmacSha256&&) noexcept = default;
HmacSha256::~HmacSha256() = default;

Sha256 HmacSha256::operator()(std::string_view message) noexcept {
  Sha256 mac{};
  hmac_sha256_update(&state_->context, message.size(), reinterpret_cast<const std::uint8_t*>(message.data()));
  hmac_sha256_digest(&state_->context, mac.size(), mac.data());  // and is ready for the next message
  return mac;
}

}  // namespace lictor::crypto
