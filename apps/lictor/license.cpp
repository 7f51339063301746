// lictor license create | list | show | find
#include <fmt/format.h>

#include <boost/json.hpp>

#include "lictor/error.h"
#include "lictor/json_fields.h"
#include "lictor/license_grants.h"
#include "lictor/licenses.h"
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
  Grants grants;
};

json::object create_body(Session& session, const CreateOptions& options) {
  const base::UnixSeconds now = session.now();
  json::object body{{"product", options.product}, {"policy", options.policy}};
  if (options.count != 1) body["count"] = options.count;
  if (!options.key.empty()) body["license_key"] = options.key;
  if (!options.holder.empty()) body["holder"] = options.holder;
  json::object overrides;
  if (!options.max_clients.empty()) {
    overrides["max_clients"] =
        to_json(required_value("--max-clients", options.max_clients, parse_limit(options.max_clients)));
  }
  if (!options.starts_at.empty()) body["starts_at"] = required_time("--starts-at", options.starts_at, now);
  if (!options.expires_at.empty()) {
    const Limit time = required_value("--expires-at", options.expires_at, parse_time(options.expires_at, now));
    if (time) body["expires_at"] = *time;
    if (!time) overrides["duration"] = nullptr;  // without a duration nothing but expires_at ends a license
  }
  for (auto& [name, value] : read_assignments(options.assignments)) {
    add_member(overrides, "--set", {std::string(name), value});
  }
  if (options.grants.any()) merge_grants(session, options.grants, {options.product, options.policy, {}}, overrides);
  if (!overrides.empty()) body["overrides"] = std::move(overrides);
  return body;
}

void create(Session& session, const CreateOptions& options) {
  if (!options.key.empty() && options.count != 1) {
    throw CommandError(ExitCode::usage, "--key: one key is imported at a time; leave --count out");
  }
  const json::object body = create_body(session, options);
  const json::array licenses = array_of(session.client().post("/licenses", body), "licenses");
  if (session.output().json()) return session.output().print_json(licenses);
  if (licenses.size() == 1) return print_license(session, licenses.front().as_object());
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
  std::string product, policy, status, holder, holder_prefix, sort;
  std::string issued_after, issued_before, expires_after, expires_before;
  Amount amount;
};

void list(Session& session, const ListOptions& options) {
  const auto time = [&session](const char* flag, const std::string& text) {
    return text.empty() ? std::string() : std::to_string(required_moment(flag, text, session.now()));
  };
  const Query query = {{"product", options.product},
                       {"policy", options.policy},
                       {"status", options.status},
                       {"holder", options.holder},
                       {"holder_prefix", options.holder_prefix},
                       {"issued_after", time("--issued-after", options.issued_after)},
                       {"issued_before", time("--issued-before", options.issued_before)},
                       {"expires_after", time("--expires-after", options.expires_after)},
                       {"expires_before", time("--expires-before", options.expires_before)},
                       {"sort", options.sort}};
  const Listing listing = session.client().list("/licenses", "licenses", query, options.amount.most());
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

// ---- show, find ----

struct OneLicense {
  std::string name;
};

void show(Session& session, const OneLicense& options) {
  // By its id even when the key was given: the answer to the lookup of a key carries no ETag.
  const std::string id = find_license(session, options.name).id;
  json::object license = with_etag(session, session.client().get("/licenses/" + id));
  json::array clients = session.client().list("/licenses/" + id + "/clients", "clients", {}, std::nullopt).items;
  if (session.output().json()) {
    license["clients"] = std::move(clients);
    return session.output().print_json(license);
  }
  print_license(session, license);
  if (clients.empty()) return;
  session.output().print_line("");
  session.output().print(clients_table(clients));
}

void add_create(CLI::App& group, Commands commands) {
  auto o = std::make_shared<CreateOptions>();
  CLI::App& command = commands.add(group, "create", "Issue licenses",
                                   "lictor license create --product demo --policy floating --max-clients 10 "
                                   "--expires-at 2030-01-01 --count 3 --json",
                                   o, create);
  add_text(command, "--product", o->product, "Name of the product", "NAME")->required();
  add_text(command, "--policy", o->policy, "Name of the policy", "NAME")->required();
  add_text(command, "--max-clients", o->max_clients, "Seats, or unlimited (default: the policy's)", "N");
  add_text(command, "--expires-at", o->expires_at,
           "Date, Unix seconds, +30d or never (default: by the policy's duration)", "TIME");
  add_text(command, "--starts-at", o->starts_at, "Not valid before (default: now)", "TIME");
  add_text(command, "--holder", o->holder, "The customer it is issued to");
  add_text(command, "--key", o->key, "Import this license key instead of making one", "KEY");
  add_number(command, "--count", o->count, "How many, 1 to 10000", 1, 10'000);
  add_grants(command, o->grants);
  add_repeated(command, "--set", o->assignments, "Override a member of the policy's terms", "MEMBER=JSON");
}

void add_list(CLI::App& group, Commands commands) {
  auto o = std::make_shared<ListOptions>();
  CLI::App& command = commands.add(group, "list", "List licenses, newest first",
                                   "lictor license list --product demo --status active --limit 20", o, list);
  add_text(command, "--product", o->product, "Only of this product", "NAME");
  add_text(command, "--policy", o->policy, "Only of this policy of the product", "NAME")->needs("--product");
  add_choice(command, "--status", o->status, "Only those that are so now",
             {"active", "grace", "expired", "not_yet_valid", "suspended", "revoked"});
  add_text(command, "--holder", o->holder, "Only of exactly this holder");
  add_text(command, "--holder-prefix", o->holder_prefix, "Only of holders that begin so")->excludes("--holder");
  add_text(command, "--issued-after", o->issued_after, "Only those issued then or later: a date, or -7d", "TIME");
  add_text(command, "--issued-before", o->issued_before, "Only those issued before", "TIME");
  add_text(command, "--expires-after", o->expires_after, "Only those that expire then or later: a date, or +30d",
           "TIME");
  add_text(command, "--expires-before", o->expires_before, "Only those that expire before", "TIME");
  add_choice(command, "--sort", o->sort, "By time of issue or expiry; - is newest first (-issued)",
             {"issued", "-issued", "expires", "-expires"});
  add_amount(command, o->amount);
}

void add_show(CLI::App& group, Commands commands, const char* name, const char* description, const char* example,
              const char* argument) {
  auto o = std::make_shared<OneLicense>();
  CLI::App& command = commands.add(group, name, description, example, o, show);
  add_text(command, "license", o->name, argument, "")->required();
}

}  // namespace

void add_license_commands(CLI::App& app, Commands commands) {
  CLI::App& group = commands.add_group(app, "license", "Issue licenses, look at them and change them",
                                       "lictor license create --product demo --policy floating");
  add_create(group, commands);
  add_list(group, commands);
  add_show(group, commands, "show", "Show a license and its clients",
           "lictor license show lic_0123456789abcdefghjkmnpqrs", kLicenseArgument);
  add_show(group, commands, "find", "Find a license by its key, and show it",
           "lictor license find ABCDEFGH-JKMN-PQRS-TVWX-YZ0123456789", "Its key, or its id");
  add_license_change_commands(group, commands);
  add_license_export_command(group, commands);
  add_license_import_command(group, commands);
}

}  // namespace lictor::cli
