#include "auth/api_keys.h"

#include <algorithm>
#include <array>

#include "base/check_symbols.h"
#include "base/encoding.h"

namespace lictor::auth {
namespace {

constexpr std::string_view kPrefix = "lk_live_";
constexpr std::size_t kSecretSymbols = 26;
constexpr std::size_t kSecretLength = kSecretSymbols + base::kCheckSymbols;
constexpr std::size_t kKeyLength = kPrefix.size() + base::kIdDigits + 1 + kSecretLength;
constexpr std::size_t kMaxVerified = 4096;  // for each I/O thread; beyond, the lane starts anew

// The digits of the id; empty when the text has not the form of a key or its check symbols do not hold.
std::string_view id_digits_of(std::string_view key) {
  if (key.size() != kKeyLength || !key.starts_with(kPrefix)) return {};
  const std::string_view id = key.substr(kPrefix.size(), base::kIdDigits);
  const std::string_view secret = key.substr(kPrefix.size() + base::kIdDigits + 1);
  if (key[kPrefix.size() + base::kIdDigits] != '_') return {};
  std::array<std::uint8_t, kSecretLength> symbols{};
  for (std::size_t i = 0; i < secret.size(); ++i) {
    const int value = base::base32_value(secret[i]);
    if (value < 0) return {};
    symbols[i] = static_cast<std::uint8_t>(value);
  }
  return base::has_valid_check(symbols) ? id : std::string_view();
}

std::span<const std::uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string hash_of(std::string_view key) {
  const crypto::Sha256 hash = crypto::sha256(key);
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

std::string digits_of(const base::Id& id) {
  std::string digits(base::kIdDigits, '0');
  base::write_id_digits(id, digits.data());
  return digits;
}

struct DigestHash {
  std::size_t operator()(const base::Digest& digest) const noexcept { return digest.low64(); }
};

}  // namespace

NewApiKey make_api_key() {
  std::array<std::uint8_t, kSecretLength> symbols{};
  crypto::random_bytes(std::span(symbols).first<kSecretSymbols>());
  for (auto& symbol : symbols) symbol &= 31;
  base::write_check_symbols(std::span(symbols).first<kSecretSymbols>(), std::span(symbols).last<base::kCheckSymbols>());
  NewApiKey key;
  key.id = crypto::random_id();
  std::string text(kPrefix);
  text.resize(kPrefix.size() + base::kIdDigits);
  base::write_id_digits(key.id, text.data() + kPrefix.size());
  text += '_';
  for (const std::uint8_t symbol : symbols) {
    const char digit = base::kBase32Digits[symbol];
    text += digit >= 'A' ? static_cast<char>(digit - 'A' + 'a') : digit;
  }
  key.secret_hash = hash_of(text);
  key.text = crypto::Secret(std::move(text));
  return key;
}

std::optional<KeyRights> rights_of(const store::ApiKey& key, base::UnixSeconds now) {
  const auto scopes = parse_scopes(key.scopes);
  auto addresses = AddressList::parse(key.addresses);
  if (key.revoked_at != 0 || now >= key.expires_at || !scopes || !addresses) return std::nullopt;
  return KeyRights{*scopes, *std::move(addresses)};
}

struct ApiKeys::Verified {
  Caller caller;
  crypto::HmacSha256 hmac;
  AddressList addresses;
};

struct alignas(64) ApiKeys::Lane {
  std::uint64_t generation = 0;
  boost::unordered_flat_map<base::Digest, std::unique_ptr<Verified>, DigestHash> verified;
};

ApiKeys::ApiKeys(unsigned io_threads, const crypto::Prf::Key& process_key) : prf_(process_key) {
  for (unsigned i = 0; i < io_threads; ++i) lanes_.push_back(std::make_unique<Lane>());
}
ApiKeys::~ApiKeys() = default;

void ApiKeys::load(store::Reader& reader) {
  std::unordered_map<std::string, store::ApiKey> keys;
  for (auto& key : reader.api_keys()) {
    std::string digits = digits_of(key.id);
    keys.emplace(std::move(digits), std::move(key));
  }
  const std::lock_guard lock(mutex_);
  keys_ = std::move(keys);
  generation_.fetch_add(1, std::memory_order_release);
}

void ApiKeys::add(const store::ApiKey& key) {
  const std::lock_guard lock(mutex_);
  keys_.insert_or_assign(digits_of(key.id), key);
  generation_.fetch_add(1, std::memory_order_release);
}

void ApiKeys::revoke(const base::Id& id, base::UnixSeconds now) {
  const std::lock_guard lock(mutex_);
  const auto it = keys_.find(digits_of(id));
  if (it != keys_.end() && it->second.revoked_at == 0) it->second.revoked_at = now;
  generation_.fetch_add(1, std::memory_order_release);
}

bool ApiKeys::has_substitute(const store::ApiKey& key, std::string_view address, base::UnixSeconds now) {
  const auto needed = parse_scopes(key.scopes);
  if (!needed) return false;
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(keys_, [&](const auto& entry) {
    const store::ApiKey& other = entry.second;
    const auto rights = rights_of(other, now);
    return other.id != key.id && other.expires_at >= key.expires_at && other.product == 0 && rights &&
           rights->addresses.allows(address) && (rights->scopes & *needed) == *needed;
  });
}

bool ApiKeys::may_be_new(std::string_view presented) {
  const std::string id(id_digits_of(presented));
  const std::lock_guard lock(mutex_);
  return !id.empty() && !keys_.contains(id);
}

const Caller* ApiKeys::find(unsigned io_thread, std::string_view presented, base::UnixSeconds now) {
  Lane& lane = *lanes_[io_thread];
  const std::uint64_t generation = generation_.load(std::memory_order_acquire);
  if (lane.generation != generation || lane.verified.size() > kMaxVerified) {
    lane.verified.clear();
    lane.generation = generation;
  }
  const base::Digest digest = prf_(presented);
  const auto it = lane.verified.find(digest);
  if (it == lane.verified.end()) return verify(lane, digest, presented, now);
  return now < it->second->caller.expires_at ? &it->second->caller : nullptr;
}

const Caller* ApiKeys::verify(Lane& lane, const base::Digest& digest, std::string_view presented,
                              base::UnixSeconds now) {
  const std::string id(id_digits_of(presented));
  if (id.empty()) return nullptr;
  store::ApiKey stored;
  {
    const std::lock_guard lock(mutex_);
    const auto it = keys_.find(id);
    if (it == keys_.end()) return nullptr;
    stored = it->second;
  }
  if (!crypto::equal_constant_time(as_bytes(hash_of(presented)), as_bytes(stored.secret_hash))) return nullptr;
  auto rights = rights_of(stored, now);
  if (!rights) return nullptr;
  auto verified = std::make_unique<Verified>(Verified{
      {stored.id, rights->scopes, stored.product, stored.require_signature, stored.expires_at, nullptr, nullptr},
      crypto::HmacSha256(presented),
      std::move(rights->addresses)});
  verified->caller.hmac = &verified->hmac;
  if (!verified->addresses.empty()) verified->caller.addresses = &verified->addresses;
  return &lane.verified.emplace(digest, std::move(verified)).first->second->caller;
}

}  // namespace lictor::auth
