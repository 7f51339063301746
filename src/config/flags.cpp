#include "config/flags.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <sstream>

#include "base/suggest.h"

namespace lictor::config {
namespace {

constexpr std::size_t kMaxShownBytes = 100;

std::string_view value_name(OptionType type) {
  switch (type) {
    case OptionType::toggle:
      return "";
    case OptionType::boolean:
      return "on|off";
    case OptionType::integer:
      return "N";
    case OptionType::bytes:
      return "SIZE";
    case OptionType::duration:
      return "TIME";
    case OptionType::choice:
      return "WORD";
    case OptionType::path:
      return "PATH";
    case OptionType::address:
      return "HOST:PORT";
    case OptionType::database:
    case OptionType::redis:
      return "URL";
  }
  return "";
}

std::string help_text(const Option& option) {
  std::string text(option.help);
  if (option.type != OptionType::path && option.type != OptionType::toggle) {
    text += "\nAllowed: " + allowed_text(option);
  }
  text += fmt::format("\nDefault: {}; environment: {}", option.default_text.empty() ? "none" : option.default_text,
                      option.environment);
  if (!option.fallback_environment.empty()) text += fmt::format(" or {}", option.fallback_environment);
  if (!option.toml_key.empty()) text += fmt::format("; file: {}", option.toml_key);
  if (option.changeable) text += "; changes with SIGHUP";
  return text;
}

std::string list_of_commands() {
  std::string text = "Commands (lictord COMMAND --help tells more):\n";
  for (const Command& command : command_table()) {
    if (command.hidden) continue;
    const std::string usage = fmt::format("{} {}", command.name, command.argument);
    text += fmt::format("  {:<16}{}\n", usage, command.summary);
  }
  return text;
}

std::string unknown_argument(const std::string& argument, const Command* command) {
  if (!argument.starts_with('-')) {
    const auto commands = command_table();
    const bool is_command =
        command == nullptr && std::ranges::find(commands, argument, &Command::name) != commands.end();
    return fmt::format("unexpected argument {}{}", argument.substr(0, kMaxShownBytes),
                       is_command ? ": a command is the first argument" : "");
  }
  std::vector<std::string_view> flags{"--help", "--version"};
  for (const Option& option : option_table()) {
    if (takes_option(command, option)) flags.push_back(option.flag);
  }
  if (command != nullptr) {
    for (const CommandFlag& own : command->flags) flags.push_back(own.flag);
  }
  const std::string flag = argument.substr(0, std::min(argument.find('='), kMaxShownBytes));
  return fmt::format("unknown flag {}{}", flag, base::suggestion(flag, flags));
}

// The texts of the flags; what they mean is looked at later, together with the other sources.
class Reader {
 public:
  Reader(CLI::App& app, const Command* command) : command_(command), texts_(option_table().size()) {
    if (command != nullptr) add_own(app, *command);
    for (std::size_t row = 0; row < texts_.size(); ++row) {
      const Option& option = option_table()[row];
      if (!takes_option(command, option)) continue;
      const std::string flag(option.flag), help(help_text(option));
      given_[row] = option.type == OptionType::toggle
                        ? app.add_flag(flag, help)
                        : app.add_option(flag, texts_[row], help)->type_name(std::string(value_name(option.type)));
    }
  }

  // What was parsed.
  void take(const std::vector<std::string>& unknown, Flags& flags) {
    if (!unknown.empty()) flags.problems.push_back(unknown_argument(unknown.front(), command_));
    for (const auto& [row, read] : given_) {
      const Option& option = option_table()[row];
      if (read->count() == 0) continue;
      const bool toggle = option.type == OptionType::toggle;
      flags.settings.push_back({&option, toggle ? read->results().front() : texts_[row], std::string(option.flag)});
    }
    take_own(unknown, flags);
    if (command_ == nullptr || command_->argument.empty()) return;
    flags.argument = argument_;
    if (argument_.empty() && unknown.empty()) {
      flags.problems.push_back(
          fmt::format("{} needs {}: {}", command_->name, command_->argument, command_->argument_help));
    }
  }

