// A thread that looks after the server: once a second at the clocks, and as often as the service manager's watchdog
// asks for it at the server itself.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/clock_watch.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/service_notify.h"

namespace lictor::daemon {

class ServiceWatch {
 public:
  // Says what hangs, within the given time; empty: nothing.
  using Probe = std::function<std::string(std::chrono::milliseconds bound)>;

  // Registers its metrics. `watchdog`: how often the service manager is to be told that all is well; nothing: never.
  ServiceWatch(base::Logger& log, base::Metrics& metrics, const base::ServiceNotify& notify,
               std::optional<std::chrono::microseconds> watchdog, Probe probe);
  ~ServiceWatch();  // stop()
  ServiceWatch(const ServiceWatch&) = delete;
  ServiceWatch& operator=(const ServiceWatch&) = delete;

  void start();
  void stop();                                                                 // idempotent
  std::uint64_t clock_steps() const noexcept { return clock_steps_.value(); }  // since the start; thread-safe

 private:
  void run();
  void look_at_clocks(base::ClockWatch& clocks);
  void look_at_server();

  base::Logger& log_;
  const base::ServiceNotify& notify_;
  const std::optional<std::chrono::microseconds> watchdog_;
  const Probe probe_;
  base::Counter& clock_steps_;
  const std::shared_ptr<std::atomic<double>> last_step_;  // seconds; a scrape may outlive this object
  bool silent_ = false;                                   // the thread's: the watchdog was not told the last time

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace lictor::daemon
