// lictor policy create | list
#include <fmt/format.h>

#include <array>
#include <boost/json.hpp>
#include <fstream>
#include <iostream>
#include <iterator>

#include "lictor/error.h"
#include "lictor/json_fields.h"
#include "lictor/session.h"
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
};
constexpr TermsFlag kTermsFlags[] = {
    {"--type", "type", text_value, "perpetual, subscription, trial or metered"},
    {"--duration", "duration", duration_or_never_value, "How long a license lasts: 365d, or never"},
    {"--starts", "starts", text_value, "What starts the duration: on_issue or on_first_activation"},
    {"--grace", "grace", duration_value, "Still valid for so long after the expiry: 7d"},
    {"--expiry-mode", "expiry_mode", text_value, "After the expiry: restrict, maintain or allow"},
    {"--max-clients", "max_clients", limit_value, "Seats of a license, or unlimited"},
    {"--lease", "lease", duration_value, "Floating seats, held for so long at a time: 10m; 0 is node-locked"},
    {"--binding", "binding", text_value, "To the hardware: none, strict, normal or loose"},
    {"--check-in", "check_in", duration_value, "Refuse clients that were not seen for so long: 30d"},
    {"--max-transfers", "max_transfers", limit_value, "Moves of a node-locked seat in a period, or unlimited"},
    {"--version-range", "version_range", text_value, "Versions of the software that are covered"},
};

struct CreateOptions {
  std::string product, name, terms;
  std::array<std::string, std::size(kTermsFlags)> values;  // in the order of kTermsFlags
  std::vector<std::string> features, quotas;
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

// Flags go before what --terms says.
json::object build_terms(const CreateOptions& options) {
  json::object terms = options.terms.empty() ? json::object() : read_terms(options.terms);
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

void create(Session& session, const CreateOptions& options) {
  const json::object body{{"product", options.product}, {"name", options.name}, {"terms", build_terms(options)}};
  const json::object policy = session.client().post("/policies", body);
  if (session.output().json()) return session.output().print_json(policy);
  session.output().print_line(
      fmt::format("policy {} of {} is there; issue a license: lictor license create --product {} --policy {}",
                  text_of(policy, "name"), options.product, options.product, text_of(policy, "name")));
}

struct ListOptions {
  std::string product;
};

std::string clients_text(const json::object& terms) {
  return terms.contains("max_clients") ? limit_text(terms, "max_clients") : "1";
}

void list(Session& session, const ListOptions& options) {
  const json::array policies = array_of(session.client().get("/policies", {{"product", options.product}}), "policies");
  if (session.output().json()) return session.output().print_json(policies);
  Table table({"PRODUCT", "NAME", "TYPE", "DURATION", "CLIENTS", "SEATS", "BINDING", "POLICY ID"});
  for (const json::value& item : policies) {
    const json::object& policy = item.as_object();
    const json::object terms = object_of(policy, "terms");
    const std::string type = text_of(terms, "type");
    const std::string binding = text_of(terms, "binding");
    const auto duration = number_of(terms, "duration");
    const std::int64_t lease = number_of(terms, "lease").value_or(0);
    table.add({{text_of(policy, "product")},
               {text_of(policy, "name")},
               {type.empty() ? "perpetual" : type},
               {duration ? format_duration(*duration) : "never ends"},
               {clients_text(terms)},
               {lease > 0 ? "floating, " + format_duration(lease) : "node-locked"},
               {binding.empty() ? "none" : binding},
               {text_of(policy, "id")}});
  }
  if (table.empty()) return session.output().remark("lictor: no policies");
  session.output().print(table);
}

}  // namespace

void add_policy_commands(CLI::App& app, Commands commands) {
  const char* const example =
      "lictor policy create --product my-app team --type subscription --duration 365d --max-clients 10 --lease 10m "
      "--feature export --quota api_calls=10000/month";
  CLI::App& group = commands.add_group(app, "policy", "Create and list policies: what licenses grant", example);
  auto o = std::make_shared<CreateOptions>();
  CLI::App& command = commands.add(group, "create", "Create a policy", example, o, create);
  command.add_option("name", o->name, "Its name: small letters, digits, '.', '_' and '-'")->required();
  command.add_option("--product", o->product, "Name of the product")->required();
  command.add_option("--terms", o->terms, "All members of the terms: a file, - for stdin, or JSON; flags go before it");
  for (std::size_t i = 0; i < o->values.size(); ++i)
    command.add_option(kTermsFlags[i].flag, o->values[i], kTermsFlags[i].help);
  command.add_option("--feature", o->features, "NAME or NAME=LIMIT; may be repeated")->allow_extra_args(false);
  command.add_option("--quota", o->quotas, "METRIC=AMOUNT/PERIOD, api_calls=10000/month; may be repeated")
      ->allow_extra_args(false);

  auto l = std::make_shared<ListOptions>();
  CLI::App& listing = commands.add(group, "list", "List the policies", "lictor policy list --product demo", l, list);
  listing.add_option("--product", l->product, "Only of this product");
}

}  // namespace lictor::cli
