#include "http/server.h"

#include <algorithm>
#include <mutex>
#include <vector>

#include "http/connection.h"
#include "http/listener.h"
#include "http/live_limits.h"

namespace lictor::http {

struct Server::Threads {
  explicit Threads(const ServerOptions& given) : options(given), limits(given), reports(given.io_threads) {}

  ServerOptions options;
  LiveLimits limits;
  ServerHooks hooks;
  Counters counters;
  std::vector<Report> reports;  // of each I/O thread
  std::uint16_t port = 0;
  std::mutex mutex;  // of stop()
  std::vector<std::unique_ptr<IoThread>> io;
};

Server::Server(const ServerOptions& options, ServerHooks hooks) : threads_(std::make_unique<Threads>(options)) {
  threads_->hooks = std::move(hooks);
  const bool shared = options.io_threads > 1;
  ListenAddress address{options.listen_address, options.listen_port};
  if (shared && address.port != 0) require_free(address);
  for (unsigned index = 0; index < options.io_threads; ++index) {
    const int listener = open_listener(address, shared);
    address.port = threads_->port = local_port(listener);
    const IoShared shared_state{threads_->options, threads_->limits, threads_->hooks, threads_->counters,
                                threads_->reports[index]};
    threads_->io.push_back(std::make_unique<IoThread>(shared_state, index, listener));
  }
}

Server::~Server() { stop(std::chrono::milliseconds(0)); }

void Server::start() {
  for (const auto& thread : threads_->io) thread->start();
}

void Server::stop(std::chrono::milliseconds grace) {
  const std::lock_guard lock(threads_->mutex);
  for (const auto& thread : threads_->io) thread->order_stop(grace);
  for (const auto& thread : threads_->io) thread->join();
  threads_->io.clear();
}

void Server::set_limits(const ServerLimits& limits) noexcept { threads_->limits.set(limits); }

steady_clock::time_point Server::slowest_report() const noexcept {
  auto slowest = steady_clock::time_point::max();
  for (const Report& report : threads_->reports) {
    slowest = std::min(slowest, report.at.load(std::memory_order_relaxed));
  }
  return slowest;
}

std::uint16_t Server::port() const noexcept { return threads_->port; }

ConnectionCounts Server::connections() const noexcept {
  const Counters& counters = threads_->counters;
  return {counters.open.load(std::memory_order_relaxed), counters.accepted.load(std::memory_order_relaxed),
          counters.refused.load(std::memory_order_relaxed), counters.protocol_errors.load(std::memory_order_relaxed)};
}

}  // namespace lictor::http
