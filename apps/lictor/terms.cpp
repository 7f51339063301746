#include "lictor/terms.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <fstream>
#include <iostream>
#include <iterator>

#include "lictor/arguments.h"
#include "lictor/error.h"
#include "lictor/json_fields.h"
#include "lictor/values.h"

namespace lictor::cli {
namespace json = boost::json;
namespace {

constexpr std::size_t kMaxTermsBytes = 64 * 1024;  // no request may be longer

json::value text_value(std::string_view, const std::string& text) { return json::string(text); }
json::value duration_value(std::string_view flag, const std::string& text) {
  return required_value(flag, text, parse_duration(text));
}
json::value duration_or_never_value(std::string_view flag, const std::string& text) {
  return to_json(required_value(flag, text, parse_duration_or_never(text)));
}
json::value limit_value(std::string_view flag, const std::string& text) {
  return to_json(required_value(flag, text, parse_limit(text)));
}

// The members of terms that have a flag of their own; all others come with --terms.
struct TermsFlag {
  const char* flag;
  const char* member;
  json::value (*read)(std::string_view flag, const std::string& text);
  const char* help;
  const char* type;  // of the value: with '|' in it, the choices
};
const TermsFlag kTermsFlags[] = {
    {"--type", "type", text_value, "The kind of license", "perpetual|subscription|trial|metered"},
    {"--duration", "duration", duration_or_never_value, "How long a license lasts: 365d, or never", "DURATION"},
    {"--starts", "starts", text_value, "What starts the duration", "on_issue|on_first_activation"},
    {"--grace", "grace", duration_value, "Still valid for so long after the expiry: 7d", "DURATION"},
    {"--expiry-mode", "expiry_mode", text_value, "What holds after the expiry", "restrict|maintain|allow"},
    {"--max-clients", "max_clients", limit_value, "Seats of a license, or unlimited", "N"},
    {"--lease", "lease", duration_value, "Floating seats, held for so long at a time: 10m; 0 is node-locked",
     "DURATION"},
    {"--binding", "binding", text_value, "How strictly a seat is bound to the hardware", "none|strict|normal|loose"},
    {"--check-in", "check_in", duration_value, "Refuse clients that were not seen for so long: 30d", "DURATION"},
    {"--max-transfers", "max_transfers", limit_value, "Moves of a node-locked seat in a period, or unlimited", "N"},
    {"--version-range", "version_range", text_value, "Versions of the software that are covered", "RANGE"},
};

std::string read_stream(std::istream& stream, const std::string& name) {
  std::string text(kMaxTermsBytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  if (stream.bad()) throw CommandError(ExitCode::usage, fmt::format("--terms {}: it can't be read", printable(name)));
  if (text.size() > kMaxTermsBytes) {
    throw CommandError(ExitCode::usage, fmt::format("--terms {}: more than 64 KiB", printable(name)));
  }
  return text;
}

// `source`: a file, `-` for stdin, or the JSON itself.
json::object read_terms(const std::string& source) {
  std::string text = source;
  const bool is_json = source.find_first_not_of(" \t\r\n") == source.find('{');
  if (source == "-") {
    text = read_stream(std::cin, source);
  } else if (!is_json) {
    std::ifstream file(source, std::ios::binary);
    if (!file) throw CommandError(ExitCode::usage, fmt::format("--terms {}: there is no such file", printable(source)));
    text = read_stream(file, source);
  }
  boost::system::error_code error;
  const json::value terms = json::parse(text, error);
  const std::string name = is_json ? "" : " " + printable(source);
  if (error) throw CommandError(ExitCode::usage, fmt::format("--terms{}: no JSON: {}", name, error.message()));
  if (!terms.is_object()) throw CommandError(ExitCode::usage, fmt::format("--terms{}: not a JSON object", name));
  return terms.get_object();
}

Choices choices_of(std::string_view type) {
  Choices choices;
  while (!type.empty()) {
    const std::size_t bar = type.find('|');
    choices.emplace_back(type.substr(0, bar));
    type = bar == std::string_view::npos ? std::string_view() : type.substr(bar + 1);
  }
  return choices;
}

}  // namespace

void add_terms_options(CLI::App& command, TermsOptions& options) {
  add_text(command, "--terms", options.source,
           "All members of the terms: a file, - for stdin, or JSON; the other options go before it", "FILE");
  options.values.resize(std::size(kTermsFlags));
  for (std::size_t i = 0; i < options.values.size(); ++i) {
    const TermsFlag& flag = kTermsFlags[i];
    if (std::string_view(flag.type).find('|') != std::string_view::npos) {
      add_choice(command, flag.flag, options.values[i], flag.help, choices_of(flag.type));
    } else {
      add_text(command, flag.flag, options.values[i], flag.help, flag.type);
    }
  }
  add_repeated(command, "--feature", options.features, "A feature, perhaps with a limit", "NAME[=LIMIT]");
  add_repeated(command, "--quota", options.quotas, "A quota of usage, such as api_calls=10000/month",
               "METRIC=AMOUNT/PERIOD");
}

json::object build_terms(const TermsOptions& options) {
  json::object terms = options.source.empty() ? json::object() : read_terms(options.source);
  for (std::size_t i = 0; i < options.values.size(); ++i) {
    const TermsFlag& flag = kTermsFlags[i];
    if (!options.values[i].empty()) terms[flag.member] = flag.read(flag.flag, options.values[i]);
  }
  const auto add = [&terms](const char* flag, const char* member, const std::vector<std::string>& texts, auto parse) {
    if (texts.empty()) return;
    json::object members = object_of(terms, member);
    for (const std::string& text : texts) {
      Member one = required_value(flag, text, parse(text));
      members[one.first] = std::move(one.second);
    }
    terms[member] = std::move(members);
  };
  add("--feature", "features", options.features, parse_feature);
  add("--quota", "quotas", options.quotas, parse_quota);
  return terms;
}

json::object get_policy(Session& session, const std::string& product, const std::string& name) {
  for (json::value& item : array_of(session.client().get("/policies", {{"product", product}}), "policies")) {
    if (text_of(item.as_object(), "name") == name) return std::move(item.as_object());
  }
  throw CommandError(ExitCode::refused, fmt::format("product {} has no policy {}", printable(product), printable(name)),
                     fmt::format("lictor policy list --product {} shows them", printable(product)));
}

json::object merged_members(json::object present, const json::object& added, std::string_view flag,
                            const std::vector<std::string>& removed) {
  for (const std::string& name : removed) {
    if (present.erase(name) > 0) continue;
    throw CommandError(ExitCode::refused, fmt::format("{} {}: there is none of that name", flag, printable(name)));
  }
  for (const auto& [name, value] : added) present[name] = value;
  return present;
}

}  // namespace lictor::cli
