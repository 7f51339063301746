// The configuration: a TOML file when the first byte is even, else one option's value. Every problem says where and
// what; what is taken lies within the option's bounds, has been said by a text that is allowed, and written as TOML
// again it is taken as the same. A value that is shown in an error gives no password away.
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/encoding.h"
#include "config/option_value.h"
#include "config/options.h"
#include "config/options_file.h"
#include "fuzz/targets.h"

#include <sys/mman.h>

namespace lictor::fuzz {
namespace {

using config::Option;
using config::OptionType;

config::FileSettings read_file(std::string_view text) {
  static const int descriptor = memfd_create("options", MFD_CLOEXEC);
  static const std::string path = "/proc/self/fd/" + std::to_string(descriptor);
  require(ftruncate(descriptor, 0) == 0 &&
              pwrite(descriptor, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()),
          "a file in memory");
  return config::read_options_file(path, "--config");
}

bool has_bounds(OptionType type) {
  return type == OptionType::integer || type == OptionType::bytes || type == OptionType::duration;
}

void check_value(const Option& option, std::string_view text) {
  const auto value = config::parse_option_value(option, text);
  const std::string shown = config::shown_value(option, text);
  require(shown.size() <= 130 && shown.starts_with('"'), "what is shown is short");
  const bool is_file = option.type == OptionType::database && text.starts_with("sqlite:");
  if ((option.type == OptionType::database || option.type == OptionType::redis) && !is_file)
    require(shown.size() <= text.substr(0, text.find(':')).size() + 6, "nothing of a URL but its scheme");
  if (!value) return require(!config::allowed_text(option).empty(), "what is allowed is said");
  if (has_bounds(option.type)) require(value->number >= option.min && value->number <= option.max, "within its bounds");
  if (option.type == OptionType::boolean || option.type == OptionType::toggle) require(value->number <= 1, "on or off");
  if (option.type == OptionType::address) require(value->number >= 0 && value->number <= 65535, "a port");
  if (option.type == OptionType::path || option.type == OptionType::database || option.type == OptionType::redis)
    require(!value->text.empty() && value->text.find('\0') == std::string::npos, "a path");
  config::Options options;
  option.store(options, *value);
}

std::string toml_string(std::string_view text) { return base::json_string(text); }  // basic strings are JSON's

void run_file(std::string_view text) {
  const auto found = read_file(text);
  for (const std::string& problem : found.problems)
    require(problem.starts_with("/proc/self/fd/") && problem.find(": ") != std::string::npos,
            "a problem says where and what");
  std::string again;
  for (const auto& setting : found.settings) {
    require(setting.origin.find(setting.option->toml_key) != std::string::npos, "a setting says where it stands");
    check_value(*setting.option, setting.text);
    const bool is_number = has_bounds(setting.option->type) && !setting.text.empty() &&
                           setting.text.find_first_not_of("-0123456789") == std::string::npos;
    again.append(setting.option->toml_key).append(" = ");
    again.append(is_number && setting.option->type == OptionType::integer ? setting.text : toml_string(setting.text))
        .append("\n");
  }
  if (!found.problems.empty()) return;
  const auto second = read_file(again);
  require(second.problems.empty(), second.problems.empty() ? "" : second.problems[0] + "\n" + again);
  require(second.settings.size() == found.settings.size(), "as many settings");
  for (const auto& setting : found.settings)
    require(std::ranges::any_of(second.settings,
                                [&](const auto& s) { return s.option == setting.option && s.text == setting.text; }),
            "written again, the same");
}

}  // namespace

void config(std::string_view input) {
  Input in(input);
  const std::uint8_t kind = in.byte();
  if (kind % 2 == 0) return run_file(in.rest());
  const auto options = config::option_table();
  check_value(options[kind / 2U % options.size()], in.rest());
}

Seeds config_seeds() {
  Seeds seeds;
  for (const std::string_view text :
       {"[server]\nlisten = \"127.0.0.1:8000\"\nio_threads = 2\nmax_body = \"64 KiB\"\n",
        "[database]\nurl = \"sqlite:/x/y.db\"\n", "[server]\nunknown = 1\n", "server.header_timeout = \"10s\"\n",
        "[log]\nlevel = 'debug'\nfile = \"\"\"-\"\"\"\n", "a = [1, 2, {b = 3}]\n", "[server\n",
        "x = 1979-05-27T07:32:00Z\n", "[[server]]\nlisten = 1\n", "# nothing\n", "\xff",
        "[server]\nlisten = \"\\u00e9\\U0001F600\"\n", "s = \"\"\"\\\n  a\"\"\"\n", "n = 0x_1\n",
        "f = -inf\nd = 1e400\n"})
    seeds.push_back('\0' + std::string(text));
  const auto options = config::option_table();
  std::string all;
  for (std::size_t i = 0; i < options.size(); ++i) {
    const char kind = static_cast<char>(2 * i + 1);
    seeds.push_back(kind + std::string(options[i].default_text));
    if (!options[i].toml_key.empty())
      all.append(options[i].toml_key).append(" = ").append(toml_string(options[i].default_text)).append("\n");
    for (const std::string_view text :
         {"1", "-1", "64KiB", "10s", "1h", "[::1]:80", "localhost:0", "sqlite:a.db", "99999999999999999999",
          "postgres://user:password@host/db", "on", "9223372036854775807GiB"})
      seeds.push_back(kind + std::string(text));
  }
  seeds.push_back('\0' + all);
  return seeds;
}

Words config_dictionary() {
  Words words{"[",   "]",          "[[", " = ", "\"", "\"\"\"",  "'''",        "\\u00e9", "\n", "true", "inf",
              "nan", "1979-05-27", "0x", "KiB", "ms", "sqlite:", "127.0.0.1:", "[::1]:",  "{",  "}",    ","};
  for (const Option& option : config::option_table()) {
    if (!option.toml_key.empty()) words.push_back(option.toml_key);
  }
  return words;
}

}  // namespace lictor::fuzz
