#include "config/options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/suggest.h"
#include "config/commands.h"
#include "config/flags.h"
#include "config/option_value.h"
#include "config/options_file.h"

namespace lictor::config {
namespace {

constexpr std::string_view kEnvironmentPrefix = "LICTOR_";
constexpr std::array<std::string_view, 2> kCommandLineTool{"LICTOR_API_KEY",
                                                           "LICTOR_URL"};  // read by lictor, not lictord
constexpr std::string_view kDataMark = "<data>";

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
    warnings.push_back(fmt::format("unknown environment variable {}{}", name, base::suggestion(name, known)));
  }
  return warnings;
}

// ---- together ------------------------------------------------------------------------------------------------------

class Assembly {
 public:
  // Checks each setting and stores it over what is there: call with the weakest source first.
  void apply(const std::vector<Setting>& settings, Source source) {
    for (const Setting& setting : settings) apply(setting, source);
  }

  void apply_defaults() {
    for (const Option& option : option_table()) {
      if (is_set(option)) continue;
      if (option.default_text.empty()) {
        values_[row_of(option)] = {&option, Source::default_value, "default", {}, {}};
        continue;
      }
      std::string text(option.default_text);
      if (const std::size_t mark = text.find(kDataMark); mark != std::string::npos) {
        text.replace(mark, kDataMark.size(), options_.server.data.string());  // set: its row comes earlier
      }
      apply({&option, std::move(text), "default"}, Source::default_value);
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

  ParseOutcome outcome(std::string_view program) && {
    ParseOutcome outcome;
    if (problems_.empty()) {
      outcome.options = std::move(options_);
      outcome.values = std::move(values_);
      return outcome;
    }
    for (std::string& problem : problems_) {
      const auto is_control = [](char c) { return (c >= 0 && c < ' ') || c == '\x7F'; };
      std::replace_if(problem.begin(), problem.end(), is_control, '?');  // values come from anywhere
      outcome.text += "lictord: " + problem + '\n';
    }
    outcome.text += fmt::format("Run {} --help for all options.\n", program);
    outcome.problems = std::move(problems_);
    outcome.exit_code = 2;
    return outcome;
  }

 private:
  static std::size_t row_of(const Option& option) { return static_cast<std::size_t>(&option - option_table().data()); }

  void apply(const Setting& setting, Source source) {
    const Option& option = *setting.option;
    // The default; but whoever types --database-url means one.
    const bool may_be_empty =
        option.type == OptionType::redis || (option.type == OptionType::database && source != Source::flag);
    if (may_be_empty && setting.text.empty()) return;
    const auto value = parse_option_value(option, setting.text);
    set_.push_back(&option);
    if (value) {
      option.store(options_, *value);
      values_[row_of(option)] = {&option, source, setting.origin, setting.text, *value};
      return;
    }
    const std::string& reason = value.problem().message;
    problems_.push_back(fmt::format("option {}: {} (from {}) is refused{}{}; allowed: {}", option.name,
                                    shown_value(option, setting.text), setting.origin,
                                    reason.empty() ? "" : ", because ", reason, allowed_text(option)));
  }

  bool is_set(const Option& option) const { return std::find(set_.begin(), set_.end(), &option) != set_.end(); }

  Options options_;
  std::vector<EffectiveOption> values_ = std::vector<EffectiveOption>(option_table().size());
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

namespace {

// Everything but the command's own flags.
ParseOutcome put_together(Flags& flags, const Environment& environment, std::string_view program) {
  if (flags.information) {
    ParseOutcome information;
    information.text = std::move(*flags.information);
    return information;
  }
  const std::vector<Setting> variables = read_environment(environment, flags.settings);
  Assembly assembly;
  assembly.refuse(flags.problems);
  if (const Setting* config = find_config(flags.settings, variables)) {
    const FileSettings file = read_options_file(config->text, config->origin);
    assembly.refuse(file.problems);
    assembly.apply(file.settings, Source::file);
  }
  assembly.apply(variables, Source::environment);
  assembly.apply(flags.settings, Source::flag);
  assembly.apply_defaults();
  assembly.check_together();
  ParseOutcome outcome = std::move(assembly).outcome(program);
  outcome.warnings = warn_of_unknown_variables(environment);
  return outcome;
}

}  // namespace

std::string_view source_name(Source source) noexcept {
  constexpr std::array<std::string_view, 4> kNames{"default", "file", "environment", "flag"};
  return kNames[static_cast<std::size_t>(source)];
}

ParseOutcome parse_options(int argc, const char* const* argv, const Environment& environment) {
  Flags flags = read_flags(argc, argv, nullptr);
  return put_together(flags, environment, "lictord");
}

CommandLine parse_command_line(int argc, const char* const* argv, const Environment& environment) {
  CommandLine line;
  const std::string_view first = argc > 1 ? argv[1] : "";
  if (first.empty() || first.starts_with('-')) {
    line.outcome = parse_options(argc, argv, environment);
    return line;
  }
  const auto commands = command_table();
  const auto found = std::ranges::find(commands, first, &Command::name);
  if (found == commands.end()) {
    Flags flags;
    flags.problems.push_back(unknown_command(first));
    line.outcome = put_together(flags, {}, "lictord");
    return line;
  }
  line.command = &*found;
  Flags flags = read_flags(argc, argv, line.command);
  line.argument = std::move(flags.argument);
  line.given_flags = std::move(flags.given);
  line.values = std::move(flags.values);
  line.outcome = put_together(flags, environment, fmt::format("lictord {}", line.command->name));
  return line;
}

}  // namespace lictor::config
