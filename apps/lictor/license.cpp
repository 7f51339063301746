// lictor license create | list | show | suspend | resume | revoke
#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "base/id.h"
#include "licensing/license_key.h"
#include "lictor/error.h"
#include "lictor/json_fields.h"
#include "lictor/session.h"
#include "lictor/values.h"

namespace lictor::cli {
namespace json = boost::json;
namespace {

// ---- create ----

struct CreateOptions {
  std::string product, policy, holder, key, starts_at, expires_at, max_clients;
  int count = 1;
  std::vector<std::string> assignments;
};

void add_member(json::object& object, std::string_view flag, Member member) {
  const auto [place, added] = object.emplace(member.first, std::move(member.second));
  if (!added) throw CommandError(ExitCode::usage, fmt::format("{}: {} is given twice", flag, printable(member.first)));
}

json::object create_body(const CreateOptions& options, base::UnixSeconds now) {
  json::object body{{"product", options.product}, {"policy", options.policy}};
  if (options.count != 1) body["count"] = options.count;
  if (!options.key.empty()) body["license_key"] = options.key;
  if (!options.holder.empty()) body["holder"] = options.holder;
  json::object overrides;
  if (!options.max_clients.empty()) {
    overrides["max_clients"] =
        to_json(required_value("--max-clients", options.max_clients, parse_limit(options.max_clients)));
  }
  if (!options.starts_at.empty()) {
    const Limit time = required_value("--starts-at", options.starts_at, parse_time(options.starts_at, now));
    if (!time) refuse_value("--starts-at", options.starts_at, {{}, "a time"});
    body["starts_at"] = *time;
  }
  if (!options.expires_at.empty()) {
    const Limit time = required_value("--expires-at", options.expires_at, parse_time(options.expires_at, now));
    if (time) body["expires_at"] = *time;
    if (!time) overrides["duration"] = nullptr;  // without a duration nothing but expires_at ends a license
  }
  for (const std::string& text : options.assignments) {
    add_member(overrides, "--set", required_value("--set", text, parse_assignment(text)));
  }
  if (!overrides.empty()) body["overrides"] = std::move(overrides);
  return body;
}

void show_license(Session& session, const json::object& license);

void create(Session& session, const CreateOptions& options) {
  if (!options.key.empty() && options.count != 1) {
    throw CommandError(ExitCode::usage, "--key: one key is imported at a time; leave --count out");
  }
  const json::object body = create_body(options, session.now());
  const json::array licenses = array_of(session.client().post("/licenses", body), "licenses");
  if (session.output().json()) return session.output().print_json(licenses);
  if (licenses.size() == 1) return show_license(session, licenses.front().as_object());
  Table table({"LICENSE KEY", "LICENSE ID", "EXPIRES"});
  for (const json::value& item : licenses) {
    const json::object& license = item.as_object();
    table.add({{text_of(license, "license_key")},
               {text_of(license, "license_id")},
               {time_or(license, "expires_at", "never")}});
  }
  session.output().print(table);
}

// ---- list ----

struct ListOptions {
  std::string product, policy, status, holder;
  std::size_t limit = 50;
  bool all = false;
};

void list(Session& session, const ListOptions& options) {
  const Query query = {
      {"product", options.product}, {"policy", options.policy}, {"status", options.status}, {"holder", options.holder}};
  const auto limit = options.all ? std::nullopt : std::optional(options.limit);
  const Listing listing = session.client().list("/licenses", "licenses", query, limit);
  remark_more(session, listing);
  if (session.output().json()) return session.output().print_json(listing.items);

  Table table({"LICENSE ID", "PRODUCT", "POLICY", "STATUS", "CLIENTS", "EXPIRES", "HOLDER"});
  for (const json::value& item : listing.items) {
    const json::object& license = item.as_object();
    table.add(
        {{text_of(license, "license_id")},
         {text_of(license, "product")},
         {text_of(license, "policy")},
         status_cell(text_of(license, "status")),
         {fmt::format("{}/{}", number_of(license, "active_clients").value_or(0), limit_text(license, "max_clients"))},
         {time_or(license, "expires_at", "never")},
         {text_of(license, "holder")}});
  }
  if (table.empty()) return session.output().remark("lictor: no licenses");
  session.output().print(table);
}

// ---- show ----

struct OneLicense {
  std::string name;  // its id or its key
  std::string reason;
  bool yes = false;
};

// The id, and what the server said of it if it was asked.
struct Found {
  std::string id;
  std::optional<json::object> license;
};

Found find_license(Session& session, const std::string& name) {
  if (const auto id = base::parse_id(base::kLicensePrefix, name))
    return {base::format_id(base::kLicensePrefix, *id), {}};
  if (name.starts_with("lic_")) {
    throw CommandError(ExitCode::usage, printable(name) + ": not the id of a license; one is lic_ and 26 characters");
  }
  try {
    json::object license = session.client().post("/licenses/lookup", {{"license_key", name}});
    std::string id = text_of(license, "license_id");
    return {std::move(id), std::move(license)};
  } catch (const CommandError& error) {
    const auto key = licensing::normalize_license_key(name);
    const bool mistyped = error.exit_code() == ExitCode::refused && key && key->view().size() == 36 &&
                          !licensing::is_generated_license_key(key->view());
    if (!mistyped) throw;
    throw CommandError(error.exit_code(), error.what(), "the key's check symbols do not fit: is there a typo?");
  }
}

json::object get_license(Session& session, const std::string& name) {
  Found found = find_license(session, name);
  return found.license ? *std::move(found.license) : session.client().get("/licenses/" + found.id);
}

std::string entitlements_text(const json::object& license) {
  std::string out;
  for (const auto& [name, value] : object_of(license, "entitlements")) {
    if (!out.empty()) out += ", ";
    out += std::string(name);
    if (!value.is_object()) continue;
    if (const auto limit = number_of(value.get_object(), "limit")) out += fmt::format("={}", *limit);
    if (const auto end = number_of(value.get_object(), "expires_at")) out += " until " + format_time(*end);
  }
  return out;
}

void show_license(Session& session, const json::object& license) {
  const std::int64_t lease = number_of(license, "lease").value_or(0);
  const std::string seats = lease > 0 ? "floating, lease of " + format_duration(lease) : "node-locked";
  Table table;
  const auto add = [&table](const char* label, std::string text) {
    if (!text.empty()) table.add({{label, Colour::dim}, {std::move(text)}});
  };
  add("license key", text_of(license, "license_key"));
  add("license id", text_of(license, "license_id"));
  add("product", text_of(license, "product"));
  add("policy", text_of(license, "policy"));
  add("holder", text_of(license, "holder"));
  table.add({{"status", Colour::dim}, status_cell(text_of(license, "status"))});
  add("type", text_of(license, "type") + ", " + seats);
  add("clients",
      fmt::format("{} of {}", number_of(license, "active_clients").value_or(0), limit_text(license, "max_clients")));
  add("issued", time_or(license, "issued_at", ""));
  if (number_of(license, "starts_at") != number_of(license, "issued_at"))
    add("starts", time_or(license, "starts_at", ""));
  add("expires", time_or(license, "expires_at", "never"));
  add("features", entitlements_text(license));
  if (const json::object overrides = object_of(license, "overrides"); !overrides.empty()) {
    add("overrides", json::serialize(overrides));
  }
  session.output().print(table);
}

std::string client_state(const json::object& client) {
  if (is_true(client, "blocked")) return "blocked";
  if (!is_true(client, "held")) return "released";
  return is_true(client, "over_limit") ? "over limit" : "active";
}

void show(Session& session, const OneLicense& options) {
  json::object license = get_license(session, options.name);
  const std::string id = text_of(license, "license_id");
  json::array clients = session.client().list("/licenses/" + id + "/clients", "clients", {}, std::nullopt).items;
  if (session.output().json()) {
    license["clients"] = std::move(clients);
    return session.output().print_json(license);
  }
  show_license(session, license);
  if (clients.empty()) return;
  Table table({"CLIENT", "STATE", "VERSION", "ACTIVATED", "LEASE ENDS", "LAST SEEN", "BOUND TO"});
  for (const json::value& item : clients) {
    const json::object& client = item.as_object();
    std::string bound;
    for (const json::value& kind : array_of(client, "bound")) {
      if (kind.is_string()) bound += (bound.empty() ? "" : ", ") + std::string(kind.get_string());
    }
    table.add({{text_of(client, "client_id")},
               status_cell(client_state(client)),
               {text_of(client, "version")},
               {time_or(client, "activated_at", "")},
               {time_or(client, "lease_expires_at", "never")},
               {time_or(client, "last_seen_at", "")},
               {bound}});
  }
  session.output().print_line("");
  session.output().print(table);
}

// ---- suspend, resume, revoke ----

void change(Session& session, const OneLicense& options, const char* verb) {
  const std::string id = find_license(session, options.name).id;
  json::object body;
  if (!options.reason.empty()) body["reason"] = options.reason;
  const json::object license = session.client().post("/licenses/" + id + "/" + verb, body);
  if (session.output().json()) return session.output().print_json(license);
  session.output().print_line(fmt::format("{} is {}", text_of(license, "license_id"), text_of(license, "status")));
}

void revoke(Session& session, const OneLicense& options) {
  if (!options.yes && ::isatty(STDIN_FILENO) == 1) {
    const json::object license = get_license(session, options.name);
    const std::string holder = text_of(license, "holder");
    const std::string question =
        fmt::format("Revoke {}{} for good? {} of its clients are active.", text_of(license, "license_id"),
                    holder.empty() ? "" : " of " + holder, number_of(license, "active_clients").value_or(0));
    if (!ask(question)) throw CommandError(ExitCode::refused, "not revoked");
  }
  change(session, options, "revoke");
}

void add_create(CLI::App& group, Commands commands) {
  auto o = std::make_shared<CreateOptions>();
  CLI::App& command = commands.add(group, "create", "Issue licenses",
                                   "lictor license create --product demo --policy floating --max-clients 10 "
                                   "--expires-at 2030-01-01 --count 3 --json",
                                   o, create);
  command.add_option("--product", o->product, "Name of the product")->required();
  command.add_option("--policy", o->policy, "Name of the policy")->required();
  command.add_option("--max-clients", o->max_clients, "Seats, or unlimited (default: the policy's)");
  command.add_option("--expires-at", o->expires_at,
                     "Date, Unix seconds, +30d or never (default: by the policy's duration)");
  command.add_option("--starts-at", o->starts_at, "Not valid before (default: now)");
  command.add_option("--holder", o->holder, "The customer it is issued to");
  command.add_option("--key", o->key, "Import this license key instead of making one");
  command.add_option("--count", o->count, "How many, 1 to 1000")
      ->check(CLI::Range(1, 1000).description(""))
      ->type_name("N");
  command.add_option("--set", o->assignments, "Override a member of the policy's terms: MEMBER=JSON; may be repeated")
      ->allow_extra_args(false);
}

void add_list(CLI::App& group, Commands commands) {
  auto o = std::make_shared<ListOptions>();
  CLI::App& command = commands.add(group, "list", "List licenses, newest first",
                                   "lictor license list --product demo --status active --limit 20", o, list);
  command.add_option("--product", o->product, "Only of this product");
  command.add_option("--policy", o->policy, "Only of this policy of the product")->needs("--product");
  command.add_option("--status", o->status, "Only active, suspended or revoked ones")
      ->check(CLI::IsMember({"active", "suspended", "revoked"}));
  command.add_option("--holder", o->holder, "Only of exactly this holder");
  command.add_option("--limit", o->limit, "How many at most (50)")
      ->check(CLI::Range(1, 10'000'000).description(""))
      ->type_name("N");
  command.add_flag("--all", o->all, "All of them")->excludes("--limit");
}

CLI::App& add_single(CLI::App& group, Commands commands, const char* name, const char* description, const char* example,
                     void (*run)(Session&, const OneLicense&)) {
  auto o = std::make_shared<OneLicense>();
  CLI::App& command = commands.add(group, name, description, example, o, run);
  command.add_option("license", o->name, "Its id (lic_…) or its key")->required();
  if (run == &show) return command;
  command.add_option("--reason", o->reason, "Why; kept in the audit log");
  if (run == &revoke) command.add_flag("--yes,-y", o->yes, "Do not ask");
  return command;
}

}  // namespace

void add_license_commands(CLI::App& app, Commands commands) {
  CLI::App& group = commands.add_group(app, "license", "Issue licenses, look at them, suspend and revoke them",
                                       "lictor license create --product demo --policy floating");
  add_create(group, commands);
  add_list(group, commands);
  add_single(group, commands, "show", "Show a license and its clients",
             "lictor license show lic_0123456789abcdefghjkmnpqrs", show);
  add_single(group, commands, "suspend", "Refuse a license until it is resumed",
             "lictor license suspend lic_0123456789abcdefghjkmnpqrs --reason \"invoice 4711 is open\"",
             [](Session& session, const OneLicense& o) { change(session, o, "suspend"); });
  add_single(group, commands, "resume", "End a suspension", "lictor license resume lic_0123456789abcdefghjkmnpqrs",
             [](Session& session, const OneLicense& o) { change(session, o, "resume"); });
  add_single(group, commands, "revoke", "Refuse a license for good",
             "lictor license revoke lic_0123456789abcdefghjkmnpqrs --reason refunded --yes", revoke);
}

}  // namespace lictor::cli
