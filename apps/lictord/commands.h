// The commands of lictord that are not the server. Each returns the process's exit code: 0 done, 1 it failed, 2 what
// was asked is wrong. What goes wrong is told on stderr by whoever calls them (main.cpp) from the exception.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>

#include "config/commands.h"
#include "store/store.h"

namespace lictor::daemon {

int run_check_config(const config::CommandLine& line);  // also for options that are wrong
int run_backup(const config::CommandLine& line);
int run_restore(const config::CommandLine& line);
int run_admin_key(const config::CommandLine& line);
int run_migrate(const config::CommandLine& line);
int run_health(const config::CommandLine& line);
int run_docs(const config::CommandLine& line);

// The command is about a database that is there.
struct NoDatabase : std::runtime_error {
  explicit NoDatabase(const std::string& path) : std::runtime_error("there is no database at " + path) {}
};

// The command line is understood, but can't be meant.
struct WrongUse : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What to do about it, as a sentence to whoever gave this command line, which has options; empty when the error says
// all.
std::string advice_for(const std::exception& error, const config::CommandLine& line);

}  // namespace lictor::daemon
