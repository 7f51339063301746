// lictor key create | list | show | change | revoke
#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/id.h"
#include "lictor/error.h"
#include "lictor/json_fields.h"
#include "lictor/session.h"
#include "lictor/values.h"

namespace lictor::cli {
namespace json = boost::json;
namespace {

// ---- create ----

struct CreateOptions {
  std::string name, product, expires_at;
  std::vector<std::string> scopes, addresses;
  bool require_signature = false;
};

json::array to_array(const std::vector<std::string>& texts) { return json::array(texts.begin(), texts.end()); }

void create(Session& session, const CreateOptions& options) {
  json::object body{{"name", options.name}, {"scopes", to_array(options.scopes)}};
  if (!options.product.empty()) body["product"] = options.product;
  if (options.require_signature) body["require_signature"] = true;
  if (!options.addresses.empty()) body["addresses"] = to_array(options.addresses);
  if (!options.expires_at.empty()) {
    const Limit time =
        required_value("--expires-at", options.expires_at, parse_time(options.expires_at, session.now()));
    if (time) body["expires_at"] = *time;
  }
  const json::object key = session.client().post("/api-keys", body);
  if (session.output().json()) return session.output().print_json(key);
  session.output().print_line(text_of(key, "api_key"));
  session.output().remark(
      fmt::format("This is the API key {} ({}). It is shown this once and stored only as a hash: keep it now, or "
                  "revoke it and make another.",
                  text_of(key, "name"), text_of(key, "id")));
}

// ---- list, show ----

struct NoOptions {};

Cell state_of(const json::object& key, base::UnixSeconds now) {
  if (number_of(key, "revoked_at").value_or(0) > 0) return status_cell("revoked");
  const auto end = number_of(key, "expires_at");
  return status_cell(end && *end <= now ? "expired" : "active");
}

std::string product_of(const json::object& key) {
  const std::string product = text_of(key, "product");
  return product.empty() ? "any" : product;
}

std::string addresses_of(const json::object& key) {
  const std::string addresses = joined_texts(array_of(key, "addresses"));
  return addresses.empty() ? "any" : addresses;
}

void list(Session& session, const NoOptions&) {
  const json::array keys = array_of(session.client().get("/api-keys"), "api_keys");
  if (session.output().json()) return session.output().print_json(keys);
  Table table({"API KEY ID", "NAME", "STATE", "PRODUCT", "SIGNATURE", "EXPIRES", "CREATED", "ADDRESSES", "SCOPES"});
  for (const json::value& item : keys) {
    const json::object& key = item.as_object();
    table.add({{text_of(key, "id")},
               {text_of(key, "name")},
               state_of(key, session.now()),
               {product_of(key)},
               {is_true(key, "require_signature") ? "required" : "optional"},
               {time_or(key, "expires_at", "never")},
               {time_or(key, "created_at", "")},
               {addresses_of(key)},
               {joined_texts(array_of(key, "scopes"))}});
  }
  if (table.empty()) return session.output().remark("lictor: no API keys");
  session.output().print(table);
}

struct OneKey : ChangeOptions {
  std::string id;
};

std::string checked_id(const std::string& text) {
  if (const auto id = base::parse_id(base::kApiKeyPrefix, text)) return base::format_id(base::kApiKeyPrefix, *id);
  // What was given may be the secret itself: it is not repeated.
  throw CommandError(ExitCode::usage, "that is not the id of an API key; one is key_ and 26 characters",
                     "lictor key list shows them");
}

void print_key(Session& session, const json::object& key) {
  if (session.output().json()) return session.output().print_json(key);
  Table table;
  const auto add = [&table](const char* label, std::string text) {
    table.add({{label, Colour::dim}, {std::move(text)}});
  };
  add("API key id", text_of(key, "id"));
  add("name", text_of(key, "name"));
  table.add({{"state", Colour::dim}, state_of(key, session.now())});
  add("product", product_of(key));
  add("scopes", joined_texts(array_of(key, "scopes")));
  add("addresses", addresses_of(key));
  add("signature", is_true(key, "require_signature") ? "required" : "optional");
  add("created", time_or(key, "created_at", ""));
  add("expires", time_or(key, "expires_at", "never"));
  session.output().print(table);
}

void show(Session& session, const OneKey& options) {
  const std::string id = checked_id(options.id);
  print_key(session, with_etag(session, session.client().get("/api-keys/" + id)));
}

// ---- change, revoke ----

struct KeyChange : OneKey {
  std::string name, expires_at, require_signature;
  std::vector<std::string> addresses;
  bool any_address = false;
};

void change(Session& session, const KeyChange& options) {
  json::object body;
  if (!options.name.empty()) body["name"] = options.name;
  if (!options.expires_at.empty()) {
    body["expires_at"] =
        to_json(required_value("--expires-at", options.expires_at, parse_time(options.expires_at, session.now())));
  }
  if (!options.require_signature.empty()) body["require_signature"] = options.require_signature == "yes";
  if (!options.addresses.empty() || options.any_address) body["addresses"] = to_array(options.addresses);
  if (body.empty()) {
    throw CommandError(ExitCode::usage,
                       "nothing to change: give --name, --expires-at, --require-signature, --address or --any-address");
  }
  const std::string id = checked_id(options.id);
  print_key(session, with_etag(session, session.client().patch("/api-keys/" + id, body, options.if_match)));
}

void revoke(Session& session, const OneKey& options) {
  const std::string id = checked_id(options.id);
  if (must_ask(options)) {
    confirm(options,
            fmt::format("Revoke {} ({}) for good?", id, text_of(session.client().get("/api-keys/" + id), "name")));
  }
  const json::object key =
      with_etag(session, session.client().post("/api-keys/" + id + "/revoke", {}, options.if_match));
  if (session.output().json()) return session.output().print_json(key);
  session.output().print_line(fmt::format("{} ({}) is revoked", id, text_of(key, "name")));
}

// ---- the grammar ----

void add_create(CLI::App& group, Commands commands) {
  auto o = std::make_shared<CreateOptions>();
  CLI::App& command =
      commands.add(group, "create", "Create an API key; its secret is printed once",
                   "lictor key create my-app --scope license:activate,license:validate --product demo", o, create);
  add_text(command, "name", o->name, "What it is for", "")->required();
  command.add_option("--scope", o->scopes, "What it may do, such as license:validate or admin:read; may be repeated")
      ->required()
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("SCOPE");
  add_text(command, "--product", o->product, "Only for licenses of this product", "NAME");
  add_text(command, "--expires-at", o->expires_at, "Date, Unix seconds, +30d or never", "TIME");
  add_repeated(command, "--address", o->addresses, "Only from this address or network: 10.0.0.0/8, ::1", "ADDRESS");
  command.add_flag("--require-signature", o->require_signature, "Refuse requests that are not signed with it");
}

void add_change(CLI::App& group, Commands commands) {
  auto o = std::make_shared<KeyChange>();
  CLI::App& command =
      commands.add(group, "change", "Change an API key's name, end or addresses; its secret stays",
                   "lictor key change key_0123456789abcdefghjkmnpqrs --address 10.0.0.0/8 --address ::1", o, change);
  add_text(command, "id", o->id, "Its id (key_…)", "")->required();
  add_text(command, "--name", o->name, "What it is for");
  add_text(command, "--expires-at", o->expires_at, "Date, Unix seconds, +30d or never", "TIME");
  add_choice(command, "--require-signature", o->require_signature, "Whether requests with it must be signed",
             {"yes", "no"});
  add_repeated(command, "--address", o->addresses, "Only from these addresses or networks", "ADDRESS");
  command.add_flag("--any-address", o->any_address, "From anywhere")->excludes("--address");
  add_if_match(command, *o);
}

}  // namespace

void add_key_commands(CLI::App& app, Commands commands) {
  CLI::App& group = commands.add_group(app, "key", "Create, list, change and revoke API keys",
                                       "lictor key create my-app --scope license:activate,license:validate");
  add_create(group, commands);
  commands.add(group, "list", "List the API keys", "lictor key list", std::make_shared<NoOptions>(), list);
  auto s = std::make_shared<OneKey>();
  CLI::App& showing =
      commands.add(group, "show", "Show an API key", "lictor key show key_0123456789abcdefghjkmnpqrs", s, show);
  add_text(showing, "id", s->id, "Its id (key_…)", "")->required();
  add_change(group, commands);
  auto r = std::make_shared<OneKey>();
  CLI::App& revoking = commands.add(group, "revoke", "Revoke an API key at once",
                                    "lictor key revoke key_0123456789abcdefghjkmnpqrs --yes", r, revoke);
  add_text(revoking, "id", r->id, "Its id (key_…)", "")->required();
  add_if_match(revoking, *r);
  add_yes(revoking, *r);
}

}  // namespace lictor::cli
