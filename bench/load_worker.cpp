#include "bench/load_worker.h"

#include <netinet/tcp.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstring>
#include <memory>
#include <vector>

namespace lictor::bench {
namespace {

constexpr std::size_t kBufferBytes = 16 * 1024;
constexpr int kWaitMilliseconds = 50;

struct Connection {
  int fd = -1;
  std::size_t received = 0;
  SteadyClock::time_point sent_at;
  std::array<char, kBufferBytes> buffer;
};

double thread_cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class LoadThread {
 public:
  LoadThread(const LoadPlan& plan, const RequestFile& requests, unsigned index) : plan_(plan), requests_(requests) {
    const std::size_t share = requests.size() / plan.threads;
    next_ = index * share;
    last_ = index + 1 == plan.threads ? requests.size() : next_ + share;
    const unsigned own = plan.connections / plan.threads + (index < plan.connections % plan.threads ? 1 : 0);
    for (unsigned i = 0; i < own; ++i) connections_.push_back(std::make_unique<Connection>());
  }
  ~LoadThread() {
    for (const auto& connection : connections_) {
      if (connection->fd >= 0) ::close(connection->fd);
    }
    if (epoll_ >= 0) ::close(epoll_);
  }
  LoadThread(const LoadThread&) = delete;
  LoadThread& operator=(const LoadThread&) = delete;

  LoadCounts run() {
    const double cpu_before = thread_cpu_seconds();
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    for (const auto& connection : connections_) open(*connection);
    std::array<epoll_event, 256> events;
    const int wait = plan_.spin ? 0 : kWaitMilliseconds;
    while (busy_ > 0) {
      const int ready = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), plan_.rate > 0 ? 1 : wait);
      for (int i = 0; i < ready; ++i) receive(*static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr));
      if (plan_.rate > 0) send_due();
      // Answers that are still under way then count for nothing.
      if (ready <= 0 && SteadyClock::now() >= plan_.end) break;
    }
    counts_.cpu_seconds = thread_cpu_seconds() - cpu_before;
    return counts_;
  }

 private:
  void open(Connection& connection) {
    connection.fd = connect_to(plan_.server);
    connection.received = 0;
    if (connection.fd < 0) {
      ++counts_.errors;
      return;
    }
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &connection;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event);
    ++busy_;
    if (plan_.rate > 0) return free_.push_back(&connection);
    send_next(connection, SteadyClock::now());
  }

  // What is due by now, as far as connections are free.
  void send_due() {
    const auto now = SteadyClock::now();
    if (now >= plan_.end) return;
    const auto interval = std::chrono::duration_cast<SteadyClock::duration>(
        std::chrono::duration<double>(static_cast<double>(plan_.threads) / plan_.rate));
    if (due_ == SteadyClock::time_point()) due_ = now;
    for (; due_ <= now; due_ += interval) {
      if (free_.empty()) {
        counts_.not_sent += now >= plan_.measure_from ? 1 : 0;
        continue;
      }
      Connection& connection = *free_.back();
      free_.pop_back();
      send_next(connection, now);
    }
  }

  // The connection is lost with its request; another takes its place while there is something to send.
  void reopen(Connection& connection) {
    ++counts_.errors;
    rest(connection);
    if (SteadyClock::now() < plan_.end) open(connection);
  }

  void rest(Connection& connection) {
    ::close(connection.fd);
    connection.fd = -1;
    --busy_;
  }

  void send_next(Connection& connection, SteadyClock::time_point now) {
    if (next_ == last_) {
      if (plan_.once) return rest(connection);
      last_ = requests_.size();  // from now on all of the file, whoever began where
      next_ = 0;
    }
    const std::string_view request = requests_[next_++];
    connection.received = 0;
    connection.sent_at = now;
    const ssize_t sent = ::send(connection.fd, request.data(), request.size(), MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(request.size())) reopen(connection);
  }

  void receive(Connection& connection) {
    const ssize_t got = ::recv(connection.fd, connection.buffer.data() + connection.received,
                               connection.buffer.size() - connection.received, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return reopen(connection);
    connection.received += static_cast<std::size_t>(got);
    const AnswerEnd answer = find_answer_end({connection.buffer.data(), connection.received});
    if (answer.state == AnswerEnd::State::incomplete && connection.received < connection.buffer.size()) return;
    // No request is pipelined, so nothing may follow the answer.
    if (answer.state != AnswerEnd::State::complete || answer.size != connection.received) return reopen(connection);
    const auto now = SteadyClock::now();
    count(connection, answer, now);
    if (now >= plan_.end) return rest(connection);
    plan_.rate > 0 ? free_.push_back(&connection) : send_next(connection, now);
  }

  void count(const Connection& connection, const AnswerEnd& answer, SteadyClock::time_point now) {
    ++counts_.answered;
    if (!plan_.once && (now < plan_.measure_from || now >= plan_.end)) return;
    ++counts_.requests;
    counts_.not_2xx += answer.status < 200 || answer.status > 299 ? 1 : 0;
    counts_.not_expected += answer.status != plan_.expected_status ? 1 : 0;
    counts_.answer_bytes += answer.size;
    const bool apart = plan_.rate > 0 && answer.status != plan_.expected_status;
    (apart ? counts_.other_latency : counts_.latency)
        .add(static_cast<std::uint64_t>((now - connection.sent_at).count()));
    counts_.last_answer = now;
  }

  const LoadPlan& plan_;
  const RequestFile& requests_;
  std::size_t next_ = 0, last_ = 0;  // requests still to be sent in this turn
  std::size_t busy_ = 0;             // open connections
  int epoll_ = -1;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> free_;  // with a rate: what has no request under way
  SteadyClock::time_point due_;    // the next request
  LoadCounts counts_;
};

}  // namespace

