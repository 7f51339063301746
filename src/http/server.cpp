// The carrier of sessions: sockets, threads and timers, with Asio. The only unit that includes Asio's sockets; another
// transport would replace this file and leave session, parser and message as they are.
#if defined(__SANITIZE_THREAD__)
#define BOOST_ASIO_DISABLE_FENCED_BLOCK  // TSan knows no fences; there is one thread to each io_context anyway
#endif

#include "http/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <cerrno>
#include <mutex>
#include <thread>
#include <vector>

#include "http/deadlines.h"
#include "http/listener.h"
#include "http/peer_name.h"
#include "http/session.h"

namespace lictor::http {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::steady_clock;

namespace {

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

 private:
  void on_read(const error_code& error, std::size_t bytes);
  void on_writable(const error_code& error);
  void settle();
  void flush();
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

  void run();
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
  std::array<std::uint64_t, 2> wake_count_{};  // larger than what a read gives, so that Asio sees that all was read
  std::array<char, 16 * 1024> discarded_;      // shared by all lingering connections
  std::size_t connections_ = 0;
  std::thread thread_;
};

Connection::Connection(IoThread& thread, int descriptor, const sockaddr_storage& peer, bool refused)
    : Session(thread.context_), thread_(thread), socket_(thread.io_), peer_(peer), refused_(refused) {
  socket_.assign(peer.ss_family == AF_INET6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4(), descriptor);
  set_peer(peer_.view());
  ++thread_.connections_;
  (refused_ ? thread_.counters_.lingering_refused : thread_.counters_.open).fetch_add(1, std::memory_order_relaxed);
}

Connection::~Connection() {
  close();
  --thread_.connections_;
}

void Connection::begin() {
  if (refused_) refuse();
  settle();
  destroy_if_done();
}

void Connection::on_read(const error_code& error, std::size_t bytes) {
  reading_ = false;
  thread_.touch_clock();
  if (closed_) return destroy_if_done();
  if (lingering_) {
    lingered_bytes_ += bytes;
    const bool cancelled = error == asio::error::operation_aborted;  // a read from before the lingering
    if ((error && !cancelled) || lingered_bytes_ > kLingerBytes) {
      close();
    } else {
      linger();
    }
  } else if (error) {
    close();
  } else {
    receive(bytes);
    settle();
  }
  destroy_if_done();
}

// Sends what the session has said, then does what its phase asks for.
void Connection::settle() {
  for (flush(); !closed_ && unsent_.empty() && has_backlog(); flush()) proceed();
  if (closed_) return;
  if (!unsent_.empty()) return set_deadline(thread_.context_.now + thread_.options_.write_timeout);
  if (phase() == Phase::finished) return linger();
  if (phase() == Phase::idle && thread_.context_.stopping) return close();
  set_deadline(deadline());
  if (phase() != Phase::deferred) read();
}

void Connection::flush() {
  Buffer& output = thread_.context_.output;
  if (output.empty()) return;
  std::string_view rest = output.view();
  if (!closed_ && unsent_.empty()) rest.remove_prefix(send(rest));
  if (!closed_ && !rest.empty()) {
    unsent_.append(rest);
    if (!awaiting_write_) await_writable();
  }
  output.clear();
  if (output.capacity() > kKeptOutputBytes) output.release();
}

std::size_t Connection::send(std::string_view bytes) {
  const ssize_t sent = ::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0) return static_cast<std::size_t>(sent);
  if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) close();
  return 0;
}

void Connection::on_writable(const error_code& error) {
  awaiting_write_ = false;
  thread_.touch_clock();
  if (!closed_ && error) close();
  if (!closed_) unsent_begin_ += send(unsent_.view().substr(unsent_begin_));
  if (closed_) return destroy_if_done();
  if (unsent_begin_ < unsent_.size()) {
    set_deadline(thread_.context_.now + thread_.options_.write_timeout);
    return await_writable();
  }
  unsent_.release();
  unsent_begin_ = 0;
  settle();
  destroy_if_done();
}

void Connection::await_writable() {
  awaiting_write_ = true;
  socket_.async_wait(Socket::wait_write, [this](const error_code& error) { on_writable(error); });
}

