// lictord as a whole: the object graph, built top to bottom, and its life from start to stop.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "config/options.h"

namespace lictor::daemon {

class Daemon {
 public:
  // Opens everything and listens; throws with a clear message what prevents it.
  explicit Daemon(const config::ParseOutcome& options);  // that has options
  ~Daemon();

  void start();
  void print_banner() const;  // to stdout
  // Opens the log file anew and takes over from what `read` returns the options that may change.
  void reload(const std::function<config::ParseOutcome()>& read);
  void stop();  // lets requests in flight finish, at most for the configured grace
  // Why it asked to be stopped (by SIGTERM to this process); empty: it did not.
  std::string gave_up() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace lictor::daemon
