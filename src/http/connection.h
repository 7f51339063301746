// A connection and its I/O thread: sessions on Asio's sockets. Included by server.cpp alone, because Asio is slow to
// compile; another transport would replace the two and leave session, parser and message as they are.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>
#include <thread>
#include <vector>

#include "http/deadlines.h"
#include "http/mailbox.h"
#include "http/peer_name.h"
#include "http/server.h"
#include "http/session.h"

namespace lictor::http {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::steady_clock;

// Concrete executors: any_io_executor would cost an indirect call and a reference count per operation.
using Executor = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<asio::ip::tcp, Executor>;
using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, Executor>;
using Descriptor = asio::posix::basic_stream_descriptor<Executor>;
using Timer = asio::basic_waitable_timer<steady_clock, asio::wait_traits<steady_clock>, Executor>;

// Everything that touches an io_context runs on its own thread; other threads use the Mailbox. So Asio needs no locks.
constexpr int kConcurrencyHint = BOOST_ASIO_CONCURRENCY_HINT_UNSAFE;

constexpr std::chrono::seconds kLingerTimeout{2};
constexpr std::size_t kLingerBytes = 256 * 1024;        // of input thrown away after the last answer
constexpr std::size_t kMaxLingeringRefused = 256;       // refused connections that get a proper farewell
constexpr std::size_t kKeptOutputBytes = 1024 * 1024;   // a larger output buffer is given back
constexpr std::chrono::milliseconds kAcceptPause{100};  // after running out of descriptors or memory
constexpr int kAcceptsInARow = 64;                      // then others get their turn

struct Counters {
  std::atomic<std::uint64_t> open{0}, accepted{0}, refused{0}, protocol_errors{0}, lingering_refused{0};
};

class IoThread;

// A session and its socket. Destroys itself when the socket is closed, Asio holds none of its handlers, and no Deferred
// refers to it.
class Connection final : public Session, public Deadlines::Node {
 public:
  Connection(IoThread& thread, int descriptor, const sockaddr_storage& peer, bool refused);
  ~Connection() override;

  void begin();
  void deliver(Mail& mail);
  void on_deadline();
  void stop_when_idle();
  void drop();  // closes at once
  void send_staged(std::string_view bytes);

 private:
  void on_read(const error_code& error, std::size_t bytes);
  void on_writable(const error_code& error);
  void settle();
  void flush();
  void stage();
  bool may_stage() const noexcept;
  std::size_t send(std::string_view bytes);
  void read();
  void linger();
  void read_into(std::span<char> space);
  void await_writable();
  void set_deadline(TimePoint deadline);
  void close();
  void destroy_if_done();

  IoThread& thread_;
  Socket socket_;
  Buffer unsent_;  // what the kernel did not take
  std::size_t unsent_begin_ = 0;
  std::size_t staged_ = 0;  // answers that wait in IoThread::staged_
  std::size_t lingered_bytes_ = 0;
  const PeerName peer_;
  const bool refused_;
  bool reading_ = false;
  bool awaiting_write_ = false;
  bool lingering_ = false;
  bool closed_ = false;
};

class IoThread {
 public:
  IoThread(const ServerOptions& options, const ServerHooks& hooks, Counters& counters, unsigned index, int listener);
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
  void stage(Connection& connection, std::string_view bytes);
  void send_staged();
  void accept();
  void accept_ready();
  bool accept_one();
  void open(int descriptor, const sockaddr_storage& peer);
  void await_mail();
  void read_mail();
  void tick();
  void on_tick();
  void stop(std::chrono::milliseconds grace);
  void end_if_done();
  void tidy_up();
  void touch_clock() { context_.now = steady_clock::now(); }

  const ServerOptions& options_;
  Counters& counters_;
  asio::io_context io_{kConcurrencyHint};
  SessionContext context_;
  Deadlines deadlines_;
  Acceptor acceptor_;
  Descriptor wake_;
  Timer tick_timer_;
  Timer pause_timer_;
  Timer grace_timer_;
  Mailbox::Contents mail_;
  std::vector<Staged> staged_;  // in the order of their bytes
  Buffer staged_bytes_;
  std::array<std::uint64_t, 2> wake_count_{};  // larger than what a read gives, so that Asio sees that all was read
  std::array<char, 16 * 1024> discarded_;      // shared by all lingering connections
  std::size_t connections_ = 0;
  std::thread thread_;
};

}  // namespace lictor::http
