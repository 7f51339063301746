// Who may do what: identity, scopes, products, signatures (security.md A9, A10, A11).
#include <algorithm>

#include "api/api_test.h"

namespace lictor::test {
namespace {

constexpr auto kNoScope = auth::Scope::none;

std::string path_of(const api::Route& route, const std::string& id) {
  std::string path(route.path);
  const auto brace = path.find("{id}");
  return brace == std::string::npos ? path : path.replace(brace, 4, id);
}
std::string without_request_id(const std::string& body) {
  const auto at = body.find("\"request_id\":\"");
  return at == std::string::npos ? body : body.substr(0, at) + body.substr(body.find('"', at + 14) + 1);
}
std::string scope_name(auth::Scope scope) {
  return std::string(
      std::ranges::find(auth::kScopes, static_cast<auth::ScopeSet>(scope), &auth::ScopeName::grants)->name);
}

using AccessTest = ApiTest;

// A11: only these answer everybody.
TEST_F(AccessTest, EveryOtherRouteHasAScope) {
  const std::vector<std::string> open{"/health", "/ready", "/metrics"};
  EXPECT_GT(api::route_table().size(), 20U);
  for (const auto& route : api::route_table()) {
    const bool is_open = std::ranges::find(open, route.path) != open.end();
    EXPECT_EQ(route.scope == kNoScope, is_open) << route.method << " " << route.path;
    EXPECT_NE(route.handle, nullptr);
    if (route.path.find("/admin/") != std::string::npos) {
      EXPECT_EQ(route.scope, route.method == "GET" || route.path.ends_with("/lookup") ? auth::Scope::admin_read
                                                                                      : auth::Scope::admin_write);
    }
  }
}

TEST_F(AccessTest, LicenseAuthenticationIsForThreeCallsOnly) {
  for (const auto& route : api::route_table()) {
    const bool may = route.endpoint == "/activate" || route.endpoint == "/validate" || route.endpoint == "/deactivate";
    EXPECT_EQ(route.license_auth, may) << route.path;
  }
}

// Every route × every kind of caller that must be turned away.
TEST_F(AccessTest, EveryRouteTurnsAwayWhoMayNot) {
  const auto license = add_license("{}");
  std::map<auth::Scope, std::string> lacking;  // a key with all scopes but one
  for (const auto& scope : auth::kScopes) {
    if (scope.name == "admin:*") continue;
    std::string others;
    for (const auto& other : auth::kScopes) {
      if (other.name != "admin:*" && other.name != scope.name)
        others += (others.empty() ? "" : " ") + std::string(other.name);
    }
    lacking[static_cast<auth::Scope>(scope.grants)] = add_key(others);
  }
  const std::string stranger(auth::make_api_key().text.reveal());
  for (const auto& route : api::route_table()) {
    if (route.scope == kNoScope) continue;
    const std::string method(route.method), path = path_of(route, license.id), body = method == "POST" ? "{}" : "";
    SCOPED_TRACE(method + " " + path);
    if (!route.license_auth) {
      const auto nobody = call(method, path, body);
      EXPECT_EQ(nobody.status, 401);
      EXPECT_EQ(nobody.code(), "UNAUTHENTICATED");
      EXPECT_FALSE(nobody.header("WWW-Authenticate").empty());
    }
    EXPECT_EQ(call(method, path, body, stranger).code(), "UNAUTHENTICATED");
    EXPECT_EQ(call(method, path, body, "lk_live_x").code(), "UNAUTHENTICATED");
    EXPECT_EQ(call(method, path, body, "", {{"Authorization", "Bearer x"}}).code(), "UNAUTHENTICATED");
    EXPECT_EQ(call(method, path, body, lacking.at(route.scope)).code(), "FORBIDDEN") << scope_name(route.scope);
  }
  EXPECT_EQ(validate(license, "").status, 200) << "nothing was changed by any of it";
}

TEST_F(AccessTest, ARevokedOrExpiredKeyIsTurnedAwayAtOnce) {
  const auto license = add_license("{}");
  const auto made =
      admin("POST", "/api-keys",
            R"({"name":"k","scopes":["license:validate"],"expires_at":)" + std::to_string(kNow + 100) + "}");
  const std::string key = made.text("api_key"), body = R"({"license_id":")" + license.id + "\"}";
  const auto status = [&] { return call("POST", "/api/v1/licenses/validate", body, key).status; };
  EXPECT_EQ(status(), 200);
  clock_.set(kNow + 100);
  EXPECT_EQ(status(), 401);
  clock_.set(kNow);
  EXPECT_EQ(status(), 200);
  const auto revoked = admin("POST", "/api-keys/" + made.text("id") + "/revoke");
  EXPECT_EQ(revoked.status, 200);
  EXPECT_EQ(revoked.number("revoked_at"), kNow);
  EXPECT_EQ(status(), 401);
  EXPECT_EQ(admin("POST", "/api-keys/key_00000000000000000000000000/revoke").code(), "NOT_FOUND");
}

// A10: what belongs to another product looks like what is not there.
TEST_F(AccessTest, ForeignObjectsAreNotThere) {
  add_product("other");
  const auto own = add_license(R"({"type":"metered"})"), foreign = add_license(R"({"type":"metered"})", "other");
  const std::string key = add_key("license:validate license:activate license:read usage:write", R"(,"product":"demo")");
  const std::string foreign_client = activate(foreign).data().at("client").at("id").as_string().c_str();
  const std::string own_client = activate(own).data().at("client").at("id").as_string().c_str();
  const auto read = [&](const std::string& path) { return call("GET", "/api/v1" + path, "", key); };
  const auto send = [&](const std::string& call_name, const std::string& member, const std::string& value) {
    std::string body = "{\"" + member + "\":\"" + value + "\"";
    if (call_name != "validate") body += R"(,"client_id":"c")";
    if (call_name == "usage") body += R"(,"metric":"m","quantity":1,"idempotency_key":"i")";
    return call("POST", "/api/v1/licenses/" + call_name, body + "}", key);
  };
  for (const char* name : {"activate", "validate", "usage", "deactivate"}) {
    SCOPED_TRACE(name);
    EXPECT_EQ(send(name, "license_key", own.key).status, 200);
    std::vector<std::string> bodies;
    for (const auto& value : {foreign.key, std::string("AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE"), std::string("?"),
                              std::string("KEY\\n"), std::string(5000, 'A'), std::string("ＫＥＹ１")}) {
      const auto answer = send(name, "license_key", value);
      EXPECT_EQ(answer.status, 404);
      EXPECT_EQ(answer.code(), "LICENSE_KEY_INVALID") << value.substr(0, 50);
      bodies.push_back(without_request_id(answer.body));
    }
    if (std::string(name) != "activate") {
      for (const auto& value :
           {foreign.id, std::string("lic_00000000000000000000000000"), std::string("x"), own.id + "0"}) {
        bodies.push_back(without_request_id(send(name, "license_id", value).body));
      }
    }
    EXPECT_TRUE(std::ranges::all_of(bodies, [&](const auto& body) { return body == bodies.front(); }));
  }
  EXPECT_EQ(read("/licenses/" + own.id).status, 200);
  EXPECT_EQ(read("/clients/" + own_client).status, 200);
  std::vector<std::string> bodies;
  for (const auto& path :
       {"/licenses/" + foreign.id, std::string("/licenses/lic_00000000000000000000000000"), std::string("/licenses/x"),
        "/clients/" + foreign_client, std::string("/clients/cli_00000000000000000000000000"), std::string("/clients/x"),
        "/clients/c?license_id=" + foreign.id, std::string("/clients/c?license_id=x"), std::string("/clients/%ff")}) {
    const auto answer = read(path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_EQ(answer.code(), "NOT_FOUND");
    bodies.push_back(without_request_id(answer.body));
  }
  EXPECT_TRUE(std::ranges::all_of(bodies, [&](const auto& body) { return body == bodies.front(); }));
}

// Administration is of the whole server, so a key of one product can't have it.
TEST_F(AccessTest, AKeyOfOneProductAdministersNothing) {
  for (const char* scope : {"admin:read", "admin:write", "admin:*"}) {
    const auto answer =
        admin("POST", "/api-keys", R"({"name":"k","product":"demo","scopes":[")" + std::string(scope) + "\"]}");
    EXPECT_EQ(answer.status, 400) << scope;
    EXPECT_EQ(answer.details().at("field"), "product");
  }
  const auto license = add_license("{}");
  auth::NewApiKey made = auth::make_api_key();  // as a database might have it
  store::ApiKey key;
  key.id = made.id;
  key.secret_hash = made.secret_hash;
  key.scopes = "admin:*";
  key.product = catalog_.product("demo")->stored.row;
  api_keys_.add(key);
  const std::string text(made.text.reveal());
  for (const auto& route : api::route_table()) {
    if (route.path.find("/admin/") == std::string::npos) continue;
    const std::string body = route.method == "POST" ? "{}" : "";
    EXPECT_EQ(call(std::string(route.method), path_of(route, license.id), body, text).code(), "FORBIDDEN")
        << route.path;
  }
}

TEST_F(AccessTest, AKeyGrantsNoMoreThanItHas) {
  const std::string writer = add_key("admin:write license:read");
  const auto create = [&](const std::string& scope) {
    return call("POST", "/api/v1/admin/api-keys", R"({"name":"k","scopes":[")" + scope + "\"]}", writer);
  };
  EXPECT_EQ(create("license:read").status, 201);
  EXPECT_EQ(create("admin:write").status, 201);
  for (const char* scope : {"admin:*", "admin:read", "license:validate", "usage:write"})
    EXPECT_EQ(create(scope).code(), "FORBIDDEN") << scope;
  for (const char* scope : {"", "admin", "license:read license:read", "license:read ", "admin:*\\n"}) {
    const auto answer = create(scope);
    EXPECT_EQ(answer.code(), "BAD_REQUEST") << '"' << scope << '"';
    EXPECT_EQ(answer.details().at("field"), "scopes");
  }
}

