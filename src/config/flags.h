// The command line of lictord, read by the tables of options and commands. Internal to config.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/commands.h"
#include "config/options_file.h"

namespace lictor::config {

struct Flags {
  std::vector<Setting> settings;
  std::vector<std::string> problems;
  std::optional<std::string> information;                  // of --help or --version
  std::string argument;                                    // the command's
  std::vector<std::string> given;                          // of the command's own flags
  std::map<std::string, std::string, std::less<>> values;  // of those that take one
};

// `argv` as main() got it; with a command, argv[1] is its name.
Flags read_flags(int argc, const char* const* argv, const Command* command);

// For a first argument that is no flag and no command.
std::string unknown_command(std::string_view name);

}  // namespace lictor::config
