#include "lictor/usage.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "base/suggest.h"
#include "lictor/text.h"

namespace lictor::cli {
namespace {

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App* one) { return !one->get_group().empty(); }))
    names.push_back(command->get_name());
  return names;
}

std::vector<std::string> flag_names(const std::vector<const CLI::App*>& path) {
  std::vector<std::string> names;
  for (const CLI::App* app : path) {
    for (const CLI::Option* option : app->get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
  }
  return names;
}

std::string suggestion(const std::string& name, const std::vector<std::string>& candidates) {
  const std::vector<std::string_view> views(candidates.begin(), candidates.end());
  return base::suggestion(name, views);
}

// Of a placeholder: WHAT, SHELL.
std::string upper(std::string name) {
  for (char& c : name) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return name;
}

// `--product (name of the product)`, `WHAT (a request id or a license)`
std::string described(const CLI::Option& option) {
  const std::string name = option.get_positional() ? upper(option.get_name(true)) : option.get_name();
  std::string text = option.get_description();
  const bool is_word = text.size() < 2 || text[1] < 'A' || text[1] > 'Z';  // and no abbreviation
  if (is_word && !text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] - 'A' + 'a');
  return fmt::format("{} ({})", name, text);
}

// Everything that is required and not there, at once.
std::string missing_text(const std::vector<const CLI::App*>& path) {
  std::string missing;
  for (const CLI::Option* option : path.back()->get_options()) {
    if (!option->get_required() || option->count() > 0) continue;
    missing += (missing.empty() ? "" : " and ") + described(*option);
  }
  return missing.empty() ? std::string() : fmt::format("{} needs {}", command_text(path), missing);
}

// The option whose name is the beginning of CLI11's message.
const CLI::Option* named_option(const std::vector<const CLI::App*>& path, std::string_view message) {
  const CLI::Option* found = nullptr;
  for (const CLI::App* app : path) {
    for (const CLI::Option* option : app->get_options()) {
      const std::string name = option->get_name();
      if (message.starts_with(name) && (found == nullptr || name.size() > found->get_name().size())) found = option;
    }
  }
  return found;
}

// `--limit excludes --all`, `--policy requires --product`
std::string pair_text(const CLI::ParseError& error, const char* verb, const char* format) {
  const std::string what = error.what();
  const std::size_t at = what.find(verb);
  if (at == std::string::npos) return what;
  return fmt::format(fmt::runtime(format), what.substr(0, at), what.substr(at + std::string_view(verb).size()));
}

std::string value_message(const std::vector<const CLI::App*>& path, const CLI::ParseError& error) {
  const std::string what = error.what();
  const CLI::Option* const option = named_option(path, what);
  if (option == nullptr) return what;
  const std::string name = option->get_name();
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    if (option->get_items_expected_max() == 0) return fmt::format("{} takes no value", name);
    return option->count() > 1 ? fmt::format("{} is given more than once", name)
                               : fmt::format("{} needs a value: {}", name, option->get_description());
  }
  // `--status: gone: not allowed; give …` loses its first colon.
  const bool has_colon = what.compare(name.size(), 2, ": ") == 0;
  return has_colon ? name + " " + what.substr(name.size() + 2) : what;
}

}  // namespace

std::vector<const CLI::App*> command_path(const CLI::App& app) {
  std::vector<const CLI::App*> path = {&app};
  while (!path.back()->get_subcommands().empty()) path.push_back(path.back()->get_subcommands().front());
  return path;
}

std::string command_text(const std::vector<const CLI::App*>& path) {
  std::string text = "lictor";
  for (std::size_t i = 1; i < path.size(); ++i) text += " " + path[i]->get_name();
  return text;
}

std::string usage_message(const CLI::App& app, const CLI::ParseError& error) {
  const auto path = command_path(app);
  const std::vector<std::string> names = command_names(*path.back());
  for (const std::string& extra : app.remaining(true)) {
    if (extra.starts_with("-") && extra != "-" && extra != "--") {
      const std::string flag = extra.substr(0, extra.find('='));
      return fmt::format("{}: unknown option{}", printable(flag), suggestion(flag, flag_names(path)));
    }
    if (!names.empty()) return fmt::format("{}: unknown command{}", printable(extra), suggestion(extra, names));
    return fmt::format("{}: one argument too many", printable(extra));
  }
  if (!names.empty()) return fmt::format("{} needs a command: {}", command_text(path), fmt::join(names, ", "));
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    if (std::string text = missing_text(path); !text.empty()) return text;
  }
  if (dynamic_cast<const CLI::ExcludesError*>(&error) != nullptr)
    return pair_text(error, " excludes ", "{} and {} can't be given together");
  if (dynamic_cast<const CLI::RequiresError*>(&error) != nullptr)
    return pair_text(error, " requires ", "{} needs {} beside it");
  return printable(value_message(path, error));
}

}  // namespace lictor::cli