// A9: what the server decides can't be sent along.
TEST_F(AccessTest, MassAssignment) {
  const auto license = add_license(R"({"type":"metered"})");
  const std::map<std::string, std::string> good{
      {"/api/v1/licenses/validate", R"("license_key":")" + license.key + "\""},
      {"/api/v1/licenses/activate", R"("client_id":"c","license_key":")" + license.key + "\""},
      {"/api/v1/activate", R"("client_id":"c","license_key":")" + license.key + "\""},
      {"/api/v1/licenses/deactivate", R"("client_id":"c","license_key":")" + license.key + "\""},
      {"/api/v1/licenses/usage",
       R"("metric":"m","quantity":1,"idempotency_key":"i","license_key":")" + license.key + "\""},
      {"/api/v1/admin/licenses", R"("product":"demo","policy":"policy-1")"},
      {"/api/v1/admin/licenses/lookup", R"("license_key":")" + license.key + "\""},
      {"/api/v1/admin/licenses/{id}/suspend", R"("reason":"x")"},
      {"/api/v1/admin/licenses/{id}/resume", R"("reason":"x")"},
      {"/api/v1/admin/licenses/{id}/revoke", R"("reason":"x")"},
      {"/api/v1/admin/products", R"("name":"new")"},
      {"/api/v1/admin/policies", R"("product":"demo","name":"new")"},
      {"/api/v1/admin/api-keys", R"("name":"new","scopes":["license:read"])"},
      {"/api/v1/admin/api-keys/{id}/revoke", ""},
      {"/api/v1/admin/licenses/import", R"("licenses":[{}])"},
      {"/api/v1/admin/licenses/{id}/renew", ""},
      {"/api/v1/admin/licenses/{id}/extend", R"("seconds":1)"},
      {"/api/v1/admin/licenses/{id}/transfer", R"("holder":"x")"},
      {"/api/v1/admin/clients/{id}/deactivate", ""},
      {"/api/v1/admin/clients/{id}/block", ""},
      {"/api/v1/admin/clients/{id}/unblock", ""},
      {"PATCH /api/v1/admin/products/{id}", R"("client_auth":"api_key")"},
      {"PATCH /api/v1/admin/policies/{id}", R"("terms":{})"},
      {"PATCH /api/v1/admin/licenses/{id}", R"("holder":"x")"},
      {"PATCH /api/v1/admin/api-keys/{id}", R"("name":"x")"},
  };
  for (const auto& route : api::route_table()) {
    const std::string method(route.method);
    if (method != "POST" && method != "PATCH") continue;
    const auto it = good.find((method == "POST" ? "" : method + " ") + std::string(route.path));
    ASSERT_NE(it, good.end()) << method << " " << route.path << " needs a row here";
    const bool of_key = route.path.find("api-keys/{id}") != std::string::npos;
    const std::string path = path_of(route, of_key ? "key_00000000000000000000000000" : license.id);
    for (const char* member : {"max_clients", "status", "role", "id", "created_at"}) {
      const std::string body = "{" + it->second + (it->second.empty() ? "" : ",") + "\"" + member + "\":1}";
      const auto answer = call(method, path, body, admin_key_);
      EXPECT_EQ(answer.status, 422) << method << " " << path << " " << body;
      EXPECT_EQ(answer.code(), "UNKNOWN_FIELD");
      EXPECT_EQ(answer.details().at("field"), member);
    }
  }
  for (const auto& [path, body, field] : std::vector<std::array<std::string, 3>>{
           {"/policies", R"({"product":"demo","name":"new","terms":{"status":"active"}})", "terms.status"},
           {"/licenses", R"({"product":"demo","policy":"policy-1","overrides":{"role":"x"}})", "overrides.role"}}) {
    const auto answer = admin("POST", path, body);
    EXPECT_EQ(answer.status, 422);
    EXPECT_EQ(answer.details().at("field"), json::value(field));
  }
}

