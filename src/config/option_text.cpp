// What the table of options says, as text.
#include <fmt/format.h>

#include "base/choices.h"
#include "config/options.h"

namespace lictor::config {
namespace {

constexpr std::int64_t kMinute = 60'000;  // milliseconds
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::int64_t kDay = 24 * kHour;

std::string spelled_bytes(std::int64_t bytes) {
  if (bytes % (1024 * 1024 * 1024) == 0) return fmt::format("{}GiB", bytes / (1024 * 1024 * 1024));
  if (bytes % (1024 * 1024) == 0) return fmt::format("{}MiB", bytes / (1024 * 1024));
  return fmt::format("{}KiB", bytes / 1024);
}

std::string spelled_duration(std::int64_t milliseconds) {
  if (milliseconds == 0) return "0s";
  if (milliseconds % kDay == 0) return fmt::format("{}d", milliseconds / kDay);
  if (milliseconds % kHour == 0) return fmt::format("{}h", milliseconds / kHour);
  if (milliseconds % kMinute == 0) return fmt::format("{}m", milliseconds / kMinute);
  return fmt::format("{}ms", milliseconds);
}

std::string code(std::string_view text) { return text.empty() ? "–" : fmt::format("`{}`", text); }

}  // namespace

std::string allowed_text(const Option& option) {
  switch (option.type) {
    case OptionType::toggle:
    case OptionType::boolean:
      return "on or off";
    case OptionType::integer:
      return fmt::format("a whole number from {} to {}", option.min, option.max);
    case OptionType::bytes:
      return fmt::format("a size from {} to {}, such as 100000, 64KiB or 1MB", spelled_bytes(option.min),
                         spelled_bytes(option.max));
    case OptionType::duration:
      return fmt::format("a duration from {} to {}, such as 10, 10s, 500ms, 2m or 30d", spelled_duration(option.min),
                         spelled_duration(option.max));
    case OptionType::choice:
      return base::spelled_choices(option.choices);
    case OptionType::path:
      return "a path";
    case OptionType::address:
      return "HOST:PORT, such as 127.0.0.1:8000, 0.0.0.0:80 or [::1]:0";
    case OptionType::database:
      return "sqlite:PATH, postgresql://… or mysql://…";
    case OptionType::redis:
      return "redis://USER:PASSWORD@HOST:PORT/NUMBER, where all but the host may be left out, or unix:PATH";
  }
  return {};
}

std::string render_option_table_markdown() {
  std::string table =
      "| flag | environment | file | default | allowed | meaning | changes while running |\n"
      "| --- | --- | --- | --- | --- | --- | --- |\n";
  for (const Option& option : option_table()) {
    std::string environment = code(option.environment);
    if (!option.fallback_environment.empty()) environment += ", else " + code(option.fallback_environment);
    table +=
        fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n", code(option.flag), environment, code(option.toml_key),
                    code(option.default_text), allowed_text(option), option.help, option.changeable ? "yes" : "no");
  }
  return table;
}

}  // namespace lictor::config
