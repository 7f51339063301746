// The commands of lictord: without one it serves. One table, from which --help, the suggestions and the documentation
// come; the options of the server hold for them too, from the same sources.
#pragma once

#include <algorithm>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/options.h"

namespace lictor::config {

struct CommandFlag {
  std::string_view flag;
  std::string_view help;        // a sentence
  std::string_view value = {};  // what follows it, in capitals; empty: nothing does
  bool needed = false;
};

struct Command {
  std::string_view name;
  std::string_view summary;        // a sentence
  std::string_view argument = {};  // what it needs one of, in capitals; empty: it takes none
  std::string_view argument_help = {};
  std::span<const CommandFlag> flags = {};
  bool all_options = false;  // as flags; otherwise those alone that say where the data are
  bool asks_server = false;  // takes the address instead of the database
  bool hidden = false;       // not in --help: for building the documentation
};

std::span<const Command> command_table();
std::string render_command_table_markdown();  // for docs/
// Whether a command takes the option as a flag; nullptr: the server, which takes all.
bool takes_option(const Command* command, const Option& option) noexcept;

struct CommandLine {
  const Command* command = nullptr;  // nullptr: serve, or what was refused before one was found
  ParseOutcome outcome;
  std::string argument;
  std::vector<std::string> given_flags;                    // of the command's own
  std::map<std::string, std::string, std::less<>> values;  // of those that take one

  bool has(std::string_view flag) const { return std::ranges::find(given_flags, flag) != given_flags.end(); }
  std::string value(std::string_view flag) const {  // empty: it was not given
    const auto found = values.find(flag);
    return found == values.end() ? std::string() : found->second;
  }
};

// The command is the first argument. Everything else is as with parse_options().
CommandLine parse_command_line(int argc, const char* const* argv, const Environment& environment);

}  // namespace lictor::config