// ---- license-key authentication ----

TEST_F(AccessTest, TheLicenseKeyAloneWhereItsProductAllows) {
  add_product("sandbox", R"("client_auth":"license")");
  const auto open = add_license(R"({"type":"metered","max_clients":2})", "sandbox", R"(,"license_key":"TEST-KEY-001")");
  const auto closed = add_license("{}");
  const auto send = [&](const std::string& path, const std::string& body) {
    return call("POST", "/api/v1" + path, body);
  };
  const std::string key = R"({"license_key":"TEST-KEY-001")";
  EXPECT_EQ(send("/licenses/activate", key + R"(,"client_id":"c"})").status, 200);
  EXPECT_EQ(send("/activate", key + R"(,"client_id":"c"})").status, 200);
  EXPECT_EQ(send("/licenses/validate", key + R"(,"client_id":"c"})").status, 200);
  EXPECT_EQ(send("/licenses/validate", key + "}").status, 200);
  EXPECT_EQ(send("/licenses/deactivate", key + R"(,"client_id":"c"})").status, 200);
  EXPECT_EQ(send("/licenses/usage", key + R"(,"metric":"m","quantity":1,"idempotency_key":"i"})").code(),
            "UNAUTHENTICATED");
  EXPECT_EQ(call("GET", "/api/v1/licenses/" + open.id).code(), "UNAUTHENTICATED");
  EXPECT_EQ(send("/licenses/validate", R"({"license_id":")" + open.id + "\"}").code(), "UNAUTHENTICATED")
      << "an id is no credential";
  EXPECT_EQ(call("POST", "/api/v1/licenses/validate", key + "}", "", {{"Authorization", "Bearer x"}}).code(),
            "UNAUTHENTICATED");
  EXPECT_EQ(send("/licenses/validate", key + R"(,"signature":"00"})").code(), "SIGNATURE_INVALID")
      << "there is no API key to sign with";
  for (const char* path : {"/licenses/validate", "/licenses/activate", "/licenses/deactivate"}) {
    std::vector<std::string> bodies;
    for (const auto& value : {closed.key, std::string("TEST-KEY-002"), std::string("?")}) {
      const auto answer = send(path, R"({"license_key":")" + value + R"(","client_id":"c"})");
      EXPECT_EQ(answer.status, 401) << path << value;
      bodies.push_back(without_request_id(answer.body));
    }
    EXPECT_TRUE(bodies[0] == bodies[1] && bodies[1] == bodies[2]) << path;
  }
}

