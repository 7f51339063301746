// The HTTP/1.1 server (RFC 9112): n I/O threads with one io_context each, listening with SO_REUSEPORT.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "http/message.h"

namespace lictor::http {

// What may change while the server runs, see Server::set_limits().
struct ServerLimits {
  std::size_t max_connections = 20'000;
  std::chrono::milliseconds header_timeout{
      10'000};  // from the first byte of a request (or the connection) to the end of its headers
  std::chrono::milliseconds body_timeout{20'000};
  std::chrono::milliseconds idle_timeout{120'000};  // keep-alive without a request
  std::chrono::milliseconds write_timeout{30'000};  // a peer that does not read
};

struct ServerOptions : ServerLimits {
  std::string listen_address = "127.0.0.1";  // numeric IPv4 or IPv6 address
  std::uint16_t listen_port = 8000;          // 0: any free port, see Server::port()
  unsigned io_threads = 1;
  std::size_t max_header_bytes = 16 * 1024;  // request line and headers together
  std::size_t max_body_bytes = 64 * 1024;    // see ServerHooks::body_limit
};

struct ServerHooks {
  Handler handle;
  // Renders the body of the answer to a request that is not acceptable HTTP, as application/json.
  std::function<std::string(ProtocolError, std::string_view message)> render_error;
  // The bound for a request whose Content-Length is above max_body_bytes; called on its I/O thread when the headers are
  // complete. Empty: max_body_bytes for all.
  std::function<std::size_t(const Request& request, unsigned io_thread)> body_limit;
};

struct ConnectionCounts {
  std::uint64_t open = 0;             // now
  std::uint64_t accepted = 0;         // since the start, as all below
  std::uint64_t refused = 0;          // answered 503 because of max_connections
  std::uint64_t protocol_errors = 0;  // requests that never reached the Handler
};

class Server {
 public:
  // Binds at once: throws std::system_error naming address and port when it can't.
  Server(const ServerOptions& options, ServerHooks hooks);
  ~Server();
  void start();  // starts the I/O threads and returns
  // Stops accepting, closes idle connections, lets requests in flight finish for at most `grace`, then closes the rest.
  // Returns when all threads have ended. Callable from any thread but an I/O thread; idempotent.
  void stop(std::chrono::milliseconds grace);
  // Holds for what begins afterwards: the next connection, the next wait of a connection. Thread-safe.
  void set_limits(const ServerLimits& limits) noexcept;
  // When the I/O thread that is furthest behind was last seen at work. Each reports every 250 ms, however idle; a
  // thread that ended is never behind. Thread-safe.
  std::chrono::steady_clock::time_point slowest_report() const noexcept;
  std::uint16_t port() const noexcept;
  ConnectionCounts connections() const noexcept;

 private:
  struct Threads;
  std::unique_ptr<Threads> threads_;
};

}  // namespace lictor::http
