#include "http/response.h"

#include <charconv>
#include <cstdint>

#include "http/message.h"

namespace lictor::http {

namespace {

constexpr std::size_t kFixedBytes = 256;  // more than all parts of a header that are not the caller's

char* put(char* at, std::string_view text) noexcept {
  std::memcpy(at, text.data(), text.size());
  return at + text.size();
}

char* put_number(char* at, std::uint64_t number) noexcept { return std::to_chars(at, at + 20, number).ptr; }

char* put_digits(char* at, int number, int digits) noexcept {
  for (int i = digits - 1; i >= 0; --i, number /= 10) at[i] = static_cast<char>('0' + number % 10);
  return at + digits;
}

char* put_status_line(char* at, int status) noexcept {
  if (status == 200) return put(at, "HTTP/1.1 200 OK\r\n");
  at = put(at, "HTTP/1.1 ");
  at = put_digits(at, status, 3);
  *at++ = ' ';
  at = put(at, reason_phrase(status));
  return put(at, "\r\n");
}

// RFC 9110, sections 6.4.1 and 8.6.
bool may_have_body(int status) noexcept { return status >= 200 && status != 204 && status != 304; }

}  // namespace

void DateLine::update(std::time_t now) noexcept {
  if (now == second_) return;
  second_ = now;
  static constexpr std::string_view kDays = "SunMonTueWedThuFriSat";
  static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  std::tm utc{};
  gmtime_r(&now, &utc);
  char* at = put(text_.data(), "Date: ");  // strftime would follow the locale
  at = put(at, kDays.substr(static_cast<std::size_t>(utc.tm_wday) * 3, 3));
  at = put(at, ", ");
  at = put_digits(at, utc.tm_mday, 2);
  *at++ = ' ';
  at = put(at, kMonths.substr(static_cast<std::size_t>(utc.tm_mon) * 3, 3));
  *at++ = ' ';
  at = put_digits(at, utc.tm_year + 1900, 4);
  *at++ = ' ';
  at = put_digits(at, utc.tm_hour, 2);
  *at++ = ':';
  at = put_digits(at, utc.tm_min, 2);
  *at++ = ':';
  at = put_digits(at, utc.tm_sec, 2);
  put(at, " GMT\r\n");
}

void append_response(Buffer& out, const DateLine& date, const Response& response) {
  char* const begin =
      out.reserve(kFixedBytes + response.content_type.size() + response.extra_headers.size() + response.body.size());
  char* at = put_status_line(begin, response.status);
  at = put(at, date.view());
  if (!response.content_type.empty()) {
    at = put(at, "Content-Type: ");
    at = put(at, response.content_type);
    at = put(at, "\r\n");
  }
  const bool has_body = may_have_body(response.status);
  if (has_body) {
    at = put(at, "Content-Length: ");
    at = put_number(at, response.body.size());
    at = put(at, "\r\n");
  }
  if (response.connection == ConnectionHeader::close) at = put(at, "Connection: close\r\n");
  if (response.connection == ConnectionHeader::keep_alive) at = put(at, "Connection: keep-alive\r\n");
  if (!response.extra_headers.empty()) at = put(at, response.extra_headers);
  at = put(at, "\r\n");
  if (has_body && !response.head_only && !response.body.empty()) at = put(at, response.body);
  out.commit(static_cast<std::size_t>(at - begin));
}

}  // namespace lictor::http