 private:
  void take_own(const std::vector<std::string>& unknown, Flags& flags) const {
    if (command_ == nullptr) return;
    for (const CommandFlag& flag : command_->flags) {
      const std::string name(flag.flag);
      const CLI::Option& read = *own_.at(name);
      if (read.count() == 0) {
        if (flag.needed && unknown.empty()) {
          flags.problems.push_back(fmt::format("{} needs {} {}: {}", command_->name, name, flag.value, flag.help));
        }
        continue;
      }
      flags.given.push_back(name);
      if (!flag.value.empty()) {
        flags.values[name] = read.results().back();
      } else if (read.results().front() != "true") {
        flags.problems.push_back(fmt::format("{} takes no value", name));
      }
    }
  }
  void add_own(CLI::App& app, const Command& command) {
    if (!command.argument.empty()) {
      app.add_option(std::string(command.argument), argument_, std::string(command.argument_help))->type_name("");
    }
    for (const CommandFlag& flag : command.flags) {
      const std::string name(flag.flag), help(flag.help);
      own_[name] = flag.value.empty() ? app.add_flag(name, help)
                                      : app.add_option(name, values_[name], help)->type_name(std::string(flag.value));
    }
  }

  const Command* command_;
  std::vector<std::string> texts_;
  std::map<std::size_t, CLI::Option*> given_;  // by row
  std::map<std::string, CLI::Option*> own_;
  std::map<std::string, std::string> values_;  // of own_, while CLI11 reads
  std::string argument_;
};

// "--data=" with nothing after it, as a script writes whose variable is empty. CLI11 would take the next argument.
std::optional<std::string> find_flag_without_value(int argc, const char* const* argv) {
  for (int at = 1; at < argc; ++at) {
    const std::string_view argument(argv[at]);
    if (argument.starts_with("--") && argument.ends_with('=')) return fmt::format("nothing follows {}", argument);
  }
  return {};
}

void set_up(CLI::App& app, const Command* command) {
  app.set_help_flag("-h,--help", "Print this and leave");
  app.get_formatter()->column_width(34);
  app.allow_extras();  // to say more about them than CLI11 does
  if (command != nullptr) return;
  app.set_version_flag("--version", "lictord " LICTOR_VERSION, "Print the version and leave");
  app.footer(list_of_commands());
}

}  // namespace

std::string unknown_command(std::string_view name) {
  std::vector<std::string_view> names;
  std::string known;
  for (const Command& command : command_table()) {
    if (command.hidden) continue;
    names.push_back(command.name);
    known += (known.empty() ? "" : ", ") + std::string(command.name);
  }
  name = name.substr(0, kMaxShownBytes);
  return fmt::format("unknown command {}{}; the commands are {}", name, base::suggestion(name, names), known);
}

Flags read_flags(int argc, const char* const* argv, const Command* command) {
  Flags flags;
  if (auto problem = find_flag_without_value(argc, argv)) {
    flags.problems.push_back(std::move(*problem));
    return flags;
  }
  const std::string name = command == nullptr ? "lictord" : fmt::format("lictord {}", command->name);
  CLI::App app(command == nullptr ? "lictord: the Lictor license server" : std::string(command->summary), name);
  set_up(app, command);
  Reader reader(app, command);
  try {
    const int skipped = command == nullptr ? 0 : 1;
    app.parse(argc - skipped, argv + skipped);  // the first is taken for the program's name
  } catch (const CLI::Success& success) {
    std::ostringstream out;
    app.exit(success, out, out);
    flags.information = std::move(out).str();
    return flags;
  } catch (const CLI::ParseError& error) {
    flags.problems.emplace_back(error.what());
    return flags;
  }
  reader.take(app.remaining(), flags);
  return flags;
}

}  // namespace lictor::config
