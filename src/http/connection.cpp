#include "http/connection.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>

namespace lictor::http {

namespace {

constexpr std::chrono::seconds kLingerTimeout{2};
constexpr std::chrono::milliseconds kStopLingerTimeout{500};  // of what is idle when the server stops
constexpr std::size_t kLingerBytes = 256 * 1024;              // of input thrown away after the last answer

}  // namespace

void Descriptor::close() noexcept {
  if (number_ >= 0) ::close(number_);
  number_ = -1;
}

Connection::Connection(IoThread& thread, int descriptor, const sockaddr_storage& peer, bool refused)
    : Session(thread.context_), thread_(thread), socket_(descriptor), peer_(peer), refused_(refused) {
  set_peer(peer_.view());
  ++thread_.connections_;
  (refused_ ? thread_.counters_.lingering_refused : thread_.counters_.open).fetch_add(1, std::memory_order_relaxed);
}

Connection::~Connection() { --thread_.connections_; }

void Connection::begin() {
  set_deadline(deadline());
  if (!thread_.watch(socket_.number(), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, this)) return close();
  if (refused_) refuse();
  settle();
}

void Connection::on_events(std::uint32_t events) {
  if (closed_) return;
  if ((events & EPOLLOUT) != 0 && !unsent_.empty()) on_writable();
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) readable_ = hung_up_ = true;
  if ((events & EPOLLIN) != 0) readable_ = true;
  if (!closed_ && readable_ && wants_input()) read();
}

void Connection::read_more() {
  listed_ = false;
  if (closed_) return retire();
  if (readable_ && wants_input()) read();
}

bool Connection::wants_input() const noexcept {
  return lingering_ || (unsent_.empty() && !has_backlog() && phase() != Phase::deferred && phase() != Phase::finished);
}

// Reads once: others shall have their turn.
void Connection::read() {
  if (lingering_) return discard();
  const std::span<char> space = input_space();
  const ssize_t got = ::recv(socket_.number(), space.data(), space.size(), MSG_DONTWAIT);
  if (got > 0) {
    // Less than there was room for: all was read. What comes later raises another event.
    if (static_cast<std::size_t>(got) < space.size() && !hung_up_) readable_ = false;
    receive(static_cast<std::size_t>(got));
    return settle();
  }
  const int error = got < 0 ? errno : 0;
  return_input_space();
  if (error == EINTR) return settle();
  if (error == EAGAIN || error == EWOULDBLOCK) return void(readable_ = false);
  if (staged_ != 0) thread_.send_staged();  // the peer may have ended its side only
  close();
}

void Connection::discard() {
  static thread_local std::array<char, 16 * 1024> space;
  const ssize_t got = ::recv(socket_.number(), space.data(), space.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return void(readable_ = false);
  if (got > 0) lingered_bytes_ += static_cast<std::size_t>(got);
  if (got == 0 || (got < 0 && errno != EINTR) || lingered_bytes_ > kLingerBytes) return close();
  linger();
}

// Sends what the session has said, then does what its phase asks for.
void Connection::settle() {
  while (true) {
    stage();
    if (!may_wait()) thread_.send_staged();
    if (closed_ || !unsent_.empty() || !has_backlog()) break;
    proceed();
  }
  if (closed_) return;
  if (!unsent_.empty()) return set_deadline(thread_.context_.now + thread_.limits_.write_timeout());
  if (phase() == Phase::finished) return linger();
  if (phase() == Phase::idle && thread_.context_.stopping) return linger();
  set_deadline(deadline());
  if (readable_ && wants_input()) leave_unread();
}

void Connection::stage() {
  if (thread_.context_.output.size() == thread_.staged_bytes_) return;
  ++staged_;
  thread_.stage(*this);
}

// Whether the answer may wait until the other requests of this round were answered. A peer that sleeps is woken by the
// first answer it gets, which costs more than the rest of the sending; answers that follow at once find it awake.
bool Connection::may_wait() const noexcept {
  return !closed_ && unsent_.empty() && phase() != Phase::finished && !thread_.context_.stopping && !has_backlog();
}

void Connection::send_staged(std::string_view bytes) {
  --staged_;
  if (!closed_ && unsent_.empty()) bytes.remove_prefix(send(bytes));
  if (!closed_ && !bytes.empty()) {
    unsent_.append(bytes);
    set_deadline(thread_.context_.now + thread_.limits_.write_timeout());
  }
  if (closed_) retire();
}

// Returns how much the kernel took: less than all only when its buffer is full, and then an event tells when it isn't.
std::size_t Connection::send(std::string_view bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t took =
        ::send(socket_.number(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (took >= 0) {
      sent += static_cast<std::size_t>(took);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      break;
    } else if (errno != EINTR) {
      close();
      break;
    }
  }
  return sent;
}

void Connection::on_writable() {
  unsent_begin_ += send(unsent_.view().substr(unsent_begin_));
  if (closed_) return;
  if (unsent_begin_ < unsent_.size()) return set_deadline(thread_.context_.now + thread_.limits_.write_timeout());
  unsent_.release();
  unsent_begin_ = 0;
  settle();
}

// RFC 9112, section 9.6: closing at once, with input unread, could destroy the answer on its way. To a request that
// comes just now on an idle connection it would be a reset: a proxy takes that for an error, and an end for a
// connection that went while it was idle, and asks another server.
void Connection::linger() {
  if (!lingering_) {
    lingering_ = true;
    ::shutdown(socket_.number(), SHUT_WR);
    set_deadline(thread_.context_.now + (phase() == Phase::idle ? kStopLingerTimeout : kLingerTimeout));
  }
  if (readable_) leave_unread();
}

void Connection::leave_unread() {
  if (!listed_) thread_.unread_.push_back(this);
  listed_ = true;
}

void Connection::deliver(Mail& mail) {
  resume(mail);
  if (closed_) {
    thread_.drop_unstaged();
    retire();
  } else {
    settle();
  }
}

void Connection::on_deadline() {
  if (closed_) return;  // waits for a Deferred only
  if (lingering_ || !unsent_.empty()) return close();
  time_out();
  settle();
}

void Connection::stop_when_idle() {
  char first = 0;
  const bool idle = phase() == Phase::idle && unsent_.empty();
  if (idle && ::recv(socket_.number(), &first, 1, MSG_PEEK | MSG_DONTWAIT) <= 0) linger();
}

void Connection::set_deadline(TimePoint deadline) { thread_.deadlines_.set(*this, deadline); }

void Connection::close() {
  if (closed_) return;
  closed_ = true;
  abandon();
  socket_.close();
  unsent_.release();
  set_deadline(TimePoint::max());
  (refused_ ? thread_.counters_.lingering_refused : thread_.counters_.open).fetch_sub(1, std::memory_order_relaxed);
  retire();
}

void Connection::retire() {
  if (!retiring_) thread_.retiring_.push_back(this);
  retiring_ = true;
}

bool Connection::may_be_destroyed() noexcept {
  retiring_ = false;
  return closed_ && staged_ == 0 && !listed_ && promises() == 0;
}

}  // namespace lictor::http
