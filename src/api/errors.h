// From codes to HTTP: statuses, messages and details of refusals. The one table of codes is in errors.cpp.
#pragma once

#include <string>
#include <string_view>

#include "http/message.h"
#include "licensing/codes.h"
#include "licensing/decide.h"

namespace lictor::api {

struct CodeInfo {
  licensing::Code code;
  int status;
  std::string_view message;  // when nothing better is known
};
const CodeInfo& info_of(licensing::Code code) noexcept;

// What an answer of failure says.
struct Failure {
  licensing::Code code = licensing::Code::internal;
  std::string message;  // empty: the table's
  std::string details;  // a JSON object; empty: {}
  int retry_after = 0;  // seconds; 0: no header
  std::string allow;    // of METHOD_NOT_ALLOWED
};

// Message and details for a refusal of licensing::decide().
Failure describe(const licensing::Denial& denial);
// {"field":"…"}; empty for an empty field.
std::string field_details(std::string_view field);
// `2026-01-01` (UTC).
std::string format_date(base::UnixSeconds time);

// The body of a failure: our envelope, or a problem of RFC 9457.
void append_failure(std::string& out, const Failure& failure, std::string_view request_id);
void append_problem(std::string& out, const Failure& failure, std::string_view request_id);
licensing::Code code_of(http::ProtocolError error) noexcept;

}  // namespace lictor::api
