// The stable codes of the wire (contract.md, section 3). An enumerator is the wire code in lower case. HTTP statuses
// and messages belong to api/errors.cpp.
#pragma once

#include <cstdint>
#include <string_view>

namespace lictor::licensing {

#define LICTOR_CODES(X)                               \
  X(bad_request, "BAD_REQUEST")                       \
  X(unknown_field, "UNKNOWN_FIELD")                   \
  X(payload_too_large, "PAYLOAD_TOO_LARGE")           \
  X(unsupported_media_type, "UNSUPPORTED_MEDIA_TYPE") \
  X(method_not_allowed, "METHOD_NOT_ALLOWED")         \
  X(request_timeout, "REQUEST_TIMEOUT")               \
  X(unauthenticated, "UNAUTHENTICATED")               \
  X(signature_invalid, "SIGNATURE_INVALID")           \
  X(signature_ambiguous, "SIGNATURE_AMBIGUOUS")       \
  X(replayed, "REPLAYED")                             \
  X(clock_skew, "CLOCK_SKEW")                         \
  X(forbidden, "FORBIDDEN")                           \
  X(not_found, "NOT_FOUND")                           \
  X(already_exists, "ALREADY_EXISTS")                 \
  X(in_use, "IN_USE")                                 \
  X(precondition_failed, "PRECONDITION_FAILED")       \
  X(rows_rejected, "ROWS_REJECTED")                   \
  X(license_key_invalid, "LICENSE_KEY_INVALID")       \
  X(license_revoked, "LICENSE_REVOKED")               \
  X(license_suspended, "LICENSE_SUSPENDED")           \
  X(license_not_yet_valid, "LICENSE_NOT_YET_VALID")   \
  X(license_expired, "LICENSE_EXPIRED")               \
  X(check_in_overdue, "CHECK_IN_OVERDUE")             \
  X(client_not_activated, "CLIENT_NOT_ACTIVATED")     \
  X(client_blocked, "CLIENT_BLOCKED")                 \
  X(lease_expired, "LEASE_EXPIRED")                   \
  X(hardware_mismatch, "HARDWARE_MISMATCH")           \
  X(version_not_covered, "VERSION_NOT_COVERED")       \
  X(feature_not_licensed, "FEATURE_NOT_LICENSED")     \
  X(usage_quota_exceeded, "USAGE_QUOTA_EXCEEDED")     \
  X(max_clients_reached, "MAX_CLIENTS_REACHED")       \
  X(transfer_limit_reached, "TRANSFER_LIMIT_REACHED") \
  X(idempotency_conflict, "IDEMPOTENCY_CONFLICT")     \
  X(rate_limited, "RATE_LIMITED")                     \
  X(overloaded, "OVERLOADED")                         \
  X(unavailable, "UNAVAILABLE")                       \
  X(internal, "INTERNAL")

enum class Code : std::uint8_t {
#define LICTOR_CODE_ENUMERATOR(name, wire) name,
  LICTOR_CODES(LICTOR_CODE_ENUMERATOR)
#undef LICTOR_CODE_ENUMERATOR
};

#define LICTOR_CODE_COUNT(name, wire) +1  // NOLINT(bugprone-macro-parentheses)
inline constexpr std::size_t kCodeCount = 0 LICTOR_CODES(LICTOR_CODE_COUNT);
#undef LICTOR_CODE_COUNT

constexpr std::string_view wire_name(Code code) noexcept {
  constexpr std::string_view kNames[] = {
#define LICTOR_CODE_NAME(name, wire) wire,
      LICTOR_CODES(LICTOR_CODE_NAME)
#undef LICTOR_CODE_NAME
  };
  return kNames[static_cast<std::size_t>(code)];
}

}  // namespace lictor::licensing
