// lictor license change | renew | extend | suspend | resume | revoke | transfer
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

struct OneLicense : ChangeOptions {
  std::string name;
};

json::object with_reason(const ChangeOptions& options, json::object body = {}) {
  if (!options.reason.empty()) body["reason"] = options.reason;
  return body;
}

json::object post_verb(Session& session, const OneLicense& options, const char* verb, const json::object& body) {
  const std::string id = find_license(session, options.name).id;
  return with_etag(session, session.client().post("/licenses/" + id + "/" + verb, body, options.if_match));
}

// ---- change ----

struct LicenseChange : OneLicense {
  std::optional<std::string> holder;
  std::string policy, starts_at, expires_at, max_clients;
  std::vector<std::string> set, unset;
  Grants grants;
};

// Without the grants, which need to know what the license has.
json::object change_body(const LicenseChange& options, base::UnixSeconds now) {
  json::object body;
  if (options.holder) body["holder"] = options.holder->empty() ? json::value(nullptr) : json::value(*options.holder);
  if (!options.policy.empty()) body["policy"] = options.policy;
  if (!options.starts_at.empty()) body["starts_at"] = required_time("--starts-at", options.starts_at, now);
  if (!options.expires_at.empty()) {
    body["expires_at"] =
        to_json(required_value("--expires-at", options.expires_at, parse_time(options.expires_at, now)));
  }
  json::object overrides = read_assignments(options.set);
  if (!options.max_clients.empty()) {
    add_member(overrides, "--max-clients",
               {"max_clients",
                to_json(required_value("--max-clients", options.max_clients, parse_limit(options.max_clients)))});
  }
  require_apart(overrides, options.unset);
  if (!overrides.empty()) body["overrides"] = std::move(overrides);
  if (!options.unset.empty()) body["unset"] = json::array(options.unset.begin(), options.unset.end());
  if (body.empty() && !options.grants.any()) {
    throw CommandError(ExitCode::usage,
                       "nothing to change: give --holder, --policy, --starts-at, --expires-at, --max-clients, "
                       "--feature, --quota, --set or --unset",
                       "lictor license change --help lists all");
  }
  return with_reason(options, std::move(body));
}

// The grants go beside those that are there, if nobody changes them meanwhile.
void add_grants_to_body(Session& session, const LicenseChange& options, const std::string& id, json::object& body,
                        std::string& if_match) {
  const json::object license = session.client().get("/licenses/" + id);
  if (if_match.empty()) if_match = session.client().etag();
  GrantedLicense granted{text_of(license, "product"),
                         options.policy.empty() ? text_of(license, "policy") : options.policy,
                         object_of(license, "overrides")};
  for (const std::string& name : options.unset) granted.overrides.erase(name);
  json::object overrides = object_of(body, "overrides");
  merge_grants(session, options.grants, granted, overrides);
  require_apart(overrides, options.unset);
  body["overrides"] = std::move(overrides);
}

void change(Session& session, const LicenseChange& options) {
  json::object body = change_body(options, session.now());
  const std::string id = find_license(session, options.name).id;
  std::string if_match = options.if_match;
  if (options.grants.any()) add_grants_to_body(session, options, id, body, if_match);
  const json::object license = with_etag(session, session.client().patch("/licenses/" + id, body, if_match));
  if (session.output().json()) return session.output().print_json(license);
  print_license(session, license);
}

// ---- renew, extend ----

struct RenewOptions : OneLicense {
  std::string expires_at, by;
};

void print_expiry(Session& session, const json::object& license) {
  if (session.output().json()) return session.output().print_json(license);
  session.output().print_line(
      fmt::format("{} expires {}", text_of(license, "license_id"), time_or(license, "expires_at", "never")));
}

void renew(Session& session, const RenewOptions& options) {
  json::object body = with_reason(options);
  if (!options.expires_at.empty())
    body["expires_at"] = required_time("--expires-at", options.expires_at, session.now());
  print_expiry(session, post_verb(session, options, "renew", body));
}

void extend(Session& session, const RenewOptions& options) {
  if (options.by.empty() == options.expires_at.empty()) {
    throw CommandError(ExitCode::usage, "lictor license extend needs how long, such as +30d, or --expires-at");
  }
  json::object body = with_reason(options);
  if (!options.by.empty()) {
    const std::string_view duration = std::string_view(options.by).substr(options.by.starts_with('+') ? 1 : 0);
    const std::int64_t seconds = required_value("by", options.by, parse_duration(duration));
    if (seconds == 0) refuse_value("by", options.by, {{}, "a duration such as +30d"});
    body["seconds"] = seconds;
  } else {
    body["expires_at"] = required_time("--expires-at", options.expires_at, session.now());
  }
  print_expiry(session, post_verb(session, options, "extend", body));
}

// ---- suspend, resume, revoke, transfer ----

void print_status(Session& session, const json::object& license) {
  if (session.output().json()) return session.output().print_json(license);
  session.output().print_line(fmt::format("{} is {}", text_of(license, "license_id"), text_of(license, "status")));
}

void suspend(Session& session, const OneLicense& options) {
  print_status(session, post_verb(session, options, "suspend", with_reason(options)));
}

void resume(Session& session, const OneLicense& options) {
  print_status(session, post_verb(session, options, "resume", with_reason(options)));
}

// `Revoke lic_… of ACME`
std::string ask_of(Session& session, const OneLicense& options, const char* verb, const char* what) {
  const json::object license = get_license(session, options.name);
  const std::string holder = text_of(license, "holder");
  return fmt::format("{} {}{}{} {} of its clients are active.", verb, text_of(license, "license_id"),
                     holder.empty() ? "" : " of " + holder, what, number_of(license, "active_clients").value_or(0));
}

