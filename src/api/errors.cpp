#include "api/errors.h"

#include <fmt/format.h>

#include <chrono>

#include "base/encoding.h"

namespace lictor::api {
namespace {

using licensing::Code;
using licensing::Denial;

// In the order of licensing::Code.
constexpr CodeInfo kCodes[] = {
    {Code::bad_request, 400, "The request is malformed"},
    {Code::unknown_field, 422, "The request has a member that is not known"},
    {Code::payload_too_large, 413, "The request is too large"},
    {Code::unsupported_media_type, 415, "Send the body as application/json"},
    {Code::method_not_allowed, 405, "The resource does not have this method"},
    {Code::request_timeout, 408, "The request did not arrive in time"},
    {Code::unauthenticated, 401, "No valid credential: send an API key in X-API-Key"},
    {Code::signature_invalid, 401, "The request's signature is missing or wrong"},
    {Code::signature_ambiguous, 400, "The members of this request can't be signed unambiguously"},
    {Code::replayed, 409, "The same signed request was received before"},
    {Code::clock_skew, 401, "The timestamp is more than 300 seconds off; check the system clock"},
    {Code::forbidden, 403, "The credential lacks the scope that this call needs"},
    {Code::not_found, 404, "There is no such resource"},
    {Code::already_exists, 409, "There is one already"},
    {Code::in_use, 409, "Others refer to it: it can't be deleted"},
    {Code::precondition_failed, 412, "It was changed meanwhile: read it again, then decide again"},
    {Code::rows_rejected, 422, "Some rows can't be taken; nothing was recorded"},
    {Code::license_key_invalid, 404, "License key or id is not valid"},
    {Code::license_revoked, 403, "License has been revoked"},
    {Code::license_suspended, 403, "License is suspended"},
    {Code::license_not_yet_valid, 403, "License is not valid yet"},
    {Code::license_expired, 403, "License has expired"},
    {Code::check_in_overdue, 403, "License is overdue for its check-in; activate again"},
    {Code::client_not_activated, 403, "Client is not activated on this license"},
    {Code::client_blocked, 403, "Client is blocked on this license"},
    {Code::lease_expired, 403, "Lease has ended; activate again"},
    {Code::hardware_mismatch, 403, "Hardware differs from what the seat is bound to"},
    {Code::version_not_covered, 403, "License does not cover this version"},
    {Code::feature_not_licensed, 403, "License does not include this feature"},
    {Code::usage_quota_exceeded, 403, "Usage would exceed the quota"},
    {Code::max_clients_reached, 409, "All seats of this license are taken"},
    {Code::transfer_limit_reached, 409, "No transfer is left in this period"},
    {Code::idempotency_conflict, 409, "The idempotency key was used with another request"},
    {Code::rate_limited, 429, "Too many requests"},
    {Code::overloaded, 503, "The server is busy; nothing was recorded"},
    {Code::unavailable, 503, "The database is not available; nothing was recorded"},
    {Code::internal, 500, "Internal error; the request id finds it in the log"},
};
static_assert(std::size(kCodes) == licensing::kCodeCount);

constexpr bool table_is_in_order() {
  for (std::size_t i = 0; i < std::size(kCodes); ++i) {
    if (static_cast<std::size_t>(kCodes[i].code) != i) return false;
  }
  return true;
}
static_assert(table_is_in_order());

std::string time_details(std::string_view name, base::UnixSeconds time) {
  if (time == 0 || time == licensing::kNever) return {};
  return fmt::format(R"({{"{}":{}}})", name, time);
}

std::string number_or_null(std::uint32_t number) {
  return number == licensing::kUnlimited ? "null" : std::to_string(number);
}
std::string time_or_null(base::UnixSeconds time) { return time == licensing::kNever ? "null" : std::to_string(time); }

std::string class_names(licensing::ComponentMask mask, std::string_view first = {}) {
  std::string names = first.empty() ? "" : base::json_string(first);
  for (const auto& row : licensing::kComponents) {
    if ((mask & licensing::bit_of(row.component)) == 0) continue;
    if (!names.empty()) names += ',';
    names += base::json_string(row.name);
  }
  return names;
}

std::string hardware_details(const licensing::HardwareDifference& difference) {
  constexpr std::string_view kWhole = "hardware_fingerprint";
  return fmt::format(R"({{"matched":[{}],"differed":[{}],"missing":[{}]}})", class_names(difference.matched),
                     class_names(difference.differed, difference.opaque_differs ? kWhole : ""),
                     class_names(difference.missing, difference.fingerprint_missing ? kWhole : ""));
}

std::string feature_details(const Denial& denial) {
  std::string details = R"({"feature":)";
  base::append_json_string(details, denial.feature);
  if (denial.at != 0) details += ",\"expired_at\":" + std::to_string(denial.at);
  return details + "}";
}

std::string details_of(const Denial& denial) {
  switch (denial.code) {
    case Code::license_expired:
    case Code::version_not_covered:
      return time_details("expired_at", denial.at);
    case Code::license_not_yet_valid:
      return time_details("starts_at", denial.at);
    case Code::check_in_overdue:
      return time_details("check_in_due_at", denial.at);
    case Code::lease_expired:
      return time_details("lease_expired_at", denial.at);
    case Code::hardware_mismatch:
      return hardware_details(denial.hardware);
    case Code::feature_not_licensed:
      return feature_details(denial);
    case Code::max_clients_reached:
      return fmt::format(R"({{"max_clients":{},"active_clients":{},"next_release_at":{}}})",
                         number_or_null(denial.max_clients), denial.active_clients,
                         time_or_null(denial.next_release_at));
    case Code::transfer_limit_reached:
      return fmt::format(R"({{"max_transfers":{},"next_transfer_at":{}}})", denial.max_transfers,
                         time_or_null(denial.at));
    case Code::usage_quota_exceeded:
      return fmt::format(R"({{"used":{},"quota":{},"period_ends_at":{}}})", denial.used, denial.quota,
                         time_or_null(denial.at));
    default:
      return {};
  }
}

}  // namespace

const CodeInfo& info_of(Code code) noexcept { return kCodes[static_cast<std::size_t>(code)]; }

std::string format_date(base::UnixSeconds time) {
  namespace chrono = std::chrono;
  const chrono::year_month_day day(chrono::floor<chrono::days>(chrono::sys_seconds(chrono::seconds(time))));
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(day.year()), static_cast<unsigned>(day.month()),
                     static_cast<unsigned>(day.day()));
}

