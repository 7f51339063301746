// Options whose values are checked while the command line is read, in words that say what is allowed. Completion and
// --help show the same choices.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lictor::cli {

using Choices = std::vector<std::string>;

// One of `choices`. The type's name in --help is the choices joined with '|', from which completion takes them.
CLI::Option* add_choice(CLI::App& command, const std::string& name, std::string& target, const std::string& help,
                        const Choices& choices);

// A whole number from `min` to `max`.
CLI::Option* check_number(CLI::Option* option, std::int64_t min, std::int64_t max);
template <class Number>
CLI::Option* add_number(CLI::App& command, const std::string& name, Number& target, const std::string& help,
                        std::int64_t min, std::int64_t max) {
  return check_number(command.add_option(name, target, help), min, max);
}

// A text; what it names in --help is `type`. FILE and DIR are completed as such.
CLI::Option* add_text(CLI::App& command, const std::string& name, std::string& target, const std::string& help,
                      const std::string& type = "TEXT");
// Given once for each value: --name A --name B.
CLI::Option* add_repeated(CLI::App& command, const std::string& name, std::vector<std::string>& target,
                          const std::string& help, const std::string& type = "TEXT");

// How many items a list shows.
struct Amount {
  std::size_t limit = 50;
  bool all = false;
  bool limit_given = false;
  std::optional<std::size_t> most() const { return all ? std::nullopt : std::optional(limit); }
};
void add_amount(CLI::App& command, Amount& amount);  // --limit and --all

// What every change of one thing takes.
struct ChangeOptions {
  std::string reason, if_match;
  bool yes = false;
};
void add_reason(CLI::App& command, ChangeOptions& options);
void add_if_match(CLI::App& command, ChangeOptions& options);
void add_yes(CLI::App& command, ChangeOptions& options);

}  // namespace lictor::cli
