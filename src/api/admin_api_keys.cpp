#include "api/admin.h"
#include "api/admin_view.h"
#include "api/json_document.h"
#include "base/encoding.h"

namespace lictor::api {
namespace {

namespace json = boost::json;
using licensing::Code;

std::string read_scopes(DocumentReader& reader) {
  const json::array* array = reader.array("scopes");
  std::string scopes;
  if (array == nullptr || array->empty()) {
    reader.fault("scopes", "is missing: an array of at least one scope");
    return scopes;
  }
  for (const auto& scope : *array) {
    if (!scope.is_string()) return reader.fault("scopes", "must hold nothing but strings"), scopes;
    const std::string name(scope.get_string());
    const auto parsed = auth::parse_scopes(name);
    if (!parsed) reader.fault(parsed.problem());
    if (name.find(' ') != std::string::npos) reader.fault("scopes", "must hold one scope in each string");
    scopes += (scopes.empty() ? "" : " ") + name;
  }
  return scopes;
}

store::Event key_event(std::string_view action, const base::Id& id, std::string detail, base::UnixSeconds now) {
  store::Event event;
  event.at = now;
  event.action = action;
  event.subject = base::format_id(base::kApiKeyPrefix, id);
  event.detail = std::move(detail);
  return event;
}

std::optional<RequestFault> read_key(const App& app, const json::object& document, store::ApiKey& key) {
  DocumentReader reader(document);
  key.name = reader.text("name", 100, true).value_or("");
  key.scopes = read_scopes(reader);
  if (const auto name = reader.text("product", 63)) {
    const auto product = app.catalog.product(*name);
    if (!product) reader.fault("product", "'" + *name + "' is not known");
    if (product) key.product = product->stored.row;
    if (key.scopes.find("admin:") != std::string::npos) {
      reader.fault("product", "can't limit a key with an admin scope: administration is of the whole server");
    }
  }
  key.expires_at = reader.integer("expires_at", 1, 253402300799).value_or(licensing::kNever);
  key.require_signature = reader.boolean("require_signature").value_or(false);
  if (key.require_signature && key.scopes.find("admin:") != std::string::npos) {
    reader.fault("require_signature", "is for keys of clients: administrative calls have no signature");
  }
  return reader.finish();
}

}  // namespace

void handle_create_api_key(Call& call) {
  with_document(call, false, [&](const json::object& document) {
    store::ApiKey stored;
    if (const auto fault = read_key(call.app(), document, stored)) return call.fail(*fault);
    if ((call.caller->scopes | static_cast<auth::ScopeSet>(*auth::parse_scopes(stored.scopes))) !=
        call.caller->scopes) {
      return call.fail(Failure{Code::forbidden, "A key can't grant scopes that the caller's own key lacks", {}, 0, {}});
    }
    stored.expires_at =
        std::min(stored.expires_at, call.caller->expires_at);  // a key can't outlive itself through another
    auto made = std::make_shared<auth::NewApiKey>(auth::make_api_key());
    stored.id = made->id;
    stored.secret_hash = made->secret_hash;
    const auto key = std::make_shared<store::ApiKey>(std::move(stored));
    auto job = std::make_unique<AdminCall>(call, [key, made](Call& again) {
      std::string data = view_api_key(again.app(), *key);
      data.back() = ',';
      data += "\"api_key\":" + base::json_string(made->text.reveal()) + "}";
      again.succeed(201, data, "API key created; it is shown this once only");
    });
    job->work = [key](store::Tx& tx, base::UnixSeconds now, std::vector<store::Event>& events) {
      key->created_at = now;
      tx.insert_api_key(*key);
      events.push_back(key_event(
          "api_key.created", key->id,
          "{\"name\":" + base::json_string(key->name) + ",\"scopes\":" + base::json_string(key->scopes) + "}", now));
    };
    job->committed = [&app = call.app(), key] { app.api_keys.add(*key); };
    AdminCall::submit(call, std::move(job));
  });
}

void handle_list_api_keys(Call& call) {
  ReadCall::submit(call, [](store::Reader& reader) -> ReadCall::Reply {
    return [keys = reader.api_keys()](Call& again) {
      std::vector<std::string> views;
      for (const auto& key : keys) views.push_back(view_api_key(again.app(), key));
      again.succeed(200, begin_list("api_keys", views) + "}", "API keys");
    };
  });
}

void handle_revoke_api_key(Call& call) {
  const auto id = base::parse_id(base::kApiKeyPrefix, call.path_id);
  if (!id) return call.fail(Code::not_found);
  with_document(call, true, [&](const json::object& document) {
    DocumentReader reader(document);
    if (const auto fault = reader.finish()) return call.fail(*fault);
    if (!call.app().api_keys.another_administers(*id, call.app().clock.now())) {
      return call.fail(Failure{Code::forbidden, "The last key that may administer can't be revoked", {}, 0, {}});
    }
    auto job = std::make_unique<AdminCall>(call, [id = *id](Call& again) {
      ReadCall::submit(again, [id](store::Reader& source) -> ReadCall::Reply {
        return [key = source.api_key(id)](Call& last) {
          if (!key) return last.fail(Code::not_found);
          last.succeed(200, view_api_key(last.app(), *key), "API key revoked");
        };
      });
    });
    const auto revoked_at = std::make_shared<base::UnixSeconds>(0);
    job->work = [id = *id, revoked_at](store::Tx& tx, base::UnixSeconds now, std::vector<store::Event>& events) {
      *revoked_at = now;
      if (tx.revoke_api_key(id, now)) events.push_back(key_event("api_key.revoked", id, "", now));
    };
    job->committed = [&app = call.app(), id = *id, revoked_at] { app.api_keys.revoke(id, *revoked_at); };
    AdminCall::submit(call, std::move(job));
  });
}

}  // namespace lictor::api
