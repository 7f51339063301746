// Load for an HTTP/1.1 server over keep-alive connections; prints one JSON object. Leaner than wrk, so that it stays
// out of the way of what it measures.
//
//   bench_load 127.0.0.1:8000 --requests FILE --connections 64 --seconds 5 --warmup 1 --cpus 1
//   bench_load 127.0.0.1:8000 --requests FILE --connections 4000 --rate 20000     more than it can carry
//   bench_load 127.0.0.1:8000 --requests FILE --once
//   bench_load 127.0.0.1:8000 --idle 10000 --seconds 60      holds connections open until then, or until stdin ends
#include <arpa/inet.h>
#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <thread>
#include <vector>

#include "bench/load_worker.h"

namespace lictor::bench {
namespace {

struct Options {
  std::string server;
  std::string requests;
  std::vector<unsigned> cpus;  // the threads are pinned to them in turn; empty: not pinned
  unsigned idle = 0;
  double seconds = 5;
  double warmup = 1;
  LoadPlan plan;
};

sockaddr_in parse_address(const std::string& text) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  const std::size_t colon = text.rfind(':');
  const int port = colon == std::string::npos ? 0 : std::atoi(text.c_str() + colon + 1);
  if (port <= 0 || port > 65535 || inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1) {
    throw std::runtime_error("'" + text + "' is not IPV4:PORT");
  }
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

SteadyClock::duration seconds_of(double seconds) {
  return std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(seconds));
}

void pin(std::thread& thread, unsigned cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (pthread_setaffinity_np(thread.native_handle(), sizeof set, &set) != 0) {
    throw std::runtime_error(fmt::format("can't pin to CPU {}", cpu));
  }
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

void print(const LoadCounts& counts, double elapsed) {
  const auto requests = static_cast<double>(counts.requests);
  const LatencyHistogram& latency = counts.latency;
  fmt::print(
      R"({{"answered":{},"requests":{},"seconds":{:.4f},"rate":{:.1f},"p50_us":{:.1f},"p90_us":{:.1f},"p99_us":{:.1f},"p999_us":{:.1f},"max_us":{:.1f},)"
      R"("non_2xx":{},"unexpected":{},"unexpected_p50_us":{:.1f},"unexpected_p99_us":{:.1f},"not_sent":{},"errors":{},"answer_bytes":{:.1f},"generator_cpu_seconds":{:.3f}}})"
      "\n",
      counts.answered, counts.requests, elapsed, elapsed > 0 ? requests / elapsed : 0, latency.microseconds_at(0.5),
      latency.microseconds_at(0.9), latency.microseconds_at(0.99), latency.microseconds_at(0.999),
      latency.max_microseconds(), counts.not_2xx, counts.not_expected, counts.other_latency.microseconds_at(0.5),
      counts.other_latency.microseconds_at(0.99), counts.not_sent, counts.errors,
      counts.requests > 0 ? static_cast<double>(counts.answer_bytes) / requests : 0, counts.cpu_seconds);
}

// Exit status 1 when nothing was answered.
int run(Options& options) {
  const RequestFile requests(options.requests);
  LoadPlan& plan = options.plan;
  const auto start = SteadyClock::now();
  plan.measure_from = start + seconds_of(options.warmup);
  plan.end = plan.measure_from + seconds_of(options.seconds);
  std::vector<LoadCounts> counts(plan.threads);
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < plan.threads; ++i) {
    threads.emplace_back([&, i] { counts[i] = run_load(plan, requests, i); });
    if (!options.cpus.empty()) pin(threads.back(), options.cpus[i % options.cpus.size()]);
  }
  for (std::thread& thread : threads) thread.join();
  LoadCounts total;
  for (const LoadCounts& part : counts) total.add(part);
  const double elapsed = plan.once ? std::chrono::duration<double>(total.last_answer - start).count() : options.seconds;
  print(total, elapsed);
  return total.requests > 0 ? 0 : 1;
}

// Asks for /health, so that the connection has been in use before it rests.
bool ask_health(int fd) {
  constexpr std::string_view kRequest = "GET /health HTTP/1.1\r\nHost: bench\r\n\r\n";
  if (::send(fd, kRequest.data(), kRequest.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(kRequest.size())) return false;
  std::string received;
  char part[2048];
  for (;;) {
    const AnswerEnd answer = find_answer_end(received);
    if (answer.state != AnswerEnd::State::incomplete) return answer.state == AnswerEnd::State::complete;
    const ssize_t got = ::recv(fd, part, sizeof part, 0);
    if (got <= 0) return false;
    received.append(part, static_cast<std::size_t>(got));
  }
}

bool is_open(int fd) {
  char byte = 0;
  return ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

void wait_for_end(double seconds) {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  poll(&input, 1, static_cast<int>(seconds * 1000));
}

// Exit status 1 when not all connections were opened and stayed so.
int hold_idle(const Options& options) {
  std::vector<int> sockets;
  for (unsigned i = 0; i < options.idle; ++i) {
    const int fd = connect_to(options.plan.server);
    if (fd < 0) break;
    sockets.push_back(fd);
    if (!ask_health(fd)) break;
  }
  fmt::print("{{\"held\":{}}}\n", sockets.size());
  std::fflush(stdout);
  wait_for_end(options.seconds);
  const auto open = static_cast<std::size_t>(std::count_if(sockets.begin(), sockets.end(), is_open));
  fmt::print("{{\"held\":{},\"still_open\":{}}}\n", sockets.size(), open);
  for (const int fd : sockets) ::close(fd);
  return open == options.idle ? 0 : 1;
}

void add_options(CLI::App& app, Options& options) {
  app.add_option("server", options.server, "IPV4:PORT")->required();
  auto* requests = app.add_option("--requests", options.requests, "file of prepared requests, see request_file.h");
  auto* idle = app.add_option("--idle", options.idle, "hold so many idle connections instead of sending requests");
  requests->excludes(idle);
  app.add_option("--connections", options.plan.connections, "connections of all threads")->check(CLI::PositiveNumber);
  app.add_option("--threads", options.plan.threads, "threads")->check(CLI::PositiveNumber);
  app.add_option("--cpus", options.cpus, "CPUs to pin the threads to, in turn")->delimiter(',');
  app.add_option("--seconds", options.seconds, "measured time; with --once the longest")->check(CLI::PositiveNumber);
  app.add_option("--warmup", options.warmup, "time before that counts for nothing")->check(CLI::NonNegativeNumber);
  app.add_option("--rate", options.plan.rate, "requests a second, whatever the answers; 0: as fast as they come")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--expect", options.plan.expected_status, "status of the answers");
  app.add_flag("--spin", options.plan.spin, "never sleep, so that the server need not wake the load");
  app.add_flag("--once", options.plan.once, "send each request of the file once");
}

int main(int argc, char** argv) {
  CLI::App app("Load for an HTTP/1.1 server");
  Options options;
  add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  try {
    raise_descriptor_limit();
    options.plan.server = parse_address(options.server);
    if (options.idle > 0) return hold_idle(options);
    if (options.requests.empty()) throw std::runtime_error("--requests or --idle is needed");
    return run(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_load: {}\n", error.what());
    return 2;
  }
}

}  // namespace
}  // namespace lictor::bench

int main(int argc, char** argv) { return lictor::bench::main(argc, argv); }
