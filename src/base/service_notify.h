// What a service manager is told, and what it asks for: sd_notify(3) and sd_watchdog_enabled(3), without libsystemd.
// The protocol is one datagram of VARIABLE=VALUE lines to the socket that $NOTIFY_SOCKET names.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace lictor::base {

// Thread-safe. Does nothing when nobody listens: `socket` is empty.
class ServiceNotify {
 public:
  // `socket`: the value of $NOTIFY_SOCKET, an absolute path or, after '@', a name in Linux's abstract namespace.
  explicit ServiceNotify(std::string_view socket);
  ~ServiceNotify();
  ServiceNotify(const ServiceNotify&) = delete;
  ServiceNotify& operator=(const ServiceNotify&) = delete;

  bool active() const noexcept { return descriptor_ >= 0; }
  // Why a socket that was named can't be used; empty otherwise. A server starts without one all the same.
  const std::string& problem() const noexcept { return problem_; }

  void ready(std::string_view status) const;
  void status(std::string_view status) const;
  // The start goes on: its time limit (TimeoutStartSec=) ends half a minute from now at the earliest.
  void still_starting(std::string_view status) const;
  void reloading(std::chrono::microseconds monotonic) const;  // followed by ready()
  void stopping() const;
  void watchdog() const;

 private:
  void send(const std::string& state) const;  // what can't be told is not told: no error reaches the server

  std::string address_;  // as sockaddr_un has it: a zero byte first when it is abstract
  std::string problem_;
  int descriptor_ = -1;
};

// How often watchdog() is due: half of $WATCHDOG_USEC. Nothing when it is not asked for, malformed, or meant for the
// process of another id ($WATCHDOG_PID).
std::optional<std::chrono::microseconds> watchdog_interval(std::string_view watchdog_usec,
                                                           std::string_view watchdog_pid, long own_pid);

}  // namespace lictor::base
