#include "config/options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <sstream>

#include "config/option_value.h"
#include "config/options_file.h"
#include "config/suggest.h"

namespace lictor::config {
namespace {

constexpr std::string_view kEnvironmentPrefix = "LICTOR_";
constexpr std::array<std::string_view, 2> kCommandLineTool{"LICTOR_API_KEY",
                                                           "LICTOR_URL"};  // read by lictor, not lictord
constexpr std::string_view kDataMark = "<data>";

// ---- flags ---------------------------------------------------------------------------------------------------------

struct Flags {
  std::vector<Setting> settings;
  std::vector<std::string> problems;
  std::optional<std::string> information;  // of --help or --version
};

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
  return text;
}

std::string unknown_argument(const std::string& argument) {
  if (!argument.starts_with('-')) return fmt::format("unexpected argument {}", argument.substr(0, 100));
  std::vector<std::string_view> flags{"--help", "--version"};
  for (const Option& option : option_table()) flags.push_back(option.flag);
  const std::string flag = argument.substr(0, std::min(argument.find('='), std::size_t{100}));
  return fmt::format("unknown flag {}{}", flag, suggestion(flag, flags));
}

// The texts of the flags; what they mean is looked at later, together with the other sources.
struct FlagTexts {
  explicit FlagTexts(CLI::App& app) : texts(option_table().size()), given(option_table().size()) {
    for (std::size_t row = 0; row < texts.size(); ++row) {
      const Option& option = option_table()[row];
      const std::string flag(option.flag), help(help_text(option));
      if (option.type == OptionType::toggle) {
        given[row] = app.add_flag(flag, help);
      } else {
        given[row] = app.add_option(flag, texts[row], help)->type_name(std::string(value_name(option.type)));
      }
    }
  }

  std::vector<std::string> texts;
  std::vector<CLI::Option*> given;
};

// "--data=" with nothing after it, as a script writes whose variable is empty. CLI11 would take the next argument.
std::optional<std::string> find_flag_without_value(int argc, const char* const* argv) {
  for (int at = 1; at < argc; ++at) {
    const std::string_view argument(argv[at]);
    if (argument.starts_with("--") && argument.ends_with('=')) return fmt::format("nothing follows {}", argument);
  }
  return {};
}

Flags read_flags(int argc, const char* const* argv) {
  Flags flags;
  if (auto problem = find_flag_without_value(argc, argv)) {
    flags.problems.push_back(std::move(*problem));
    return flags;
  }
  CLI::App app("lictord: the Lictor license server", "lictord");
  app.set_help_flag("-h,--help", "Print this and leave");
  app.set_version_flag("--version", "lictord " LICTOR_VERSION, "Print the version and leave");
  app.get_formatter()->column_width(34);
  app.allow_extras();  // to say more about them than CLI11 does
  const FlagTexts read(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    std::ostringstream out;
    app.exit(success, out, out);
    flags.information = std::move(out).str();
    return flags;
  } catch (const CLI::ParseError& error) {
    flags.problems.emplace_back(error.what());
    return flags;
  }
  const std::vector<std::string> unknown = app.remaining();
  if (!unknown.empty()) flags.problems.push_back(unknown_argument(unknown.front()));
  for (std::size_t row = 0; row < read.texts.size(); ++row) {
    const Option& option = option_table()[row];
    if (read.given[row]->count() == 0) continue;
    const bool toggle = option.type == OptionType::toggle;
    flags.settings.push_back(
        {&option, toggle ? read.given[row]->results().front() : read.texts[row], std::string(option.flag)});
  }
  return flags;
}

// ---- environment ---------------------------------------------------------------------------------------------------

bool has(const std::vector<Setting>& settings, const Option& option) {
  return std::any_of(settings.begin(), settings.end(), [&](const Setting& s) { return s.option == &option; });
}

void read_variable(const Environment& environment, const Option& option, std::string_view name,
                   std::vector<Setting>& settings) {
  const auto found = name.empty() ? environment.end() : environment.find(name);
  if (found == environment.end() || found->second.empty()) return;
  settings.push_back({&option, found->second, fmt::format("environment variable {}", name)});
}

std::vector<Setting> read_environment(const Environment& environment, const std::vector<Setting>& flags) {
  std::vector<Setting> settings;
  for (const Option& option : option_table()) {
    read_variable(environment, option, option.environment, settings);
    // A DATABASE_URL of some other program must not hinder who says clearly what is wanted.
    if (!has(settings, option) && !has(flags, option)) {
      read_variable(environment, option, option.fallback_environment, settings);
    }
  }
  return settings;
}

std::vector<std::string> warn_of_unknown_variables(const Environment& environment) {
  std::vector<std::string_view> known;
  for (const Option& option : option_table()) known.push_back(option.environment);
  std::vector<std::string> warnings;
  for (const auto& [name, value] : environment) {
    if (!name.starts_with(kEnvironmentPrefix)) continue;
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    if (std::find(kCommandLineTool.begin(), kCommandLineTool.end(), name) != kCommandLineTool.end()) continue;
    warnings.push_back(fmt::format("unknown environment variable {}{}", name, suggestion(name, known)));
  }
  return warnings;
}

// ---- together ------------------------------------------------------------------------------------------------------

class Assembly {
 public:
  // Checks each setting and stores it over what is there: call with the weakest source first.
  void apply(const std::vector<Setting>& settings) {
    for (const Setting& setting : settings) apply(setting);
  }

