// lictord: the license server.
#include <pthread.h>
#include <signal.h>

#include <cstdio>
#include <exception>

#include "config/options.h"
#include "lictord/daemon.h"

namespace {

constexpr int kExitCannotStart = 1;

// Blocked before any thread starts, so that every thread inherits it and only main() takes the signals.
sigset_t block_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

int run(const lictor::config::Options& options, const sigset_t& stop_signals) {
  lictor::daemon::Daemon daemon(options);
  daemon.start();
  daemon.print_banner();
  int received = 0;
  sigwait(&stop_signals, &received);
  daemon.stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const auto outcome = lictor::config::parse_options(argc, argv, lictor::config::process_environment());
  if (!outcome.options) {
    std::fputs(outcome.text.c_str(), outcome.exit_code == 0 ? stdout : stderr);
    return outcome.exit_code;
  }
  for (const auto& warning : outcome.warnings) std::fprintf(stderr, "lictord: warning: %s\n", warning.c_str());
  const sigset_t stop_signals = block_stop_signals();
  try {
    return run(*outcome.options, stop_signals);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "lictord: can't start: %s\n", error.what());
    return kExitCannotStart;
  }
}
