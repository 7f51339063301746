#include "lictord/service_watch.h"

#include <pthread.h>

#include <algorithm>
#include <ctime>

namespace lictor::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::chrono::seconds kLookEvery{1};
constexpr milliseconds kMaxProbe{10'000};
constexpr milliseconds kCloseEnough{50};
constexpr int kTries = 5;

milliseconds read_clock(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return std::chrono::duration_cast<milliseconds>(std::chrono::seconds(time.tv_sec) +
                                                  std::chrono::nanoseconds(time.tv_nsec));
}

// Nothing when this thread was kept from running between the two: they would not belong together.
std::optional<base::ClockReading> read_clocks() {
  for (int i = 0; i < kTries; ++i) {
    const milliseconds before = read_clock(CLOCK_BOOTTIME);
    const milliseconds wall = read_clock(CLOCK_REALTIME);
    const milliseconds after = read_clock(CLOCK_BOOTTIME);
    if (after - before <= kCloseEnough) return base::ClockReading{wall, before};
  }
  return {};
}

}  // namespace

ServiceWatch::ServiceWatch(base::Logger& log, base::Metrics& metrics, const base::ServiceNotify& notify,
                           std::optional<std::chrono::microseconds> watchdog, Probe probe)
    : log_(log),
      notify_(notify),
      watchdog_(notify.active() ? watchdog : std::nullopt),
      probe_(std::move(probe)),
      clock_steps_(metrics.counter("lictor_clock_steps_total", "Steps of the wall clock by more than five seconds.")),
      last_step_(std::make_shared<std::atomic<double>>(0)) {
  metrics.gauge("lictor_clock_step_seconds", "The last step of the wall clock: positive forward, negative back.",
                [last = last_step_] { return last->load(); });
}

ServiceWatch::~ServiceWatch() { stop(); }

void ServiceWatch::start() {
  thread_ = std::thread([this] { run(); });
}

void ServiceWatch::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void ServiceWatch::run() {
  ::pthread_setname_np(::pthread_self(), "lictor-watch");
  base::ClockWatch clocks(
      read_clocks().value_or(base::ClockReading{read_clock(CLOCK_REALTIME), read_clock(CLOCK_BOOTTIME)}));
  auto next_look = steady_clock::now() + kLookEvery;
  auto next_ping = steady_clock::now();
  while (true) {
    {
      std::unique_lock lock(mutex_);
      const auto until = watchdog_ ? std::min(next_look, next_ping) : next_look;
      if (wake_.wait_until(lock, until, [this] { return stopping_; })) return;
    }
    const auto now = steady_clock::now();
    if (now >= next_look) {
      next_look = now + kLookEvery;
      look_at_clocks(clocks);
    }
    if (watchdog_ && now >= next_ping) {
      next_ping = now + *watchdog_;
      look_at_server();
    }
  }
}

void ServiceWatch::look_at_clocks(base::ClockWatch& clocks) {
  const auto reading = read_clocks();
  const auto step = reading ? clocks.observe(*reading) : std::nullopt;
  if (!step) return;
  const double seconds = std::chrono::duration<double>(*step).count();
  last_step_->store(seconds);
  clock_steps_.add();
  log_.warning("clock.stepped", "The system's clock was set: leases, expiry and signatures follow it",
               {{"seconds", seconds}, {"direction", seconds > 0 ? "forward" : "back"}});
}

// At the latest half an interval after the last time plus this probe: before the watchdog loses patience.
void ServiceWatch::look_at_server() {
  const auto half = std::chrono::duration_cast<milliseconds>(*watchdog_) / 2;
  const std::string hanging = probe_(std::clamp(half, milliseconds(50), kMaxProbe));
  if (hanging.empty()) {
    if (silent_) log_.info("watchdog.answers", "Everything answers again");
    notify_.watchdog();
  } else {
    log_.error("watchdog.silent", "The service manager is not told that all is well", {{"reason", hanging}});
  }
  silent_ = !hanging.empty();
}

}  // namespace lictor::daemon
