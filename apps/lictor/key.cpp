// lictor key create | list | revoke
#include <fmt/format.h>

#include "base/id.h"
#include "lictor/error.h"
#include "lictor/json_fields.h"
#include "lictor/session.h"
#include "lictor/values.h"

namespace lictor::cli {
namespace json = boost::json;
namespace {

std::string joined(const json::array& texts) {
  std::string out;
  for (const json::value& text : texts) {
    if (text.is_string()) out += (out.empty() ? "" : ", ") + std::string(text.get_string());
  }
  return out;
}

struct CreateOptions {
  std::string name, product, expires_at;
  std::vector<std::string> scopes;
  bool require_signature = false;
};

void create(Session& session, const CreateOptions& options) {
  json::object body{{"name", options.name}, {"scopes", json::array(options.scopes.begin(), options.scopes.end())}};
  if (!options.product.empty()) body["product"] = options.product;
  if (options.require_signature) body["require_signature"] = true;
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

struct NoOptions {};

Cell state_of(const json::object& key, base::UnixSeconds now) {
  if (number_of(key, "revoked_at").value_or(0) > 0) return status_cell("revoked");
  const auto end = number_of(key, "expires_at");
  return end && *end <= now ? Cell{"expired", Colour::red} : status_cell("active");
}

void list(Session& session, const NoOptions&) {
  const json::array keys = array_of(session.client().get("/api-keys"), "api_keys");
  if (session.output().json()) return session.output().print_json(keys);
  Table table({"API KEY ID", "NAME", "STATE", "PRODUCT", "SIGNATURE", "EXPIRES", "CREATED", "SCOPES"});
  for (const json::value& item : keys) {
    const json::object& key = item.as_object();
    const std::string product = text_of(key, "product");
    table.add({{text_of(key, "id")},
               {text_of(key, "name")},
               state_of(key, session.now()),
               {product.empty() ? "any" : product},
               {is_true(key, "require_signature") ? "required" : "optional"},
               {time_or(key, "expires_at", "never")},
               {time_or(key, "created_at", "")},
               {joined(array_of(key, "scopes"))}});
  }
  if (table.empty()) return session.output().remark("lictor: no API keys");
  session.output().print(table);
}

struct RevokeOptions {
  std::string id;
};

void revoke(Session& session, const RevokeOptions& options) {
  const auto id = base::parse_id(base::kApiKeyPrefix, options.id);
  if (!id) {
    // What was given may be the secret itself: it is not repeated.
    throw CommandError(ExitCode::usage, "that is not the id of an API key; one is key_ and 26 characters",
                       "lictor key list shows them");
  }
  const std::string text = base::format_id(base::kApiKeyPrefix, *id);
  const json::object key = session.client().post("/api-keys/" + text + "/revoke");
  if (session.output().json()) return session.output().print_json(key);
  session.output().print_line(fmt::format("{} ({}) is revoked", text, text_of(key, "name")));
}

}  // namespace

void add_key_commands(CLI::App& app, Commands commands) {
  CLI::App& group = commands.add_group(app, "key", "Create, list and revoke API keys",
                                       "lictor key create my-app --scope license:activate,license:validate");
  auto o = std::make_shared<CreateOptions>();
  CLI::App& command =
      commands.add(group, "create", "Create an API key; its secret is printed once",
                   "lictor key create my-app --scope license:activate,license:validate --product demo", o, create);
  command.add_option("name", o->name, "What it is for")->required();
  command.add_option("--scope", o->scopes, "What it may do, such as license:validate or admin:read; may be repeated")
      ->required()
      ->delimiter(',')
      ->allow_extra_args(false);
  command.add_option("--product", o->product, "Only for licenses of this product");
  command.add_option("--expires-at", o->expires_at, "Date, Unix seconds, +30d or never");
  command.add_flag("--require-signature", o->require_signature, "Refuse requests that are not signed with it");
  commands.add(group, "list", "List the API keys", "lictor key list", std::make_shared<NoOptions>(), list);

  auto r = std::make_shared<RevokeOptions>();
  CLI::App& revoking = commands.add(group, "revoke", "Revoke an API key at once",
                                    "lictor key revoke key_0123456789abcdefghjkmnpqrs", r, revoke);
  revoking.add_option("id", r->id, "Its id (key_…)")->required();
}

}  // namespace lictor::cli
