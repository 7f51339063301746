#include "base/service_notify.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace lictor::base {
namespace {

constexpr timeval kPatience{2, 0};  // for a manager that does not read; it must not hold the server up

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return {};
  return number;
}

// A line's end would begin another variable.
std::string one_line(std::string_view text) {
  std::string line(text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

}  // namespace

ServiceNotify::ServiceNotify(std::string_view socket) {
  if (socket.empty()) return;
  constexpr std::size_t kRoom = sizeof(sockaddr_un::sun_path);
  if ((socket.front() != '/' && socket.front() != '@') || socket.size() < 2 || socket.size() >= kRoom) {
    problem_ = fmt::format("an absolute path or @NAME of at most {} bytes is expected", kRoom - 1);
    return;
  }
  descriptor_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor_ < 0) {
    problem_ = std::strerror(errno);
    return;
  }
  ::setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
  address_ = socket;
  if (address_.front() == '@') address_.front() = '\0';
}

ServiceNotify::~ServiceNotify() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void ServiceNotify::ready(std::string_view status) const {
  send(fmt::format("READY=1\nSTATUS={}\n", one_line(status)));
}
void ServiceNotify::status(std::string_view status) const { send(fmt::format("STATUS={}\n", one_line(status))); }
void ServiceNotify::still_starting(std::string_view status) const {
  send(fmt::format("EXTEND_TIMEOUT_USEC=30000000\nSTATUS={}\n", one_line(status)));
}
void ServiceNotify::reloading(std::chrono::microseconds monotonic) const {
  send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=Reading the options again\n", monotonic.count()));
}
void ServiceNotify::stopping() const { send("STOPPING=1\nSTATUS=Stopping\n"); }
void ServiceNotify::watchdog() const { send("WATCHDOG=1\n"); }

void ServiceNotify::send(const std::string& state) const {
  if (!active()) return;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address_.data(), address_.size());
  // The length is part of an abstract name; a path ends with a zero byte.
  const std::size_t end = address_.front() == '\0' ? 0 : 1;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size() + end);
  while (::sendto(descriptor_, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&to), size) <
             0 &&
         errno == EINTR) {
  }
}

std::optional<std::chrono::microseconds> watchdog_interval(std::string_view watchdog_usec,
                                                           std::string_view watchdog_pid, long own_pid) {
  const auto microseconds = whole_number(watchdog_usec);
  if (!microseconds || *microseconds <= 0) return {};
  if (!watchdog_pid.empty() && whole_number(watchdog_pid) != own_pid) return {};
  return std::chrono::microseconds(std::max<std::int64_t>(*microseconds / 2, 1));
}

}  // namespace lictor::base
