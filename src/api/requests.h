// The data-plane requests as typed values: each is read from a JsonBody, strictly (unknown members, wrong types and
// missing members are refused by name). Views point into the JsonBody and the request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/json_body.h"
#include "crypto/crypto.h"
#include "licensing/codes.h"
#include "licensing/fingerprint.h"

namespace lictor::api {

struct RequestFault {
  licensing::Code code = licensing::Code::bad_request;
  std::string field;
  std::string message;
};
inline RequestFault bad_request(std::string_view field, std::string message) {
  return {licensing::Code::bad_request, std::string(field), std::move(message)};
}

// What every data-plane request may carry.
struct RequestBasics {
  std::optional<std::int64_t> timestamp;
  std::optional<std::string_view> signature;
  std::optional<std::string_view> license_key;
  std::optional<std::string_view> license_id;
};

struct ActivateRequest : RequestBasics {
  std::string_view client_id;
  std::optional<licensing::Fingerprint> fingerprint;
  std::string_view client_version;
};

struct ValidateRequest : RequestBasics {
  std::optional<std::string_view> client_id;
  std::optional<licensing::Fingerprint> fingerprint;
  std::string_view client_version;
  std::vector<std::string_view> features;
  std::string_view nonce;
};

struct DeactivateRequest : RequestBasics {
  std::string_view client_id;
};

struct UsageRequest : RequestBasics {
  std::optional<std::string_view> client_id;
  std::string_view metric;
  std::int64_t quantity = 0;
  std::string_view idempotency_key;
};

// Digests fingerprints for storage and comparison, and knows the values that collapse to one for many machines.
class FingerprintReader {
 public:
  explicit FingerprintReader(const crypto::Prf::Key& key);
  std::variant<licensing::Fingerprint, RequestFault> read(const JsonBody& body, const JsonMember& member) const;

 private:
  bool is_shared(std::string_view value) const;
  base::Digest digest(std::string_view kind, std::string_view value) const;

  crypto::Prf prf_;
  std::vector<crypto::Sha256> shared_hashes_;  // sorted
};

// Nothing when `out` was read.
std::optional<RequestFault> read_request(const JsonBody& body, const FingerprintReader& fingerprints,
                                         ActivateRequest& out);
std::optional<RequestFault> read_request(const JsonBody& body, const FingerprintReader& fingerprints,
                                         ValidateRequest& out);
std::optional<RequestFault> read_request(const JsonBody& body, const FingerprintReader& fingerprints,
                                         DeactivateRequest& out);
std::optional<RequestFault> read_request(const JsonBody& body, const FingerprintReader& fingerprints,
                                         UsageRequest& out);

}  // namespace lictor::api
