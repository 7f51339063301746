#include "api/requests.h"

#include <algorithm>
#include <array>

#include "base/encoding.h"
#include "service/policy_document.h"

namespace lictor::api {
namespace {

using licensing::Code;
using licensing::Fingerprint;

constexpr std::size_t kMaxClientId = 256;
constexpr std::size_t kMaxVersion = 64;
constexpr std::size_t kMaxNonce = 128;
constexpr std::size_t kMaxIdempotencyKey = 128;
constexpr std::size_t kMaxFingerprint = 512;
constexpr std::int64_t kMaxQuantity = 1'000'000'000'000'000;

// Reads members by name and remembers the first fault; finish() finds members that nobody asked for.
class BodyReader {
 public:
  explicit BodyReader(const JsonBody& body) : body_(body) {}

  std::optional<std::string_view> text(JsonName name, std::size_t most) {
    const JsonMember* member = take(name, JsonKind::string);
    if (member == nullptr) return std::nullopt;
    if (member->text.empty() || member->text.size() > most) {
      fault(name, "must have 1 to " + std::to_string(most) + " bytes");
    } else if (base::has_control_characters(member->text)) {
      fault(name, "must not hold control characters or marks that hide or reorder text");
    }
    return member->text;
  }

  // A text that its own parser judges, so that every bad one gets the same answer.
  std::optional<std::string_view> raw_text(JsonName name) {
    const JsonMember* member = take(name, JsonKind::string);
    return member == nullptr ? std::nullopt : std::optional(member->text);
  }

  std::optional<std::int64_t> integer(JsonName name, std::int64_t least, std::int64_t most) {
    const JsonMember* member = take(name, JsonKind::integer);
    if (member == nullptr) return std::nullopt;
    if (member->integer < least || member->integer > most) {
      fault(name, "must be from " + std::to_string(least) + " to " + std::to_string(most));
    }
    return member->integer;
  }

  const JsonMember* take(JsonName name, JsonKind kind) {
    const JsonMember* member = any(name);
    if (member == nullptr || member->kind == kind) return member;
    fault(name, "must be " + std::string(describe(kind)) + ", not " + std::string(describe(member->kind)));
    return nullptr;
  }

  const JsonMember* any(JsonName name) {
    asked_ |= bit(name);
    return body_.find(name);
  }

  void require(JsonName name, bool present) {
    if (!present) fault(name, "is missing");
  }
  void fault(JsonName field, std::string message) {
    if (!fault_) fault_ = RequestFault{Code::bad_request, std::string(text_of(field)), std::move(message)};
  }
  void fault(RequestFault fault) {
    if (!fault_) fault_ = std::move(fault);
  }

  std::optional<RequestFault> finish() {
    if (fault_) return fault_;
    body_.for_each_member([&](const JsonMember& member) {
      if ((asked_ & bit(member.known)) != 0 || fault_) return;
      fault_ = RequestFault{Code::unknown_field, std::string(member.name), "is no member of this request"};
    });
    return fault_;
  }

 private:
  static constexpr std::uint32_t bit(JsonName name) noexcept {  // `other` has none: nobody asks for it
    return name == JsonName::other ? 0 : 1U << static_cast<unsigned>(name);
  }

