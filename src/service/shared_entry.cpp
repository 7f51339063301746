#include "service/shared_entry.h"

#include <cstring>

#include "base/encoding.h"

namespace lictor::service {
namespace {

constexpr char kFormat = 1;
constexpr std::size_t kHeader = 1 + sizeof(base::Digest);
constexpr std::size_t kLongestText = 64 * 1024;

enum Flag : unsigned { kHeld = 1, kBlocked = 2, kOverLimit = 4, kVacated = 8, kAllFlags = 15 };

crypto::Prf derive(const crypto::Prf::Key& secret, std::string_view purpose) {
  return crypto::Prf(crypto::Prf(secret)(purpose).bytes);
}

class Writer {
 public:
  void number(std::int64_t value) {
    auto rest = (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
    for (; rest >= 0x80; rest >>= 7) bytes_ += static_cast<char>(rest | 0x80);
    bytes_ += static_cast<char>(rest);
  }
  void raw(const void* data, std::size_t size) { bytes_.append(static_cast<const char*>(data), size); }
  void id(const base::Bytes16& value) { raw(value.bytes.data(), value.bytes.size()); }
  void text(std::string_view value) {
    number(static_cast<std::int64_t>(value.size()));
    bytes_ += value;
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// After something that is not as it should be, all further values are zero and is_whole() is false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  std::int64_t number() {
    std::uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      if (rest_.empty() || shift > 63) return fail();
      const auto byte = static_cast<std::uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) break;
    }
    return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
  }
  template <class Number>
  Number bounded(std::int64_t most) {
    const std::int64_t value = number();
    return static_cast<Number>(value < 0 || value > most ? fail() : value);
  }
  void raw(void* data, std::size_t size) {
    if (rest_.size() < size) return void(fail());
    std::memcpy(data, rest_.data(), size);
    rest_.remove_prefix(size);
  }
  base::Bytes16 id() {
    base::Bytes16 value;
    raw(value.bytes.data(), value.bytes.size());
    return value;
  }
  std::string text() {
    const auto size = bounded<std::size_t>(kLongestText);
    if (rest_.size() < size) return fail(), std::string();
    std::string value(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return value;
  }
  std::int64_t fail() {
    whole_ = false;
    rest_ = {};
    return 0;
  }
  bool is_whole() const { return whole_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool whole_ = true;
};

constexpr std::int64_t kMost32 = 0xFFFFFFFF;

void write_license(Writer& out, const licensing::License& license) {
  out.number(static_cast<std::int64_t>(license.status));
  for (const std::int64_t value :
       {license.issued_at, license.starts_at, license.expires_at, license.first_activated_at, license.last_check_in_at,
        std::int64_t{license.seats_held}, license.next_lease_end, std::int64_t{license.vacant_seats},
        std::int64_t{license.transfers}, std::int64_t{license.transfers_in_period}, license.transfer_period_start})
    out.number(value);
}

licensing::License read_license(Reader& in) {
  licensing::License license;
  license.status = in.bounded<licensing::LicenseStatus>(static_cast<std::int64_t>(licensing::LicenseStatus::revoked));
  if (license.status < licensing::LicenseStatus::active) in.fail();
  license.issued_at = in.number();
  license.starts_at = in.number();
  license.expires_at = in.number();
  license.first_activated_at = in.number();
  license.last_check_in_at = in.number();
  license.seats_held = in.bounded<std::uint32_t>(kMost32);
  license.next_lease_end = in.number();
  license.vacant_seats = in.bounded<std::uint32_t>(kMost32);
  license.transfers = in.bounded<std::uint32_t>(kMost32);
  license.transfers_in_period = in.bounded<std::uint32_t>(kMost32);
  license.transfer_period_start = in.number();
  return license;
}

void write_fingerprint(Writer& out, const licensing::Fingerprint& fingerprint) {
  using Kind = licensing::Fingerprint::Kind;
  out.number(static_cast<std::int64_t>(fingerprint.kind));
  out.number(fingerprint.mask);
  for (std::size_t i = 0; i < fingerprint.tags.size(); ++i) {
    const bool has = fingerprint.kind == Kind::opaque ? i == 0 : ((fingerprint.mask >> i) & 1U) != 0;
    if (has && fingerprint.kind != Kind::absent) out.id(fingerprint.tags[i]);
  }
}

licensing::Fingerprint read_fingerprint(Reader& in) {
  using Kind = licensing::Fingerprint::Kind;
  licensing::Fingerprint fingerprint;
  fingerprint.kind = in.bounded<Kind>(static_cast<std::int64_t>(Kind::components));
  fingerprint.mask = in.bounded<licensing::ComponentMask>(0xFF);
  for (std::size_t i = 0; i < fingerprint.tags.size(); ++i) {
    const bool has = fingerprint.kind == Kind::opaque ? i == 0 : ((fingerprint.mask >> i) & 1U) != 0;
    if (has && fingerprint.kind != Kind::absent) fingerprint.tags[i] = in.id();
  }
  return fingerprint;
}

void write_activation(Writer& out, const licensing::Activation& activation) {
  out.id(activation.client);
  out.number((activation.held ? kHeld : 0U) | (activation.blocked ? kBlocked : 0U) |
             (activation.over_limit ? kOverLimit : 0U) | (activation.vacated ? kVacated : 0U));
  out.number(activation.activated_at);
  out.number(activation.lease_expires_at);
  out.number(activation.released_at);
  out.number(activation.vacated_at_transfer);
  write_fingerprint(out, activation.fingerprint);
  out.text(activation.version);
}

licensing::Activation read_activation(Reader& in) {
  licensing::Activation activation;
  activation.client = in.id();
  const auto flags = in.bounded<unsigned>(kAllFlags);
  activation.held = (flags & kHeld) != 0;
  activation.blocked = (flags & kBlocked) != 0;
  activation.over_limit = (flags & kOverLimit) != 0;
  activation.vacated = (flags & kVacated) != 0;
  activation.activated_at = in.number();
  activation.lease_expires_at = in.number();
  activation.released_at = in.number();
  activation.vacated_at_transfer = in.bounded<std::uint32_t>(kMost32);
  activation.fingerprint = read_fingerprint(in);
  activation.version = in.text();
  return activation;
}

}  // namespace

SharedEntryCodec::SharedEntryCodec(const crypto::Prf::Key& database_secret)
    : names_(derive(database_secret, "shared cache: names")), seals_(derive(database_secret, "shared cache: seals")) {}

std::string SharedEntryCodec::name(const store::LicenseRef& ref) const {
  std::string text(ref.by == store::LicenseRef::By::id ? "id " : "key ");
  text.append(reinterpret_cast<const char*>(ref.value.bytes.data()), ref.value.bytes.size());
  return "lictor:" + base::to_hex(names_(text).bytes);
}

std::string SharedEntryCodec::field(std::optional<std::string_view> client_id) const {
  if (!client_id) return "-";
  const base::Digest digest = names_("client " + std::string(*client_id));
  return {reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size()};
}

std::string SharedEntryCodec::encode(const store::LicenseView& view, const base::Id& policy, const HistoryMark& mark) {
  Writer out;
  out.number(mark.sequence);
  out.raw(&mark.hash_head, sizeof mark.hash_head);
  out.id(view.license.id);
  out.id(view.license.key_digest);
  out.id(policy);
  out.text(view.license.overrides);
  write_license(out, view.license.state);
  out.number(view.activation ? 1 : 0);
  if (view.activation) write_activation(out, *view.activation);
  return out.take();
}

base::Digest SharedEntryCodec::seal_of(const SharedPlace& place, std::string_view sealed) const {
  std::string text;
  text.reserve(place.name.size() + place.field.size() + sealed.size() + 3);
  for (const std::string& part : {place.name, place.field}) text.append(1, static_cast<char>(part.size())).append(part);
  text.append(1, kFormat).append(sealed);
  return seals_(text);
}

std::string SharedEntryCodec::seal(const SharedPlace& place, base::UnixSeconds written_at,
                                   std::string_view encoded) const {
  Writer out;
  out.number(written_at);
  const std::string sealed = out.take().append(encoded);
  const base::Digest digest = seal_of(place, sealed);
  std::string bytes(1, kFormat);
  bytes.append(reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size());
  return bytes.append(sealed);
}

std::optional<SharedEntry> SharedEntryCodec::open(const SharedPlace& place, std::string_view bytes) const {
  if (bytes.size() <= kHeader || bytes.front() != kFormat) return std::nullopt;
  const base::Digest expected = seal_of(place, bytes.substr(kHeader));
  const auto* const given = reinterpret_cast<const std::uint8_t*>(bytes.data()) + 1;
  if (!crypto::equal_constant_time(expected.bytes, {given, expected.bytes.size()})) return std::nullopt;
  Reader in(bytes.substr(kHeader));
  SharedEntry entry;
  entry.written_at = in.number();
  entry.mark.sequence = in.number();
  in.raw(&entry.mark.hash_head, sizeof entry.mark.hash_head);
  entry.view.license.id = in.id();
  entry.view.license.key_digest = in.id();
  entry.policy = in.id();
  entry.view.license.overrides = in.text();
  entry.view.license.state = read_license(in);
  if (in.bounded<int>(1) == 1) entry.view.activation = read_activation(in);
  return in.is_whole() ? std::optional(std::move(entry)) : std::nullopt;
}

}  // namespace lictor::service
