// HTTP requests to one server over one connection that is kept alive (libcurl: https://curl.se/libcurl/c/).
#pragma once

#include <curl/curl.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lictor/connection.h"

namespace lictor::cli {

enum class Method { get, post, patch, remove };

struct Request {
  Method method = Method::get;
  std::string path;                  // with the query
  std::string body;                  // sent with post and patch
  std::vector<std::string> headers;  // whole lines, beside those of every request
};

struct Answer {
  long status = 0;
  std::string content_type;
  std::string retry_after;
  std::string etag;  // without its quotes
  std::string body;
};

// Not thread-safe. Redirects are not followed: the API key goes to the address that was given and nowhere else.
class Transfer {
 public:
  Transfer(const Connection& connection, std::chrono::milliseconds timeout);

  // A GET, and a POST, which carries its Idempotency-Key, are sent once more when the connection broke before the
  // answer was there. Throws CommandError (unreachable) when there is none.
  Answer run(const Request& request);

 private:
  CURLcode perform(const Request& request, Answer& answer);
  [[noreturn]] void fail(CURLcode code, bool changes) const;
  std::string hint_for(CURLcode code, bool changes) const;
  bool has_unknown_issuer() const;

  std::string url_;
  std::string key_line_;
  std::string start_hint_;
  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> handle_;
  std::array<char, CURL_ERROR_SIZE> error_{};
};

}  // namespace lictor::cli
