#include "http/message.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace lictor::http {

namespace {

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

struct Phrase {
  int status;
  std::string_view text;
};

// RFC 9110, section 15; RFC 6585 for 428, 429 and 431. Sorted.
constexpr Phrase kPhrases[] = {
    {100, "Continue"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

}  // namespace

bool equal_names(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  if (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0) return true;  // nearly always, when it is true
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

std::string_view Request::header(std::string_view name) const noexcept {
  for (const Header& header : headers) {
    if (equal_names(header.name, name)) return header.value;
  }
  return {};
}

int status_of(ProtocolError error) noexcept {
  switch (error) {
    case ProtocolError::malformed:
      return 400;
    case ProtocolError::request_timeout:
      return 408;
    case ProtocolError::payload_too_large:
      return 413;
    case ProtocolError::target_too_long:
      return 414;
    case ProtocolError::expectation_failed:
      return 417;
    case ProtocolError::headers_too_large:
      return 431;
    case ProtocolError::version_unsupported:
      return 505;
    case ProtocolError::overloaded:
      return 503;
    case ProtocolError::internal:
      return 500;
  }
  return 500;
}

std::string_view reason_phrase(int status) noexcept {
  const auto* const row = std::lower_bound(std::begin(kPhrases), std::end(kPhrases), status,
                                           [](const Phrase& phrase, int wanted) { return phrase.status < wanted; });
  return row != std::end(kPhrases) && row->status == status ? row->text : "Unknown";
}

}  // namespace lictor::http
