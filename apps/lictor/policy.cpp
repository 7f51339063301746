// lictor policy create | list | show | change | delete
#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/id.h"
#include "lictor/error.h"
#include "lictor/json_fields.h"
#include "lictor/session.h"
#include "lictor/terms.h"
#include "lictor/values.h"

namespace lictor::cli {
namespace json = boost::json;
namespace {

// ---- create ----

struct CreateOptions {
  std::string product, name;
  TermsOptions terms;
};

// What is allowed but perhaps not what was meant.
void remark_warnings(Session& session, const json::object& policy) {
  for (const json::value& warning : array_of(policy, "warnings")) {
    if (warning.is_string())
      session.output().remark("lictor: warning: " + printable(std::string(warning.get_string())));
  }
}

void create(Session& session, const CreateOptions& options) {
  const json::object body{{"product", options.product}, {"name", options.name}, {"terms", build_terms(options.terms)}};
  const json::object policy = session.client().post("/policies", body);
  remark_warnings(session, policy);
  if (session.output().json()) return session.output().print_json(policy);
  session.output().print_line(
      fmt::format("policy {} of {} is there; issue a license: lictor license create --product {} --policy {}",
                  text_of(policy, "name"), options.product, options.product, text_of(policy, "name")));
}

// ---- list, show ----

struct ListOptions {
  std::string product;
};

std::string clients_text(const json::object& terms) {
  return terms.contains("max_clients") ? limit_text(terms, "max_clients") : "1";
}

std::string text_or(const json::object& object, const char* name, const char* otherwise) {
  const std::string text = text_of(object, name);
  return text.empty() ? otherwise : text;
}

std::string duration_text(const json::object& terms) {
  const auto duration = number_of(terms, "duration");
  return duration ? format_duration(*duration) : "never ends";
}

std::string seats_text(const json::object& terms) {
  const std::int64_t lease = number_of(terms, "lease").value_or(0);
  return lease > 0 ? "floating, " + format_duration(lease) : "node-locked";
}

void list(Session& session, const ListOptions& options) {
  const json::array policies = array_of(session.client().get("/policies", {{"product", options.product}}), "policies");
  if (session.output().json()) return session.output().print_json(policies);
  Table table({"PRODUCT", "NAME", "TYPE", "DURATION", "CLIENTS", "SEATS", "BINDING", "POLICY ID"});
  for (const json::value& item : policies) {
    const json::object& policy = item.as_object();
    const json::object terms = object_of(policy, "terms");
    table.add({{text_of(policy, "product")},
               {text_of(policy, "name")},
               {text_or(terms, "type", "perpetual")},
               {duration_text(terms)},
               {clients_text(terms)},
               {seats_text(terms)},
               {text_or(terms, "binding", "none")},
               {text_of(policy, "id")}});
  }
  if (table.empty()) return session.output().remark("lictor: no policies");
  session.output().print(table);
}

struct OnePolicy : ChangeOptions {
  std::string name;  // or its id
  std::string product;
};

std::string find_policy(Session& session, const OnePolicy& options) {
  if (const auto id = base::parse_id(base::kPolicyPrefix, options.name))
    return base::format_id(base::kPolicyPrefix, *id);
  if (options.name.starts_with("pol_")) {
    throw CommandError(ExitCode::usage,
                       printable(options.name) + ": not the id of a policy; one is pol_ and 26 characters");
  }
  if (options.product.empty()) {
    throw CommandError(ExitCode::usage,
                       fmt::format("{}: a policy's name needs its --product beside it", printable(options.name)));
  }
  return text_of(get_policy(session, options.product, options.name), "id");
}

void print_policy(Session& session, const json::object& policy) {
  remark_warnings(session, policy);
  if (session.output().json()) return session.output().print_json(policy);
  Table table;
  const auto add = [&table](std::string label, std::string text) {
    table.add({{std::move(label), Colour::dim}, {std::move(text)}});
  };
  add("name", text_of(policy, "name"));
  add("product", text_of(policy, "product"));
  add("policy id", text_of(policy, "id"));
  add("created", time_or(policy, "created_at", ""));
  const json::object terms = object_of(policy, "terms");
  add("clients", clients_text(terms) + ", " + seats_text(terms));
  add("duration", duration_text(terms));
  for (const auto& [name, value] : terms) {
    const bool told = name == "max_clients" || name == "lease" || name == "duration";
    if (!told)
      add("  " + std::string(name), value.is_string() ? std::string(value.get_string()) : json::serialize(value));
  }
  session.output().print(table);
}

void show(Session& session, const OnePolicy& options) {
  const std::string id = find_policy(session, options);
  print_policy(session, with_etag(session, session.client().get("/policies/" + id)));
}

// ---- change, delete ----

struct PolicyChange : OnePolicy {
  TermsOptions terms;
  std::vector<std::string> unset, removed_features, removed_quotas;
};

void change(Session& session, const PolicyChange& options) {
  json::object terms = build_terms(options.terms);
  require_apart(terms, options.unset);
  const bool merges = !options.terms.features.empty() || !options.terms.quotas.empty() ||
                      !options.removed_features.empty() || !options.removed_quotas.empty();
  if (terms.empty() && options.unset.empty() && !merges) {
    throw CommandError(ExitCode::usage, "nothing to change: give --terms, --unset, or an option of the terms",
                       "lictor policy change --help lists them");
  }
  const std::string path = "/policies/" + find_policy(session, options);
  std::string if_match = options.if_match;
  if (merges) {
    // The server takes all features or none: these go beside those that are there, if nobody changes them meanwhile.
    const json::object present = object_of(session.client().get(path), "terms");
    if (if_match.empty()) if_match = session.client().etag();
    const auto merge = [&](const char* member, const char* flag, const std::vector<std::string>& removed) {
      const json::object added = object_of(terms, member);
      if (!added.empty() || !removed.empty())
        terms[member] = merged_members(object_of(present, member), added, flag, removed);
    };
    merge("features", "--remove-feature", options.removed_features);
    merge("quotas", "--remove-quota", options.removed_quotas);
  }
  json::object body;
  if (!terms.empty()) body["terms"] = std::move(terms);
  if (!options.unset.empty()) body["unset"] = json::array(options.unset.begin(), options.unset.end());
  print_policy(session, with_etag(session, session.client().patch(path, body, if_match)));
}

void remove(Session& session, const OnePolicy& options) {
  const std::string id = find_policy(session, options);
  confirm(options, fmt::format("Delete policy {} for good?", options.name));
  const json::object answer = session.client().remove("/policies/" + id, options.if_match);
  if (session.output().json()) return session.output().print_json(answer);
  session.output().print_line(fmt::format("policy {} is deleted", options.name));
}

// ---- the grammar ----

constexpr const char* kCreateExample =
    "lictor policy create --product my-app team --type subscription --duration 365d --max-clients 10 --lease 10m "
    "--feature export --quota api_calls=10000/month";

void add_name(CLI::App& command, OnePolicy& options) {
  add_text(command, "policy", options.name, "Its id (pol_…), or its name with --product", "")->required();
  add_text(command, "--product", options.product, "Name of its product", "NAME");
}

void add_create_and_list(CLI::App& group, Commands commands) {
  auto o = std::make_shared<CreateOptions>();
  CLI::App& command = commands.add(group, "create", "Create a policy", kCreateExample, o, create);
  add_text(command, "name", o->name, "Its name: small letters, digits, '.', '_' and '-'", "")->required();
  add_text(command, "--product", o->product, "Name of the product", "NAME")->required();
  add_terms_options(command, o->terms);

  auto l = std::make_shared<ListOptions>();
  CLI::App& listing = commands.add(group, "list", "List the policies", "lictor policy list --product demo", l, list);
  add_text(listing, "--product", l->product, "Only of this product", "NAME");
}

void add_change(CLI::App& group, Commands commands) {
  auto o = std::make_shared<PolicyChange>();
  CLI::App& command = commands.add(
      group, "change", "Change a policy, and with it what its licenses grant",
      "lictor policy change team --product my-app --max-clients 20 --feature print --unset grace", o, change);
  add_name(command, *o);
  add_terms_options(command, o->terms);
  add_repeated(command, "--unset", o->unset, "Back to the default", "MEMBER");
  add_repeated(command, "--remove-feature", o->removed_features, "Take a feature away", "NAME");
  add_repeated(command, "--remove-quota", o->removed_quotas, "Take a quota away", "METRIC");
  add_if_match(command, *o);
}

}  // namespace

void add_policy_commands(CLI::App& app, Commands commands) {
  CLI::App& group =
      commands.add_group(app, "policy", "Create, list and change policies: what licenses grant", kCreateExample);
  add_create_and_list(group, commands);
  auto s = std::make_shared<OnePolicy>();
  add_name(commands.add(group, "show", "Show a policy", "lictor policy show floating --product demo", s, show), *s);
  add_change(group, commands);
  auto d = std::make_shared<OnePolicy>();
  CLI::App& deleting = commands.add(group, "delete", "Delete a policy that no license has",
                                    "lictor policy delete team --product my-app --yes", d, remove);
  add_name(deleting, *d);
  add_if_match(deleting, *d);
  add_yes(deleting, *d);
}

}  // namespace lictor::cli