void Connection::read() {
  if (!reading_) read_into(input_space());
}

void Connection::read_into(std::span<char> space) {
  reading_ = true;
  socket_.async_read_some(asio::buffer(space.data(), space.size()),
                          [this](const error_code& error, std::size_t bytes) { on_read(error, bytes); });
}

// RFC 9112, section 9.6: closing at once, with input unread, could destroy the answer on its way.
void Connection::linger() {
  if (!lingering_) {
    lingering_ = true;
    ::shutdown(socket_.native_handle(), SHUT_WR);
    set_deadline(thread_.context_.now + kLingerTimeout);
  }
  if (!reading_) read_into(thread_.discarded_);
}

void Connection::deliver(Mail& mail) {
  resume(mail);
  if (closed_) {
    thread_.context_.output.clear();
  } else {
    settle();
  }
  destroy_if_done();
}

void Connection::on_deadline() {
  if (closed_) return;  // waits for a Deferred only
  if (lingering_ || !unsent_.empty()) {
    close();
  } else {
    error_code ignored;
    socket_.cancel(ignored);  // the session gives its input buffer back, which a read may be waiting for
    time_out();
    settle();
  }
  destroy_if_done();
}

void Connection::stop_when_idle() {
  char first = 0;
  const bool idle = phase() == Phase::idle && unsent_.empty();
  if (idle && ::recv(socket_.native_handle(), &first, 1, MSG_PEEK | MSG_DONTWAIT) <= 0) drop();
}

void Connection::drop() {
  close();
  destroy_if_done();
}

void Connection::set_deadline(TimePoint deadline) { thread_.deadlines_.set(*this, deadline); }

void Connection::close() {
  if (closed_) return;
  closed_ = true;
  abandon();
  error_code ignored;
  socket_.close(ignored);
  unsent_.release();
  set_deadline(TimePoint::max());
  (refused_ ? thread_.counters_.lingering_refused : thread_.counters_.open).fetch_sub(1, std::memory_order_relaxed);
}

void Connection::destroy_if_done() {
  if (!closed_ || reading_ || awaiting_write_ || promises() != 0) return;
  IoThread& thread = thread_;
  delete this;
  thread.end_if_done();
}

IoThread::IoThread(const ServerOptions& options, const ServerHooks& hooks, Counters& counters, unsigned index,
                   int listener)
    : options_(options),
      counters_(counters),
      context_{options,
               hooks,
               {.header_bytes = options.max_header_bytes},
               index,
               std::make_shared<Mailbox>(),
               DateLine(std::time(nullptr)),
               steady_clock::now(),
               {},
               counters.protocol_errors},
      deadlines_(context_.now),
      acceptor_(io_),
      wake_(io_, context_.mailbox->wake_descriptor()),
      tick_timer_(io_),
      pause_timer_(io_),
      grace_timer_(io_) {
  acceptor_.assign(asio::ip::tcp::v6(), listener);  // the family doesn't matter: accept4() is called here, not by Asio
}

IoThread::~IoThread() {
  wake_.release();  // the Mailbox owns it
}

void IoThread::run() {
  ::pthread_setname_np(::pthread_self(), ("lictor-io-" + std::to_string(context_.io_thread)).c_str());
  accept();
  await_mail();
  tick();
  io_.run();
  tidy_up();
}

void IoThread::accept() {
  acceptor_.async_wait(Acceptor::wait_read, [this](const error_code& error) {
    if (!error) accept_ready();
  });
}

void IoThread::accept_ready() {
  touch_clock();
  for (int i = 0; i < kAcceptsInARow; ++i) {
    if (!accept_one()) break;
  }
  if (acceptor_.is_open() && pause_timer_.expiry() <= context_.now) accept();
}