  const JsonBody& body_;
  std::uint32_t asked_ = 0;
  std::optional<RequestFault> fault_;
};

// A client's name: no text that only looks different by spaces around it.
std::optional<std::string_view> read_client_id(BodyReader& reader) {
  const auto client_id = reader.text(JsonName::client_id, kMaxClientId);
  if (client_id && (client_id->starts_with(' ') || client_id->ends_with(' '))) {
    reader.fault(JsonName::client_id, "must not begin or end with a space");
  }
  return client_id;
}

void read_basics(BodyReader& reader, RequestBasics& out, bool may_name_id) {
  out.timestamp = reader.integer(JsonName::timestamp, 0, 253402300799);
  out.signature = reader.raw_text(JsonName::signature);
  out.license_key = reader.raw_text(JsonName::license_key);
  if (!may_name_id) return reader.require(JsonName::license_key, out.license_key.has_value());
  out.license_id = reader.raw_text(JsonName::license_id);
  if (out.license_key && out.license_id)
    reader.fault(JsonName::license_id, "and license_key are both there: give one of them");
  if (!out.license_key && !out.license_id)
    reader.fault(JsonName::license_id, "is missing: give license_id or license_key");
}

void read_fingerprint(BodyReader& reader, const JsonBody& body, const FingerprintReader& fingerprints,
                      std::optional<Fingerprint>& out) {
  const JsonMember* member = reader.any(JsonName::hardware_fingerprint);
  if (member == nullptr) return;
  auto result = fingerprints.read(body, *member);
  if (auto* fault = std::get_if<RequestFault>(&result)) return reader.fault(std::move(*fault));
  out = std::get<Fingerprint>(result);
}

RequestFault fingerprint_fault(std::string_view component, std::string message) {
  std::string field = "hardware_fingerprint";
  if (!component.empty()) field.append(".").append(component);
  return {Code::bad_request, std::move(field), std::move(message)};
}

// What the fingerprint code of the guide gives in containers and on machines without a serial number: the hash of
// "<processor>-<serial>" with nothing but placeholders in it, one value for all of them.
std::vector<crypto::Sha256> collect_shared_hashes() {
  constexpr std::string_view kProcessors[] = {"",     "x86_64", "aarch64", "arm64", "i686",
                                              "i386", "armv7l", "AMD64",   "arm"};
  constexpr std::string_view kSerials[] = {"unknown",
                                           "",
                                           "None",
                                           "Not Specified",
                                           "Default string",
                                           "Not Applicable",
                                           "To be filled by O.E.M.",
                                           "To Be Filled By O.E.M.",
                                           "N/A",
                                           "0",
                                           "00000000",
                                           "System Serial Number",
                                           "Base Board Serial Number"};
  std::vector<crypto::Sha256> hashes{crypto::sha256("")};
  for (const auto processor : kProcessors) {
    for (const auto serial : kSerials) {
      hashes.push_back(crypto::sha256(std::string(processor).append("-").append(serial)));
    }
  }
  std::ranges::sort(hashes);
  return hashes;
}

}  // namespace

FingerprintReader::FingerprintReader(const crypto::Prf::Key& key)
    : prf_(key), shared_hashes_(collect_shared_hashes()) {}

bool FingerprintReader::is_shared(std::string_view value) const {
  if (licensing::is_placeholder(value)) return true;
  crypto::Sha256 hash;
  return base::decode_hex(value, hash) && std::ranges::binary_search(shared_hashes_, hash);
}

base::Digest FingerprintReader::digest(std::string_view kind, std::string_view value) const {
  thread_local std::string text;
  text.assign("fingerprint:").append(kind).append(":").append(value);
  return prf_(text);
}

std::variant<Fingerprint, RequestFault> FingerprintReader::read(const JsonBody& body, const JsonMember& member) const {
  constexpr std::string_view kSharedValue = "is a placeholder that many machines share, no identity";
  Fingerprint fingerprint;
  if (member.kind == JsonKind::string) {
    if (member.text.size() > kMaxFingerprint) return fingerprint_fault("", "must have at most 512 bytes");
    if (base::has_control_characters(member.text)) return fingerprint_fault("", "must not hold control characters");
    if (is_shared(member.text)) return fingerprint_fault("", std::string(kSharedValue));
    fingerprint.kind = Fingerprint::Kind::opaque;
    fingerprint.tags[0] = digest("opaque", member.text);
    return fingerprint;
  }
  if (member.kind != JsonKind::object) return fingerprint_fault("", "must be a string or an object {class: tag}");
  for (const JsonMember& component : body.children(member)) {
    const auto known = licensing::component_of(component.name);
    if (!known) {
      RequestFault fault = fingerprint_fault(component.name, "is no component class");
      fault.code = Code::unknown_field;
      return fault;
    }
    if (component.kind != JsonKind::string || component.text.size() > kMaxFingerprint) {
      return fingerprint_fault(component.name, "must be a string of at most 512 bytes");
    }
    if (base::has_control_characters(component.text)) {
      return fingerprint_fault(component.name, "must not hold control characters");
    }
    if (is_shared(component.text)) continue;  // a missing component
    fingerprint.mask = static_cast<licensing::ComponentMask>(fingerprint.mask | licensing::bit_of(*known));
    fingerprint.tags[static_cast<std::size_t>(*known)] = digest(component.name, component.text);
  }
  if (fingerprint.mask == 0) return fingerprint_fault("", "holds nothing but placeholders, no identity");
  fingerprint.kind = Fingerprint::Kind::components;
  return fingerprint;
}

std::optional<RequestFault> read_request(const JsonBody& body, const FingerprintReader& fingerprints,
                                         ActivateRequest& out) {
  BodyReader reader(body);
  read_basics(reader, out, false);
  const auto client_id = read_client_id(reader);
  reader.require(JsonName::client_id, client_id.has_value());
  read_fingerprint(reader, body, fingerprints, out.fingerprint);
  out.client_id = client_id.value_or("");
  out.client_version = reader.text(JsonName::client_version, kMaxVersion).value_or("");
  return reader.finish();
}

std::optional<RequestFault> read_request(const JsonBody& body, const FingerprintReader& fingerprints,
                                         ValidateRequest& out) {
  constexpr std::size_t kMaxFeatures = 64, kMaxFeature = 64;
  BodyReader reader(body);
  read_basics(reader, out, true);
  out.client_id = read_client_id(reader);
  read_fingerprint(reader, body, fingerprints, out.fingerprint);
  if (out.fingerprint && !out.client_id)
    reader.fault(JsonName::client_id, "is missing: a fingerprint belongs to a client");
  out.client_version = reader.text(JsonName::client_version, kMaxVersion).value_or("");
  out.nonce = reader.text(JsonName::nonce, kMaxNonce).value_or("");
  out.features.clear();
  if (const JsonMember* features = reader.take(JsonName::features, JsonKind::array)) {
    for (const JsonMember& feature : body.children(*features)) {
      if (feature.kind != JsonKind::string) reader.fault(JsonName::features, "must hold nothing but strings");
      if (feature.text.size() > kMaxFeature) reader.fault(JsonName::features, "must hold names of at most 64 bytes");
      if (base::has_control_characters(feature.text))
        reader.fault(JsonName::features, "must not hold control characters");
      out.features.push_back(feature.text);
    }
    if (out.features.size() > kMaxFeatures) reader.fault(JsonName::features, "must hold at most 64 names");
  }
  return reader.finish();
}

std::optional<RequestFault> read_request(const JsonBody& body, const FingerprintReader&, DeactivateRequest& out) {
  BodyReader reader(body);
  read_basics(reader, out, true);
  const auto client_id = read_client_id(reader);
  reader.require(JsonName::client_id, client_id.has_value());
  out.client_id = client_id.value_or("");
  // A client may send the same members as for activation; giving a seat back never depends on them.
  reader.any(JsonName::hardware_fingerprint);
  reader.text(JsonName::client_version, kMaxVersion);
  return reader.finish();
}

std::optional<RequestFault> read_request(const JsonBody& body, const FingerprintReader&, UsageRequest& out) {
  BodyReader reader(body);
  read_basics(reader, out, true);
  out.client_id = read_client_id(reader);
  const auto metric = reader.raw_text(JsonName::metric);
  if (metric && !service::is_item_name(*metric))
    reader.fault(JsonName::metric, "must be 1-64 characters of [A-Za-z0-9_.:-]");
  const auto quantity = reader.integer(JsonName::quantity, 1, kMaxQuantity);
  const auto idempotency_key = reader.text(JsonName::idempotency_key, kMaxIdempotencyKey);
  reader.require(JsonName::metric, metric.has_value());
  reader.require(JsonName::quantity, quantity.has_value());
  reader.require(JsonName::idempotency_key, idempotency_key.has_value());
  out.metric = metric.value_or("");
  out.quantity = quantity.value_or(0);
  out.idempotency_key = idempotency_key.value_or("");
  return reader.finish();
}

}  // namespace lictor::api
