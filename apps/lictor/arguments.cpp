#include "lictor/arguments.h"

#include <fmt/format.h>

#include <charconv>

#include "base/choices.h"
#include "lictor/text.h"

namespace lictor::cli {
namespace {

std::string refusal(const std::string& text, const std::string& allowed) {
  return fmt::format("{}: not allowed; give {}", printable(text), allowed);
}

}  // namespace

CLI::Option* add_choice(CLI::App& command, const std::string& name, std::string& target, const std::string& help,
                        const Choices& choices) {
  const std::string joined = fmt::format("{}", fmt::join(choices, "|"));
  const auto check = [joined](std::string& text) {
    return base::is_choice(text, joined) ? std::string() : refusal(text, base::spelled_choices(joined));
  };
  return command.add_option(name, target, help)->check(CLI::Validator(check, ""))->type_name(joined);
}

CLI::Option* check_number(CLI::Option* option, std::int64_t min, std::int64_t max) {
  const auto check = [min, max](std::string& text) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool good = error == std::errc{} && end == text.data() + text.size() && number >= min && number <= max;
    return good ? std::string() : refusal(text, fmt::format("a whole number from {} to {}", min, max));
  };
  return option->check(CLI::Validator(check, ""))->type_name("N");
}

CLI::Option* add_text(CLI::App& command, const std::string& name, std::string& target, const std::string& help,
                      const std::string& type) {
  return command.add_option(name, target, help)->type_name(type);
}

CLI::Option* add_repeated(CLI::App& command, const std::string& name, std::vector<std::string>& target,
                          const std::string& help, const std::string& type) {
  return command.add_option(name, target, help + "; may be repeated")->allow_extra_args(false)->type_name(type);
}

void add_amount(CLI::App& command, Amount& amount) {
  add_number(command, "--limit", amount.limit, fmt::format("How many at most ({})", amount.limit), 1, 10'000'000)
      ->each([&amount](const std::string&) { amount.limit_given = true; });
  command.add_flag("--all", amount.all, "All of them")->excludes("--limit");
}

void add_reason(CLI::App& command, ChangeOptions& options) {
  add_text(command, "--reason", options.reason, "Why; kept in the audit log");
}

void add_if_match(CLI::App& command, ChangeOptions& options) {
  add_text(command, "--if-match", options.if_match, "Only if it still has this etag (show --json has it)", "ETAG");
}

void add_yes(CLI::App& command, ChangeOptions& options) {
  command.add_flag("--yes,-y", options.yes, "Do not ask; needed when stdin is no terminal");
}

}  // namespace lictor::cli