// ---- guide signature ----

TEST_F(AccessTest, SignatureAndTimestampAreCheckedWhenPresent) {
  const auto license = add_license("{}");
  json::object body = activation(license);
  const auto send = [&](const std::string& text) { return post("/licenses/activate", text).code(); };
  for (const auto& [skew, code] : std::vector<std::pair<std::int64_t, std::string>>{
           {0, ""}, {300, ""}, {-300, ""}, {301, "CLOCK_SKEW"}, {-301, "CLOCK_SKEW"}, {86400, "CLOCK_SKEW"}}) {
    body["timestamp"] = kNow + skew;
    EXPECT_EQ(send(sign(body, client_key_)), code) << skew;
    EXPECT_EQ(send(json::serialize(body)), code) << skew << " without a signature";
  }
  body["timestamp"] = kNow;
  EXPECT_EQ(send(sign(body, admin_key_)), "SIGNATURE_INVALID");
  std::string changed = sign(body, client_key_);
  changed.replace(changed.find("\"c\""), 3, "\"d\"");
  EXPECT_EQ(send(changed), "SIGNATURE_INVALID");
  body["signature"] = "base64-encoded-signature";
  EXPECT_EQ(send(json::serialize(body)), "SIGNATURE_INVALID");
  body.erase("signature");
  body["client_id"] = "a&license_key=b";
  EXPECT_EQ(send(sign(body, client_key_)), "SIGNATURE_AMBIGUOUS");
  body["client_id"] = "c";
  body["hardware_fingerprint"] = json::object{{"tpm", "tag"}};
  EXPECT_EQ(send(sign(body, client_key_)), "SIGNATURE_AMBIGUOUS");
}