  void apply_defaults() {
    for (const Option& option : option_table()) {
      if (option.default_text.empty() || is_set(option)) continue;
      std::string text(option.default_text);
      if (const std::size_t mark = text.find(kDataMark); mark != std::string::npos) {
        text.replace(mark, kDataMark.size(), options_.server.data.string());  // set: its row comes earlier
      }
      apply({&option, std::move(text), "default"});
    }
  }

  void check_together() {
    if (options_.log.file.empty() && !options_.log.to_stderr) {
      problems_.emplace_back("option log_stderr: off is refused, because log_file is - and nothing would be logged");
    }
  }

  void refuse(const std::vector<std::string>& problems) {
    problems_.insert(problems_.end(), problems.begin(), problems.end());
  }

  ParseOutcome outcome() && {
    ParseOutcome outcome;
    if (problems_.empty()) {
      outcome.options = std::move(options_);
      return outcome;
    }
    for (std::string& problem : problems_) {
      const auto is_control = [](char c) { return (c >= 0 && c < ' ') || c == '\x7F'; };
      std::replace_if(problem.begin(), problem.end(), is_control, '?');  // values come from anywhere
      outcome.text += "lictord: " + problem + '\n';
    }
    outcome.text += "Run lictord --help for all options.\n";
    outcome.exit_code = 2;
    return outcome;
  }

 private:
  void apply(const Setting& setting) {
    const Option& option = *setting.option;
    if (option.type == OptionType::database && setting.text.empty()) return;  // the default
    const auto value = parse_option_value(option, setting.text);
    set_.push_back(&option);
    if (value) {
      option.store(options_, *value);
      return;
    }
    const std::string& reason = value.problem().message;
    problems_.push_back(fmt::format("option {}: {} (from {}) is refused{}{}; allowed: {}", option.name,
                                    shown_value(option, setting.text), setting.origin,
                                    reason.empty() ? "" : ", because ", reason, allowed_text(option)));
  }

  bool is_set(const Option& option) const { return std::find(set_.begin(), set_.end(), &option) != set_.end(); }

  Options options_;
  std::vector<const Option*> set_;
  std::vector<std::string> problems_;
};

// The file to read: what --config says, else LICTOR_CONFIG.
const Setting* find_config(const std::vector<Setting>& flags, const std::vector<Setting>& environment) {
  for (const auto* source : {&flags, &environment}) {
    for (const Setting& setting : *source) {
      if (setting.option->name == "config" && !setting.text.empty()) return &setting;
    }
  }
  return nullptr;
}

}  // namespace

Environment process_environment() {
  Environment environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos) environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return environment;
}

ParseOutcome parse_options(int argc, const char* const* argv, const Environment& environment) {
  Flags flags = read_flags(argc, argv);
  if (flags.information) return {std::nullopt, std::move(*flags.information), 0, {}};
  const std::vector<Setting> variables = read_environment(environment, flags.settings);

  Assembly assembly;
  assembly.refuse(flags.problems);
  if (const Setting* config = find_config(flags.settings, variables)) {
    const FileSettings file = read_options_file(config->text, config->origin);
    assembly.refuse(file.problems);
    assembly.apply(file.settings);
  }
  assembly.apply(variables);
  assembly.apply(flags.settings);
  assembly.apply_defaults();
  assembly.check_together();
  ParseOutcome outcome = std::move(assembly).outcome();
  outcome.warnings = warn_of_unknown_variables(environment);
  return outcome;
}

}  // namespace lictor::config
