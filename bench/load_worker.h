// One thread of the load generator: some keep-alive connections, each with one request under way: the next one follows
// the answer (closed loop), or comes when it is due (open loop, as long as a connection is free).
#pragma once

#include <netinet/in.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "bench/latency_histogram.h"
#include "bench/request_file.h"

namespace lictor::bench {

using SteadyClock = std::chrono::steady_clock;

struct LoadPlan {
  sockaddr_in server{};
  unsigned connections = 64;  // of all threads
  unsigned threads = 1;
  bool once = false;  // each request of the file is sent once, and that ends it; otherwise the file is cycled
  // Never sleep: a sleeping peer must be woken by the server's send(), which on virtual machines costs the server as
  // much as the request, and the more the slower it is. Needs a core for each thread.
  bool spin = false;
  double rate = 0;  // requests a second of all threads; 0: as fast as the answers come
  int expected_status = 200;
  SteadyClock::time_point measure_from;  // what ends before is warm-up; not used with `once`
  SteadyClock::time_point end;           // no request is sent later
};

struct LoadCounts {
  LatencyHistogram latency;        // of answers with the expected status when there is a rate, otherwise of all
  LatencyHistogram other_latency;  // of the others when there is a rate
  std::uint64_t answered = 0;      // in all, warm-up included
  std::uint64_t requests = 0;      // answered within the measured time
  std::uint64_t not_2xx = 0;       // of them
  std::uint64_t not_expected = 0;  // of them, with another status than expected
  std::uint64_t not_sent = 0;      // were due, but every connection waited for its answer
  std::uint64_t errors = 0;        // connections lost or refused, answers that can't be read; at any time
  std::uint64_t answer_bytes = 0;  // of them, headers included
  double cpu_seconds = 0;          // of the generator's thread
  SteadyClock::time_point last_answer;

  void add(const LoadCounts& other);
};

// A blocking socket, connected and without Nagle's delay; -1 when the server takes none.
int connect_to(const sockaddr_in& server);

// Runs until the plan's end. `index` is the thread's number: connections and requests are shared out by it.
LoadCounts run_load(const LoadPlan& plan, const RequestFile& requests, unsigned index);

// Where an answer ends and what it says. Answers need a Content-Length.
struct AnswerEnd {
  enum class State : std::uint8_t { incomplete, complete, unreadable };
  State state = State::incomplete;
  int status = 0;
  std::size_t size = 0;
};
AnswerEnd find_answer_end(std::string_view received);

}  // namespace lictor::bench