// False when there is none, or when it is better to pause.
bool IoThread::accept_one() {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  const int descriptor =
      ::accept4(acceptor_.native_handle(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (descriptor >= 0) {
    open(descriptor, peer);
    return true;
  }
  if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
  if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM) return true;  // that peer's trouble
  pause_timer_.expires_after(kAcceptPause);
  pause_timer_.async_wait([this](const error_code& error) {
    if (!error && acceptor_.is_open()) accept();
  });
  return false;
}

void IoThread::open(int descriptor, const sockaddr_storage& peer) {
  const bool refused = counters_.open.load(std::memory_order_relaxed) >= options_.max_connections;
  (refused ? counters_.refused : counters_.accepted).fetch_add(1, std::memory_order_relaxed);
  if (refused && counters_.lingering_refused.load(std::memory_order_relaxed) >= kMaxLingeringRefused) {
    ::close(descriptor);
    return;
  }
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  (new Connection(*this, descriptor, peer, refused))->begin();  // owns itself
}

void IoThread::await_mail() {
  wake_.async_read_some(asio::buffer(wake_count_), [this](const error_code& error, std::size_t) {
    if (!error) read_mail();
  });
}

void IoThread::read_mail() {
  await_mail();
  touch_clock();
  context_.mailbox->take(mail_);
  for (Mail& mail : mail_.mails) static_cast<Connection&>(*mail.session).deliver(mail);
  mail_.mails.clear();
  if (mail_.stop_within) stop(*mail_.stop_within);
  mail_.stop_within.reset();
}

void IoThread::tick() {
  tick_timer_.expires_after(Deadlines::kTick);
  tick_timer_.async_wait([this](const error_code& error) {
    if (!error) on_tick();
  });
}

void IoThread::on_tick() {
  tick();
  touch_clock();
  context_.date.update(std::time(nullptr));
  deadlines_.advance(context_.now, [](Deadlines::Node& node) { static_cast<Connection&>(node).on_deadline(); });
}

void IoThread::stop(std::chrono::milliseconds grace) {
  if (context_.stopping) return;
  context_.stopping = true;
  error_code ignored;
  acceptor_.close(ignored);
  deadlines_.for_each([](Deadlines::Node& node) { static_cast<Connection&>(node).stop_when_idle(); });
  grace_timer_.expires_after(grace);
  grace_timer_.async_wait([this](const error_code& error) {
    if (!error) io_.stop();
  });
  end_if_done();
}

void IoThread::end_if_done() {
  if (context_.stopping && connections_ == 0) io_.stop();
}

// What still waits is run, so that nobody's continuation is lost; the answers have nowhere to go.
void IoThread::tidy_up() {
  std::vector<Mail> rest = context_.mailbox->close();
  deadlines_.for_each([](Deadlines::Node& node) { static_cast<Connection&>(node).drop(); });
  for (Mail& mail : rest) static_cast<Connection&>(*mail.session).deliver(mail);
  deadlines_.for_each([](Deadlines::Node& node) { delete &static_cast<Connection&>(node); });
}

}  // namespace

struct Server::Threads {
  ServerOptions options;
  ServerHooks hooks;
  Counters counters;
  std::uint16_t port = 0;
  std::mutex mutex;  // of stop()
  std::vector<std::unique_ptr<IoThread>> io;
};

Server::Server(const ServerOptions& options, ServerHooks hooks) : threads_(std::make_unique<Threads>()) {
  threads_->options = options;
  threads_->hooks = std::move(hooks);
  const bool shared = options.io_threads > 1;
  ListenAddress address{options.listen_address, options.listen_port};
  if (shared && address.port != 0) require_free(address);
  for (unsigned index = 0; index < options.io_threads; ++index) {
    const int listener = open_listener(address, shared);
    address.port = threads_->port = local_port(listener);
    threads_->io.push_back(
        std::make_unique<IoThread>(threads_->options, threads_->hooks, threads_->counters, index, listener));
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

std::uint16_t Server::port() const noexcept { return threads_->port; }

ConnectionCounts Server::connections() const noexcept {
  const Counters& counters = threads_->counters;
  return {counters.open.load(std::memory_order_relaxed), counters.accepted.load(std::memory_order_relaxed),
          counters.refused.load(std::memory_order_relaxed), counters.protocol_errors.load(std::memory_order_relaxed)};
}

}  // namespace lictor::http
