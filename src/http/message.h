// The HTTP messages as the rest of the program sees them: plain structs, no sockets, no Beast.
//
// A Handler answers an Exchange either at once, by respond(), or later from another thread, by defer() and
// Deferred::resume(). Exchange and Request live on the I/O thread that owns the connection; views in a Request stay
// valid until the answer was given. Deferred is the only type here that other threads may touch.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace lictor::http {

struct Header {
  std::string_view name;   // as sent; compare with equal_names()
  std::string_view value;  // without surrounding white space
};

// RFC 9110, section 5.1: field names are case-insensitive.
bool equal_names(std::string_view a, std::string_view b) noexcept;

struct Request {
  std::string_view method;
  std::string_view target;  // origin-form, as sent (of an absolute-form: what follows the authority)
  std::string_view path;    // target without the query; not percent-decoded
  std::string_view query;   // without the '?'
  std::span<const Header> headers;
  std::string_view body;
  std::string_view peer;  // numeric address of the TCP peer, without port
  std::chrono::steady_clock::time_point received_at;

  // The value of the first header of that name; empty when there is none.
  std::string_view header(std::string_view name) const noexcept;
};

class Exchange;

// What runs on the connection's I/O thread after work elsewhere is done.
class Continuation {
 public:
  virtual ~Continuation() = default;
  virtual void run(Exchange& exchange) = 0;  // must call exchange.respond() or exchange.defer()
};

// The right to finish one exchange from any thread. Exactly one resume(); a Deferred destroyed without it answers 500,
// so no client waits for ever. When the client has gone meanwhile the continuation still runs and its answer is thrown
// away; when the server has stopped meanwhile it is destroyed without being run. Several threads may hold a Deferred
// each, but not share one.
class Deferred {
 public:
  class Target;
  Deferred() = default;
  explicit Deferred(std::shared_ptr<Target> target) noexcept : target_(std::move(target)) {}
  Deferred(Deferred&&) noexcept = default;
  Deferred& operator=(Deferred&&) noexcept;
  ~Deferred();
  void resume(std::unique_ptr<Continuation> continuation);

 private:
  std::shared_ptr<Target> target_;
};

// One request being answered.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual const Request& request() const noexcept = 0;
  // Sends the answer; a second one is ignored. `extra_headers` are complete lines, each ended by CRLF ("Retry-After:
  // 1\r\n"); content_type may be empty for an empty body. The server itself adds Content-Length, Date, Connection and,
  // for HEAD, leaves the body out.
  virtual void respond(int status, std::string_view content_type, std::string_view extra_headers,
                       std::string_view body) = 0;
  // Promises an answer from elsewhere. The Request's views stay valid until then, on the I/O thread only.
  virtual Deferred defer() = 0;
  // A number of the I/O thread, 0 … io_threads-1, for per-thread state of the caller.
  virtual unsigned io_thread() const noexcept = 0;
};

using Handler = std::function<void(Exchange&)>;

// Requests that never reach the Handler because they are not acceptable HTTP.
enum class ProtocolError : std::uint8_t {
  malformed,            // 400
  request_timeout,      // 408
  payload_too_large,    // 413
  target_too_long,      // 414
  expectation_failed,   // 417
  headers_too_large,    // 431
  version_unsupported,  // 505
  overloaded,           // 503: too many connections
  internal,             // 500: the Handler threw, did not answer, or dropped its Deferred
};
int status_of(ProtocolError error) noexcept;
std::string_view reason_phrase(int status) noexcept;

}  // namespace lictor::http
