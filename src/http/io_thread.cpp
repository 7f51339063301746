#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>

#include "http/connection.h"

namespace lictor::http {

namespace {

constexpr std::size_t kMaxLingeringRefused = 256;       // refused connections that get a proper farewell
constexpr std::chrono::milliseconds kAcceptPause{100};  // after running out of descriptors or memory
constexpr int kAcceptsInARow = 64;                      // then others get their turn
constexpr int kLastAccepts = 4096;                      // when it stops: more can't wait (net.core.somaxconn)
constexpr std::size_t kEventsInARow = 16;               // so that the first of them isn't answered late

int open_epoll() {
  const int descriptor = ::epoll_create1(EPOLL_CLOEXEC);
  if (descriptor < 0) throw std::system_error(errno, std::generic_category(), "cannot create an epoll");
  return descriptor;
}

}  // namespace

IoThread::IoThread(const IoShared& shared, unsigned index, int listener)
    : limits_(shared.limits),
      counters_(shared.counters),
      report_(shared.report),
      context_{shared.options,
               shared.limits,
               shared.hooks,
               {.header_bytes = shared.options.max_header_bytes},
               index,
               std::make_shared<Mailbox>(),
               DateLine(std::time(nullptr)),
               steady_clock::now(),
               {},
               shared.counters.protocol_errors},
      deadlines_(context_.now),
      epoll_(open_epoll()),
      listener_(listener),
      next_tick_(context_.now + Deadlines::kTick) {
  if (!watch(listener_.number(), EPOLLIN, &listener_) || !watch(context_.mailbox->wake_descriptor(), EPOLLIN, &mail_))
    throw std::system_error(errno, std::generic_category(), "cannot watch a file descriptor");
}

IoThread::~IoThread() = default;

void IoThread::run() {
  ::pthread_setname_np(::pthread_self(), ("lictor-io-" + std::to_string(context_.io_thread)).c_str());
  while (!is_done()) run_round();
  tidy_up();
  report_.at.store(steady_clock::time_point::max(), std::memory_order_relaxed);
}

// What is ready now is handled in full, then the answers are sent.
void IoThread::run_round() {
  std::array<epoll_event, kEventsInARow> events;
  const int ready = ::epoll_wait(epoll_.number(), events.data(), kEventsInARow, milliseconds_to_wait());
  context_.now = steady_clock::now();
  std::swap(reading_, unread_);
  for (int i = 0; i < ready; ++i)
    handle(events[static_cast<std::size_t>(i)].events, events[static_cast<std::size_t>(i)].data.ptr);
  for (Connection* connection : reading_) connection->read_more();
  reading_.clear();
  if (context_.now >= next_tick_) on_tick();
  send_staged();
  bury();
}

int IoThread::milliseconds_to_wait() const noexcept {
  if (!unread_.empty()) return 0;
  const auto until = end_at_ ? std::min(*end_at_, next_tick_) : next_tick_;
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(until - steady_clock::now());
  return static_cast<int>(std::max<std::chrono::milliseconds::rep>(wait.count(), 0));
}

void IoThread::handle(std::uint32_t events, void* tag) {
  if (tag == &mail_) return read_mail();
  if (tag == &listener_) return accept();
  static_cast<Connection*>(tag)->on_events(events);
}

bool IoThread::watch(int descriptor, std::uint32_t events, void* tag) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.ptr = tag;
  return ::epoll_ctl(epoll_.number(), EPOLL_CTL_ADD, descriptor, &event) == 0;
}

void IoThread::stage(Connection& connection) {
  staged_.push_back({&connection, context_.output.size() - staged_bytes_});
  staged_bytes_ = context_.output.size();
}

void IoThread::send_staged() {
  std::string_view bytes = context_.output.view();
  for (const Staged& staged : staged_) {
    staged.connection->send_staged(bytes.substr(0, staged.size));
    bytes.remove_prefix(staged.size);
  }
  staged_.clear();
  staged_bytes_ = 0;
  context_.output.clear();
  if (context_.output.capacity() > kKeptOutputBytes) context_.output.release();
}

// At the end of a round, when no event can name them any more.
void IoThread::bury() {
  for (Connection* connection : retiring_) {
    if (connection->may_be_destroyed()) delete connection;
  }
  retiring_.clear();
}

void IoThread::accept() {
  for (int i = 0; i < kAcceptsInARow; ++i) {
    if (!accept_one()) break;
  }
}

// False when there is none, or when it is better to pause.
bool IoThread::accept_one() {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  const int descriptor =
      ::accept4(listener_.number(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (descriptor >= 0) {
    open(descriptor, peer);
    return true;
  }
  if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
  if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM) return true;  // that peer's trouble
  accept_again_at_ = context_.now + kAcceptPause;
  ::epoll_ctl(epoll_.number(), EPOLL_CTL_DEL, listener_.number(), nullptr);
  return false;
}

void IoThread::open(int descriptor, const sockaddr_storage& peer) {
  const bool refused = counters_.open.load(std::memory_order_relaxed) >= limits_.max_connections();
  (refused ? counters_.refused : counters_.accepted).fetch_add(1, std::memory_order_relaxed);
  if (refused && counters_.lingering_refused.load(std::memory_order_relaxed) >= kMaxLingeringRefused) {
    ::close(descriptor);
    return;
  }
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  (new Connection(*this, descriptor, peer, refused))->begin();  // owns itself until bury()
}

void IoThread::read_mail() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(context_.mailbox->wake_descriptor(), &count, sizeof count);
  context_.mailbox->take(mail_);
  for (Mail& mail : mail_.mails) static_cast<Connection&>(*mail.session).deliver(mail);
  mail_.mails.clear();
  if (mail_.stop_within) stop(*mail_.stop_within);
  mail_.stop_within.reset();
}

void IoThread::on_tick() {
  next_tick_ = context_.now + Deadlines::kTick;
  report_.at.store(context_.now, std::memory_order_relaxed);
  context_.date.update(std::time(nullptr));
  deadlines_.advance(context_.now, [](Deadlines::Node& node) { static_cast<Connection&>(node).on_deadline(); });
  if (accept_again_at_ && context_.now >= *accept_again_at_ && listener_.number() >= 0) {
    if (watch(listener_.number(), EPOLLIN, &listener_)) accept_again_at_.reset();
  }
}

void IoThread::stop(std::chrono::milliseconds grace) {
  if (context_.stopping) return;
  send_staged();
  end_at_ = context_.now + grace;
  // Who is connected already may have asked something: closing the listener would reset it.
  for (int i = 0; i < kLastAccepts && accept_one(); ++i) {
  }
  context_.stopping = true;
  listener_.close();
  deadlines_.for_each([](Deadlines::Node& node) { static_cast<Connection&>(node).stop_when_idle(); });
}

bool IoThread::is_done() const noexcept { return context_.stopping && (connections_ == 0 || context_.now >= *end_at_); }

// What still waits is run, so that nobody's continuation is lost; the answers have nowhere to go.
void IoThread::tidy_up() {
  send_staged();
  std::vector<Mail> rest = context_.mailbox->close();
  deadlines_.for_each([](Deadlines::Node& node) { static_cast<Connection&>(node).close(); });
  for (Mail& mail : rest) static_cast<Connection&>(*mail.session).deliver(mail);
  deadlines_.for_each([](Deadlines::Node& node) { delete &static_cast<Connection&>(node); });
}

}  // namespace lictor::http