void revoke(Session& session, const OneLicense& options) {
  if (must_ask(options)) confirm(options, ask_of(session, options, "Revoke", " for good?"));
  print_status(session, post_verb(session, options, "revoke", with_reason(options)));
}

struct TransferOptions : OneLicense {
  std::string holder;
  bool keep_clients = false;
  bool new_key = false;
};

void transfer(Session& session, const TransferOptions& options) {
  const bool frees = !options.keep_clients && !options.new_key && !options.yes &&
                     number_of(get_license(session, options.name), "active_clients").value_or(0) > 0;
  if ((options.new_key || frees) && must_ask(options)) {
    const char* const what = options.new_key ? "? Its present key will work no more." : "? Its seats become free.";
    confirm(options, ask_of(session, options, "Transfer", what));
  }
  json::object body = with_reason(options, {{"holder", options.holder}});
  if (options.keep_clients) body["keep_clients"] = true;
  if (options.new_key) body["new_key"] = true;
  const json::object license = post_verb(session, options, "transfer", body);
  if (session.output().json()) return session.output().print_json(license);
  print_license(session, license);
}

// ---- the grammar ----

void add_change(CLI::App& group, Commands commands) {
  auto o = std::make_shared<LicenseChange>();
  CLI::App& command =
      commands.add(group, "change", "Change a license: its holder, policy, times or terms",
                   "lictor license change lic_0123456789abcdefghjkmnpqrs --max-clients 20 --feature export", o, change);
  add_text(command, "license", o->name, kLicenseArgument, "")->required();
  command.add_option("--holder", o->holder, "The customer it is issued to; \"\" for none")->type_name("TEXT");
  add_text(command, "--policy", o->policy, "Another policy of its product", "NAME");
  add_text(command, "--starts-at", o->starts_at, "Not valid before", "TIME");
  add_text(command, "--expires-at", o->expires_at, "Date, Unix seconds, +30d from now, or never", "TIME");
  add_text(command, "--max-clients", o->max_clients, "Seats, or unlimited", "N");
  add_grants(command, o->grants);
  add_removals(command, o->grants);
  add_repeated(command, "--set", o->set, "Override a member of the policy's terms", "MEMBER=JSON");
  add_repeated(command, "--unset", o->unset, "Take an override away: the policy's terms hold again", "MEMBER");
  add_reason(command, *o);
  add_if_match(command, *o);
}

void add_renew_and_extend(CLI::App& group, Commands commands) {
  auto o = std::make_shared<RenewOptions>();
  CLI::App& renewing =
      commands.add(group, "renew", "Give a license one more duration of its terms, or a new end",
                   "lictor license renew lic_0123456789abcdefghjkmnpqrs --reason \"order 4711\"", o, renew);
  add_text(renewing, "license", o->name, kLicenseArgument, "")->required();
  add_text(renewing, "--expires-at", o->expires_at,
           "The new end (default: one duration after the later of now and the end)", "TIME");
  add_reason(renewing, *o);
  add_if_match(renewing, *o);

  auto e = std::make_shared<RenewOptions>();
  CLI::App& extending = commands.add(group, "extend", "Move the end of a license",
                                     "lictor license extend lic_0123456789abcdefghjkmnpqrs +30d", e, extend);
  add_text(extending, "license", e->name, kLicenseArgument, "")->required();
  add_text(extending, "by", e->by, "How long: +30d, +12h", "");
  add_text(extending, "--expires-at", e->expires_at, "The new end instead", "TIME");
  add_reason(extending, *e);
  add_if_match(extending, *e);
}

CLI::App& add_verb(CLI::App& group, Commands commands, const char* name, const char* description, const char* example,
                   void (*run)(Session&, const OneLicense&)) {
  auto o = std::make_shared<OneLicense>();
  CLI::App& command = commands.add(group, name, description, example, o, run);
  add_text(command, "license", o->name, kLicenseArgument, "")->required();
  add_reason(command, *o);
  add_if_match(command, *o);
  if (run == &revoke) add_yes(command, *o);
  return command;
}

void add_transfer(CLI::App& group, Commands commands) {
  auto o = std::make_shared<TransferOptions>();
  CLI::App& command = commands.add(
      group, "transfer", "Give a license to another holder; its seats become free",
      "lictor license transfer lic_0123456789abcdefghjkmnpqrs --holder \"ACME\" --new-key --yes", o, transfer);
  add_text(command, "license", o->name, kLicenseArgument, "")->required();
  add_text(command, "--holder", o->holder, "Who gets it")->required();
  command.add_flag("--keep-clients", o->keep_clients, "Leave the clients their seats");
  command.add_flag("--new-key", o->new_key, "Replace the license key, too: the old one works no more");
  add_reason(command, *o);
  add_if_match(command, *o);
  add_yes(command, *o);
}

}  // namespace

void add_license_change_commands(CLI::App& group, Commands commands) {
  add_change(group, commands);
  add_renew_and_extend(group, commands);
  add_verb(group, commands, "suspend", "Refuse a license until it is resumed",
           "lictor license suspend lic_0123456789abcdefghjkmnpqrs --reason \"invoice 4711 is open\"", suspend);
  add_verb(group, commands, "resume", "End a suspension", "lictor license resume lic_0123456789abcdefghjkmnpqrs",
           resume);
  add_verb(group, commands, "revoke", "Refuse a license for good",
           "lictor license revoke lic_0123456789abcdefghjkmnpqrs --reason refunded --yes", revoke);
  add_transfer(group, commands);
}

}  // namespace lictor::cli
