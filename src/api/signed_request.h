// The common beginning of data-plane calls: content type, JSON, typed members, timestamp and signature, and which
// license is meant with what right.
#pragma once

#include <optional>

#include "api/call.h"
#include "api/json_body.h"
#include "api/requests.h"
#include "service/job.h"

namespace lictor::api {

struct Subject {
  store::LicenseRef ref;
  service::CachePlace place;  // of the license, if it is in the cache
  service::Access access;
  crypto::Sha256 mac{};  // of the signature, when access.is_signed
};

// Each answers the call and returns false / nothing when the request is refused.
bool read_json(Call& call, JsonBody& body);
std::optional<Subject> verify(Call& call, const JsonBody& body, const RequestBasics& basics,
                              const std::optional<store::LicenseRef>& ref);

// The license that the body names, if it names one; its memory is on its way while the rest of the body is looked at.
std::optional<store::LicenseRef> find_ref(Call& call, const JsonBody& body);

inline std::string_view client_of(std::string_view client_id) noexcept { return client_id; }
inline std::string_view client_of(const std::optional<std::string_view>& client_id) noexcept {
  return client_id.value_or(std::string_view());
}

template <class Request>
std::optional<Subject> read_signed(Call& call, JsonBody& body, Request& request) {
  if (!read_json(call, body)) return std::nullopt;
  const auto ref = find_ref(call, body);
  call.concerned.claimed = ref;
  if (const auto fault = read_request(body, call.app().fingerprints, request)) {
    call.fail(*fault);
    return std::nullopt;
  }
  call.concerned.client_id = client_of(request.client_id);
  return verify(call, body, request, ref);
}

// The license a text names, or nothing when it can name none.
std::optional<store::LicenseRef> ref_of_key(const App& app, std::string_view license_key);
std::optional<store::LicenseRef> ref_of_id(std::string_view license_id);

}  // namespace lictor::api