Failure describe(const Denial& denial) {
  Failure failure;
  failure.code = denial.code;
  failure.details = details_of(denial);
  if (denial.code == Code::license_expired) failure.message = "License has expired on " + format_date(denial.at);
  if (denial.code == Code::license_not_yet_valid)
    failure.message = "License is not valid before " + format_date(denial.at);
  if (denial.code == Code::feature_not_licensed) {
    failure.message = "License does not include the feature '" + std::string(denial.feature) + "'";
  }
  if (denial.code == Code::hardware_mismatch && denial.hardware.fingerprint_missing) {
    failure.message = "License is bound to hardware: send hardware_fingerprint";
  }
  if (denial.code == Code::unavailable || denial.code == Code::overloaded) failure.retry_after = 1;
  return failure;
}

std::string field_details(std::string_view field) {
  return field.empty() ? std::string() : fmt::format(R"({{"field":{}}})", base::json_string(field));
}

void append_failure(std::string& out, const Failure& failure, std::string_view request_id) {
  const CodeInfo& info = info_of(failure.code);
  out += R"({"status":"error","error":{"code":")";
  out += licensing::wire_name(failure.code);
  out += R"(","message":)";
  base::append_json_string(out, failure.message.empty() ? info.message : std::string_view(failure.message));
  out += ",\"details\":";
  out += failure.details.empty() ? std::string_view("{}") : std::string_view(failure.details);
  out += R"(},"request_id":")";
  out += request_id;
  out += "\"}";
}

// RFC 9457, section 3: type about:blank, so title is the status's phrase; code, details and request_id are extensions.
void append_problem(std::string& out, const Failure& failure, std::string_view request_id) {
  const CodeInfo& info = info_of(failure.code);
  out += R"({"type":"about:blank","title":)";
  base::append_json_string(out, http::reason_phrase(info.status));
  out += ",\"status\":";
  base::append_number(out, info.status);
  out += ",\"detail\":";
  base::append_json_string(out, failure.message.empty() ? info.message : std::string_view(failure.message));
  out += ",\"code\":\"";
  out += licensing::wire_name(failure.code);
  out += "\",\"details\":";
  out += failure.details.empty() ? std::string_view("{}") : std::string_view(failure.details);
  out += R"(,"request_id":")";
  out += request_id;
  out += "\"}";
}

Code code_of(http::ProtocolError error) noexcept {
  switch (error) {
    case http::ProtocolError::request_timeout:
      return Code::request_timeout;
    case http::ProtocolError::payload_too_large:
      return Code::payload_too_large;
    case http::ProtocolError::overloaded:
      return Code::overloaded;
    default:
      return Code::bad_request;
  }
}

}  // namespace lictor::api
