// lictord: the license server.
#include <pthread.h>
#include <signal.h>

#include <array>
#include <cstdio>
#include <exception>

#include "config/commands.h"
#include "crypto/crypto.h"
#include "lictord/commands.h"
#include "lictord/daemon.h"
#include "lictord/open_store.h"

namespace {

using namespace lictor;

constexpr int kExitFailed = 1;

// Blocked before any thread starts, so that every thread inherits it and only main() takes the signals.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

struct Stopped : std::runtime_error {  // by itself, after it had served
  using std::runtime_error::runtime_error;
};

// `read_again` reads the sources of the options once more.
template <class ReadAgain>
void serve(const config::ParseOutcome& options, const ReadAgain& read_again) {
  const sigset_t signals = block_signals();
  daemon::Daemon daemon(options);
  daemon.start();
  daemon.print_banner();
  for (int received = 0; sigwait(&signals, &received) != 0 || received == SIGHUP;) {
    if (received == SIGHUP) daemon.reload(read_again);
  }
  daemon.stop();
  if (const std::string why = daemon.gave_up(); !why.empty()) throw Stopped(why);
}

struct Runner {
  std::string_view command;
  int (*run)(const config::CommandLine& line);
};
constexpr std::array kRunners{
    Runner{"check-config", daemon::run_check_config},
    Runner{"backup", daemon::run_backup},
    Runner{"restore", daemon::run_restore},
    Runner{"admin-key", daemon::run_admin_key},
    Runner{"migrate", daemon::run_migrate},
    Runner{"health", daemon::run_health},
    Runner{"docs", daemon::run_docs},
};

int run_command(const config::CommandLine& line) {
  crypto::initialize();
  for (const Runner& runner : kRunners) {
    if (runner.command == line.command->name) return runner.run(line);
  }
  throw std::logic_error("nothing runs this command");
}

// What went wrong, and what to do about it.
int complain(const char* doing, const std::exception& error, const config::CommandLine& line) {
  std::fprintf(stderr, "lictord: %s: %s\n", doing, error.what());
  if (!line.outcome.options) return kExitFailed;
  const std::string advice = daemon::advice_for(error, line);
  if (!advice.empty()) std::fprintf(stderr, "%s\n", advice.c_str());
  return kExitFailed;
}

}  // namespace

int main(int argc, char** argv) {
  const config::Environment environment = config::process_environment();
  const config::CommandLine line = config::parse_command_line(argc, argv, environment);
  const bool checks = line.command != nullptr && line.command->name == "check-config";
  if (!line.outcome.options && !(checks && line.outcome.exit_code != 0)) {
    std::fputs(line.outcome.text.c_str(), line.outcome.exit_code == 0 ? stdout : stderr);
    return line.outcome.exit_code;
  }
  if (!checks) {
    for (const auto& warning : line.outcome.warnings) std::fprintf(stderr, "lictord: warning: %s\n", warning.c_str());
  }
  const std::string doing = line.command == nullptr ? "can't start" : std::string(line.command->name);
  try {
    if (line.command != nullptr) return run_command(line);
    serve(line.outcome, [&] { return config::parse_options(argc, argv, environment); });
    return 0;
  } catch (const daemon::EndedWhileWaiting&) {
    return 0;
  } catch (const Stopped& error) {
    return complain("stopped", error, line);
  } catch (const std::exception& error) {
    return complain(doing.c_str(), error, line);
  }
}