void LoadCounts::add(const LoadCounts& other) {
  latency.add(other.latency);
  other_latency.add(other.other_latency);
  answered += other.answered;
  requests += other.requests;
  not_2xx += other.not_2xx;
  not_expected += other.not_expected;
  not_sent += other.not_sent;
  errors += other.errors;
  answer_bytes += other.answer_bytes;
  cpu_seconds += other.cpu_seconds;
  last_answer = std::max(last_answer, other.last_answer);
}

int connect_to(const sockaddr_in& server) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&server), sizeof server) != 0) {
    ::close(fd);
    return -1;
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

LoadCounts run_load(const LoadPlan& plan, const RequestFile& requests, unsigned index) {
  return LoadThread(plan, requests, index).run();
}

AnswerEnd find_answer_end(std::string_view received) {
  constexpr std::string_view kLength = "content-length:";
  constexpr std::size_t kStatusAt = 9;  // "HTTP/1.1 200"
  AnswerEnd answer;
  const std::size_t head = received.find("\r\n\r\n");
  if (head == std::string_view::npos) return answer;
  answer.state = AnswerEnd::State::unreadable;
  const char* const end = received.data() + head;
  if (head < kStatusAt + 3 || std::from_chars(received.data() + kStatusAt, end, answer.status).ec != std::errc())
    return answer;
  for (std::size_t line = received.find("\r\n"); line < head; line = received.find("\r\n", line)) {
    line += 2;
    if (head - line < kLength.size() || strncasecmp(received.data() + line, kLength.data(), kLength.size()) != 0)
      continue;
    const char* digits = received.data() + line + kLength.size();
    while (digits != end && *digits == ' ') ++digits;
    std::size_t length = 0;
    if (std::from_chars(digits, end, length).ec != std::errc()) return answer;
    answer.size = head + 4 + length;
    answer.state = received.size() < answer.size ? AnswerEnd::State::incomplete : AnswerEnd::State::complete;
    return answer;
  }
  return answer;
}

}  // namespace lictor::bench
