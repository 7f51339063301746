// A connection and its I/O thread: sessions on sockets, carried by epoll. Included by connection.cpp, io_thread.cpp and
// server.cpp alone; another transport would replace them and leave session, parser and message as they are.
#pragma once

#include <sys/socket.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "http/deadlines.h"
#include "http/live_limits.h"
#include "http/mailbox.h"
#include "http/peer_name.h"
#include "http/server.h"
#include "http/session.h"

namespace lictor::http {

using std::chrono::steady_clock;

constexpr std::size_t kKeptOutputBytes = 1024 * 1024;  // a larger output buffer is given back

struct Counters {
  std::atomic<std::uint64_t> open{0}, accepted{0}, refused{0}, protocol_errors{0}, lingering_refused{0};
};

// When an I/O thread was last at work; max(): it has ended. In a cache line of its own.
struct alignas(64) Report {
  std::atomic<steady_clock::time_point> at{steady_clock::now()};
};

// What the I/O threads of a server share, and the one report of each.
struct IoShared {
  const ServerOptions& options;
  const LiveLimits& limits;
  const ServerHooks& hooks;
  Counters& counters;
  Report& report;
};

class IoThread;

// A file descriptor that is closed with its owner.
class Descriptor {
 public:
  explicit Descriptor(int number) noexcept : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(); }
  int number() const noexcept { return number_; }  // -1: closed
  void close() noexcept;

 private:
  int number_;
};

// A session and its socket, registered once for edge-triggered events (epoll(7)): `readable_` remembers that there may
// be input until a read finds none, so a connection that wants no input meanwhile costs no system call. Destroyed by
// its IoThread at the end of a round, when the socket is closed, no answer is staged and no Deferred refers to it.
class Connection final : public Session, public Deadlines::Node {
 public:
  Connection(IoThread& thread, int descriptor, const sockaddr_storage& peer, bool refused);
  ~Connection() override;

  void begin();
  void on_events(std::uint32_t events);  // of epoll
  void read_more();                      // it was left with input unread
  void deliver(Mail& mail);
  void on_deadline();
  void stop_when_idle();
  void close();
  void send_staged(std::string_view bytes);
  bool may_be_destroyed() noexcept;  // otherwise it comes back to IoThread::retiring_ when it may

 private:
  void read();
  void discard();
  void on_writable();
  void settle();
  void stage();
  bool may_wait() const noexcept;
  bool wants_input() const noexcept;
  std::size_t send(std::string_view bytes);
  void linger();
  void leave_unread();
  void retire();
  void set_deadline(TimePoint deadline);

  IoThread& thread_;
  Descriptor socket_;
  Buffer unsent_;  // what the kernel did not take
  std::size_t unsent_begin_ = 0;
  std::size_t staged_ = 0;  // answers that wait in IoThread::staged_
  std::size_t lingered_bytes_ = 0;
  const PeerName peer_;
  const bool refused_;
  bool readable_ = false;
  bool hung_up_ = false;   // the peer sends no more; an end or an error follows what is still to be read
  bool listed_ = false;    // in IoThread::unread_
  bool retiring_ = false;  // in IoThread::retiring_
  bool lingering_ = false;
  bool closed_ = false;
};

// Everything below runs on its own thread, but start(), order_stop() and join().
class IoThread {
 public:
  // `listener` becomes its own. Throws std::system_error when there is no file descriptor left.
  IoThread(const IoShared& shared, unsigned index, int listener);
  ~IoThread();
  void start() {
    thread_ = std::thread([this] { run(); });
  }
  void order_stop(std::chrono::milliseconds grace) { context_.mailbox->order_stop(grace); }
  void join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  friend class Connection;
  struct Staged {
    Connection* connection;
    std::size_t size;
  };

  void run();
  void run_round();
  int milliseconds_to_wait() const noexcept;
  void handle(std::uint32_t events, void* tag);
  bool watch(int descriptor, std::uint32_t events, void* tag) noexcept;
  void stage(Connection& connection);
  void drop_unstaged() noexcept { context_.output.resize(staged_bytes_); }
  void send_staged();
  void bury();
  void accept();
  bool accept_one();
  void open(int descriptor, const sockaddr_storage& peer);
  void read_mail();
  void on_tick();
  void stop(std::chrono::milliseconds grace);
  bool is_done() const noexcept;
  void tidy_up();

  const LiveLimits& limits_;
  Counters& counters_;
  Report& report_;
  SessionContext context_;
  Deadlines deadlines_;
  Descriptor epoll_;
  Descriptor listener_;
  Mailbox::Contents mail_;
  std::vector<Staged> staged_;         // in the order of their bytes in context_.output
  std::size_t staged_bytes_ = 0;       // of all of them
  std::vector<Connection*> unread_;    // have input that waits for the next round
  std::vector<Connection*> reading_;   // … for this one
  std::vector<Connection*> retiring_;  // closed, and perhaps done
  std::size_t connections_ = 0;
  steady_clock::time_point next_tick_;
  std::optional<steady_clock::time_point> accept_again_at_;  // after a pause
  std::optional<steady_clock::time_point> end_at_;           // of the grace period
  std::thread thread_;
};

}  // namespace lictor::http
