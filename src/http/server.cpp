// The carrier of sessions: sockets, threads and timers, with Asio. The only unit that includes Asio's sockets.
#if defined(__SANITIZE_THREAD__)
#define BOOST_ASIO_DISABLE_FENCED_BLOCK  // TSan knows no fences; there is one thread to each io_context anyway
#endif

#include "http/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <mutex>

#include "http/connection.h"
#include "http/listener.h"

namespace lictor::http {

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
    if (staged_ != 0) thread_.send_staged();  // the peer may have ended its side only
    close();
  } else {
    receive(bytes);
    settle();
  }
  destroy_if_done();
}

// Sends what the session has said, then does what its phase asks for.
void Connection::settle() {
  while (true) {
    may_stage() ? stage() : flush();
    if (closed_ || !unsent_.empty() || !has_backlog()) break;
    proceed();
  }
  if (closed_) return;
  if (!unsent_.empty()) return set_deadline(thread_.context_.now + thread_.options_.write_timeout);
  if (phase() == Phase::finished) return linger();
  if (phase() == Phase::idle && thread_.context_.stopping) return close();
  set_deadline(deadline());
  if (phase() != Phase::deferred) read();
}

// Whether the answer may wait until all requests that are here were answered. A peer that sleeps is woken by the first
// answer it gets, which costs more than the rest of the sending; answers that follow at once find it awake.
bool Connection::may_stage() const noexcept {
  return !closed_ && unsent_.empty() && phase() != Phase::finished && !thread_.context_.stopping;
}

void Connection::stage() {
  Buffer& output = thread_.context_.output;
  if (output.empty()) return;
  ++staged_;
  thread_.stage(*this, output.view());
  output.clear();
}

void Connection::send_staged(std::string_view bytes) {
  --staged_;
  if (!closed_ && unsent_.empty()) bytes.remove_prefix(send(bytes));
  if (!closed_ && !bytes.empty()) {
    unsent_.append(bytes);
    set_deadline(thread_.context_.now + thread_.options_.write_timeout);
    if (!awaiting_write_) await_writable();
  }
  destroy_if_done();
}

void Connection::flush() {
  if (staged_ != 0) thread_.send_staged();  // what was said before goes before
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
  if (!closed_ || reading_ || awaiting_write_ || staged_ != 0 || promises() != 0) return;
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

void IoThread::stage(Connection& connection, std::string_view bytes) {
  // Behind everything that is ready now.
  if (staged_.empty()) asio::post(io_, [this] { send_staged(); });
  staged_.push_back({&connection, bytes.size()});
  staged_bytes_.append(bytes);
}

void IoThread::send_staged() {
  std::string_view bytes = staged_bytes_.view();
  for (const Staged& staged : staged_) {
    staged.connection->send_staged(bytes.substr(0, staged.size));
    bytes.remove_prefix(staged.size);
  }
  staged_.clear();
  staged_bytes_.clear();
  if (staged_bytes_.capacity() > kKeptOutputBytes) staged_bytes_.release();
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
  send_staged();
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
  send_staged();
  std::vector<Mail> rest = context_.mailbox->close();
  deadlines_.for_each([](Deadlines::Node& node) { static_cast<Connection&>(node).drop(); });
  for (Mail& mail : rest) static_cast<Connection&>(*mail.session).deliver(mail);
  deadlines_.for_each([](Deadlines::Node& node) { delete &static_cast<Connection&>(node); });
}

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