TEST_F(AccessTest, RequireSignature) {
  add_product("strict", R"("require_signature":true)");
  const auto strict = add_license("{}", "strict"), plain = add_license("{}");
  const std::string strict_key = add_key("license:activate license:validate", R"(,"require_signature":true)");
  struct Row {
    std::string name;
    License license;
    std::string key;
    bool timestamp, signature;
    std::string code;
  };
  const Row rows[] = {
      {"product: nothing", strict, client_key_, false, false, "SIGNATURE_INVALID"},
      {"product: a timestamp", strict, client_key_, true, false, "SIGNATURE_INVALID"},
      {"product: a signature without a timestamp", strict, client_key_, false, true, "SIGNATURE_INVALID"},
      {"product: both", strict, client_key_, true, true, ""},
      {"key: nothing", plain, strict_key, false, false, "SIGNATURE_INVALID"},
      {"key: a signature without a timestamp", plain, strict_key, false, true, "SIGNATURE_INVALID"},
      {"key: both", plain, strict_key, true, true, ""},
      {"neither: nothing", plain, client_key_, false, false, ""},
  };
  for (const auto& row : rows) {
    json::object body = activation(row.license);
    if (row.timestamp) body["timestamp"] = kNow;
    const std::string text = row.signature ? sign(body, row.key) : json::serialize(body);
    EXPECT_EQ(call("POST", "/api/v1/licenses/activate", text, row.key).code(), row.code) << row.name;
    EXPECT_EQ(call("POST", "/api/v1/licenses/validate", text, row.key).code(), row.code) << row.name;
  }
  EXPECT_EQ(admin("POST", "/licenses/" + strict.id + "/suspend").status, 200)
      << "a rule for clients does not bind administrators";
}

TEST_F(AccessTest, ASignedUsageTwiceIsAReplay) {
  const auto license = add_license(R"({"type":"metered"})");
  json::object body{
      {"license_id", license.id}, {"metric", "m"}, {"quantity", 3}, {"idempotency_key", "i"}, {"timestamp", kNow}};
  const std::string signed_body = sign(body, client_key_);
  EXPECT_EQ(post("/licenses/usage", signed_body).number("total"), 3);
  EXPECT_EQ(post("/licenses/usage", signed_body).code(), "REPLAYED");
  body["timestamp"] = kNow + 1;
  EXPECT_EQ(post("/licenses/usage", sign(body, client_key_)).number("total"), 3) << "a retry, signed anew";
}

}  // namespace
}  // namespace lictor::test
