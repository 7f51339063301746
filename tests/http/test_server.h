// A Server on a free port, with a handler small enough to be seen through.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "http/client.h"
#include "http/server.h"

namespace lictor::http::test {

inline ServerOptions quick_options() {
  ServerOptions options;
  options.listen_port = 0;
  options.header_timeout = std::chrono::seconds(1);
  options.body_timeout = std::chrono::seconds(1);
  return options;
}

inline std::string get(std::string_view path, std::string_view headers = "") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(headers) + "\r\n";
}
inline std::string post(std::string_view path, std::string_view body, std::string_view headers = "") {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(headers) + "\r\n" + std::string(body);
}

// Answers with this text when it is run.
class Text final : public Continuation {
 public:
  explicit Text(std::string text, std::atomic<int>* runs = nullptr) : text_(std::move(text)), runs_(runs) {}
  void run(Exchange& exchange) override {
    if (runs_ != nullptr) ++*runs_;
    exchange.respond(200, "text/plain", {}, text_ + std::string(exchange.request().path));
  }

 private:
  std::string text_;
  std::atomic<int>* runs_;
};

// What handlers have deferred, to be resumed by the test.
class Waiting {
 public:
  void add(Deferred deferred) {
    const std::lock_guard lock(mutex_);
    deferred_.push_back(std::move(deferred));
    arrived_.notify_all();
  }
  // Waits until so many are there, and takes all.
  std::vector<Deferred> take(std::size_t count) {
    std::unique_lock lock(mutex_);
    if (!arrived_.wait_for(lock, std::chrono::seconds(10), [&] { return deferred_.size() >= count; }))
      throw std::runtime_error("nothing was deferred in time");
    return std::exchange(deferred_, {});
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<Deferred> deferred_;
};

struct TestServer {
  explicit TestServer(const ServerOptions& options = quick_options(), Handler extra = {})
      : extra_handler(std::move(extra)),
        server(options, {[this](Exchange& exchange) { handle(exchange); },
                         [](ProtocolError error, std::string_view message) {
                           return std::to_string(status_of(error)) + ' ' + std::string(message);
                         },
                         {}}) {
    server.start();
  }

  void handle(Exchange& exchange) {
    ++handled;
    const Request& request = exchange.request();
    if (request.path == "/defer") return waiting.add(exchange.defer());
    if (request.path == "/drop") return void(exchange.defer());
    if (request.path == "/throw") throw std::runtime_error("from the handler");
    if (request.path == "/silent") return;
    if (request.path == "/echo") return exchange.respond(200, "text/plain", "X-Extra: 1\r\n", request.body);
    if (request.path == "/large") return exchange.respond(200, "text/plain", {}, std::string(4'000'000, 'L'));
    if (extra_handler) return extra_handler(exchange);
    exchange.respond(200, "text/plain", {}, "ok");
  }

  std::uint16_t port() const { return server.port(); }

  std::atomic<int> handled{0};
  Waiting waiting;
  Handler extra_handler;
  Server server;  // last: its threads use the others
};

// Whether `condition` becomes true within ten seconds.
template <class Condition>
bool eventually(const Condition& condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    ::usleep(10'000);
  }
  return condition();
}

}  // namespace lictor::http::test
