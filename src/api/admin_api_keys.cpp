// API keys.
#include <fmt/format.h>

#include "api/admin.h"
#include "api/admin_change.h"
#include "api/admin_names.h"
#include "api/admin_view.h"
#include "base/encoding.h"

namespace lictor::api {
namespace {

namespace json = boost::json;
using licensing::Code;

std::string key_id(const store::ApiKey& key) { return base::format_id(base::kApiKeyPrefix, key.id); }
bool administers(const store::ApiKey& key) { return key.scopes.find("admin:") != std::string::npos; }
bool may_make_keys(const store::ApiKey& key) {
  const auto scopes = auth::parse_scopes(key.scopes);
  return scopes && auth::grants(*scopes, auth::Scope::admin_write);
}

std::string key_etag(const App& app, const store::ApiKey& key) {
  return make_etag(app, fmt::format("api key\n{}\n{}\n{}\n{}\n{}\n{}", key_id(key), key.name, key.require_signature,
                                    key.expires_at, key.revoked_at, key.addresses));
}

// The texts of an array, separated by single spaces.
std::optional<RequestFault> read_words(const Arguments& arguments, std::string_view field, std::string& words) {
  words.clear();
  const json::array* array = arguments.array(field);
  if (array == nullptr) return std::nullopt;
  for (const auto& item : *array) {
    const bool word = item.is_string() && !item.get_string().empty() &&
                      std::string_view(item.get_string()).find(' ') == std::string_view::npos;
    if (!word) return bad_request(field, "must hold one text without spaces in each item");
    words.append(words.empty() ? "" : " ").append(std::string_view(item.get_string()));
  }
  return std::nullopt;
}

std::optional<RequestFault> read_scopes(const Arguments& arguments, std::string& scopes) {
  if (auto fault = read_words(arguments, "scopes", scopes)) return fault;
  const auto parsed = auth::parse_scopes(scopes);
  return parsed ? std::nullopt : std::optional(bad_request("scopes", parsed.problem().message));
}

std::optional<RequestFault> read_addresses(const Arguments& arguments, std::string& addresses) {
  if (auto fault = read_words(arguments, "addresses", addresses)) return fault;
  const auto parsed = auth::AddressList::parse(addresses);
  return parsed ? std::nullopt : std::optional(bad_request("addresses", parsed.problem().message));
}

std::optional<RequestFault> read_key(const App& app, const Arguments& arguments, store::ApiKey& key) {
  key.name = arguments.text_or("name");
  if (auto fault = read_scopes(arguments, key.scopes)) return fault;
  if (auto fault = read_addresses(arguments, key.addresses)) return fault;
  if (arguments.text("product")) {
    if (auto fault = read_product(app, arguments, key.product)) return fault;
    if (administers(key))
      return bad_request("product", "can't limit a key with an admin scope: administration is of the whole server");
  }
  key.expires_at = arguments.integer("expires_at").value_or(licensing::kNever);
  key.require_signature = arguments.boolean("require_signature").value_or(false);
  if (key.require_signature && administers(key))
    return bad_request("require_signature", "is for keys of clients: administrative calls have no signature");
  return std::nullopt;
}

std::string created_detail(const store::ApiKey& key) {
  return "{\"name\":" + base::json_string(key.name) + ",\"scopes\":" + base::json_string(key.scopes) + "}";
}

// What a PATCH asks for, onto `key`.
std::optional<RequestFault> change_members(const Arguments& arguments, store::ApiKey& key) {
  if (const auto name = arguments.text("name")) key.name = *name;
  if (const auto time = arguments.integer("expires_at")) key.expires_at = *time;
  if (arguments.is_null("expires_at")) key.expires_at = licensing::kNever;
  if (const auto value = arguments.boolean("require_signature")) key.require_signature = *value;
  if (key.require_signature && administers(key))
    return bad_request("require_signature", "is for keys of clients: administrative calls have no signature");
  if (arguments.array("addresses") != nullptr) return read_addresses(arguments, key.addresses);
  return std::nullopt;
}

Failure forbidden(std::string message) { return {Code::forbidden, std::move(message), {}, 0, {}}; }

// A key never gives anybody more than the key has that makes or widens it.
std::optional<Failure> refuse_grant(const Author& author, const store::ApiKey& key) {
  const auto scopes = auth::parse_scopes(key.scopes);
  const auto addresses = auth::AddressList::parse(key.addresses);
  if (!scopes || (author.rights.scopes | *scopes) != author.rights.scopes)
    return forbidden("A key can't grant scopes that the caller's own key lacks");
  if (!addresses || !author.rights.addresses.covers(*addresses))
    return forbidden("A key can't be used from more addresses than the caller's own");
  if (key.expires_at > author.key.expires_at)
    return forbidden("A key can't be made to last longer than the caller's own");
  return std::nullopt;
}

bool widens(const store::ApiKey& before, const store::ApiKey& after) {
  const auto from = auth::AddressList::parse(before.addresses), to = auth::AddressList::parse(after.addresses);
  return after.expires_at > before.expires_at || (before.require_signature && !after.require_signature) || !from ||
         !to || !from->covers(*to);
}

// Nobody locks out all who may make such keys, or themselves.
std::optional<Failure> refuse_narrowing(const Change& change, const store::ApiKey& before, const store::ApiKey& after) {
  const Author& author = change.author;
  const bool last = may_make_keys(after) && !change.app.api_keys.has_substitute(before, author.address, change.now);
  if (last && after.expires_at < before.expires_at)
    return forbidden("No other key may do all that this one may, and as long: it can't be made to expire earlier");
  const auto addresses = auth::AddressList::parse(after.addresses);
  if ((author.key.id == after.id || last) && addresses && !addresses->allows(author.address))
    return forbidden("The addresses must include the caller's own, " + author.address);
  return std::nullopt;
}

Outcome show_key(const Change& change, const store::ApiKey& key, std::string_view message) {
  Outcome outcome;
  outcome.data = view_api_key(change.app, key);
  outcome.message = message;
  outcome.etag = key_etag(change.app, key);
  return outcome;
}

std::string address_list_json(const std::string& addresses) { return base::json_string(addresses); }
std::string time_json(base::UnixSeconds time) { return time == licensing::kNever ? "null" : std::to_string(time); }

Outcome change_key(Change& change, const base::Id& id, const Arguments& arguments) {
  const auto before = change.tx.api_key(id);
  if (!before) return refused(Code::not_found);
  if (auto failure = change.refuse_stale(key_etag(change.app, *before))) return refused(*failure);
  store::ApiKey key = *before;
  if (const auto fault = change_members(arguments, key)) return refused(*fault);
  if (widens(*before, key)) {
    if (auto failure = refuse_grant(change.author, key)) return refused(*failure);
  }
  if (auto failure = refuse_narrowing(change, *before, key)) return refused(*failure);
  ChangedMembers members;
  members.add("name", base::json_string(before->name), base::json_string(key.name));
  members.add("expires_at", time_json(before->expires_at), time_json(key.expires_at));
  members.add("require_signature", before->require_signature ? "true" : "false",
              key.require_signature ? "true" : "false");
  members.add("addresses", address_list_json(before->addresses), address_list_json(key.addresses));
  if (!members.empty()) {
    change.tx.update_api_key(key);
    change.record("api_key.changed", key_id(key), members.detail({}));
    change.after_commit([&app = change.app, key] { app.api_keys.add(key); });
  }
  return show_key(change, key, "API key changed");
}

}  // namespace

void handle_create_api_key(Call& call) {
  const auto arguments = read_arguments(call);
  if (!arguments) return;
  store::ApiKey stored;
  if (const auto fault = read_key(call.app(), *arguments, stored)) return call.fail(*fault);
  auto made = std::make_shared<auth::NewApiKey>(auth::make_api_key());
  stored.id = made->id;
  stored.secret_hash = made->secret_hash;
  submit_change(call, [stored, made](Change& change) {
    store::ApiKey key = stored;
    key.created_at = change.now;
    key.expires_at = std::min(key.expires_at, change.author.key.expires_at);
    if (auto failure = refuse_grant(change.author, key)) return refused(*failure);
    change.tx.insert_api_key(key);
    change.record("api_key.created", key_id(key), created_detail(key));
    change.after_commit([&app = change.app, key] { app.api_keys.add(key); });
    Outcome outcome = show_key(change, key, "API key created; it is shown this once only");
    outcome.status = 201;
    outcome.once = "\"api_key\":" + base::json_string(made->text.reveal());
    return outcome;
  });
}

void handle_list_api_keys(Call& call) {
  if (!read_arguments(call)) return;
  ReadCall::submit(call, [](store::Reader& reader) -> ReadCall::Reply {
    return [keys = reader.api_keys()](Call& again) {
      std::vector<std::string> views;
      for (const auto& key : keys) views.push_back(view_api_key(again.app(), key));
      again.succeed(200, begin_list("api_keys", views) + "}", "API keys");
    };
  });
}

void handle_show_api_key(Call& call) {
  if (!read_arguments(call)) return;
  const auto id = base::parse_id(base::kApiKeyPrefix, call.path_id);
  if (!id) return call.fail(Code::not_found);
  ReadCall::submit(call, [id = *id](store::Reader& reader) -> ReadCall::Reply {
    return [key = reader.api_key(id)](Call& again) {
      if (!key) return again.fail(Code::not_found);
      again.set_header("ETag", key_etag(again.app(), *key));
      again.succeed(200, view_api_key(again.app(), *key), "API key found");
    };
  });
}

void handle_change_api_key(Call& call) {
  const auto arguments = read_arguments(call);
  if (!arguments) return;
  const auto id = base::parse_id(base::kApiKeyPrefix, call.path_id);
  if (!id) return call.fail(Code::not_found);
  submit_change(call, [id = *id, arguments = *arguments](Change& change) { return change_key(change, id, arguments); });
}

void handle_revoke_api_key(Call& call) {
  if (!read_arguments(call)) return;
  const auto id = base::parse_id(base::kApiKeyPrefix, call.path_id);
  if (!id) return call.fail(Code::not_found);
  submit_change(call, [id = *id](Change& change) {
    auto key = change.tx.api_key(id);
    if (!key) return refused(Code::not_found);
    if (auto failure = change.refuse_stale(key_etag(change.app, *key))) return refused(*failure);
    if (may_make_keys(*key) && !change.app.api_keys.has_substitute(*key, change.author.address, change.now))
      return refused(Code::forbidden,
                     "No other key may do all that this one may, from here and as long: it can't be revoked");
    if (change.tx.revoke_api_key(id, change.now)) {
      key->revoked_at = change.now;
      change.record("api_key.revoked", key_id(*key));
      change.after_commit([&app = change.app, id, now = change.now] { app.api_keys.revoke(id, now); });
    }
    return show_key(change, *key, "API key revoked");
  });
}

}  // namespace lictor::api
