// Writes responses (RFC 9112, section 4) into a buffer.
#pragma once

#include <array>
#include <ctime>
#include <string_view>

#include "http/buffer.h"

namespace lictor::http {

// The line "Date: …" in the one format that may be sent (RFC 9110, section 5.6.7), rendered once a second.
class DateLine {
 public:
  explicit DateLine(std::time_t now) noexcept { update(now); }
  void update(std::time_t now) noexcept;
  std::string_view view() const noexcept { return {text_.data(), text_.size()}; }

 private:
  std::array<char, 37> text_;
  std::time_t second_ = -1;
};

enum class ConnectionHeader : std::uint8_t { none, close, keep_alive };

struct Response {
  int status = 200;
  std::string_view content_type;   // empty: no such header
  std::string_view extra_headers;  // complete lines, each ended by CRLF
  std::string_view body;
  ConnectionHeader connection = ConnectionHeader::none;
  bool head_only = false;  // the answer to HEAD: everything but the body itself
};

void append_response(Buffer& out, const DateLine& date, const Response& response);

}  // namespace lictor::http
