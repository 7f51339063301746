// Administration over the API.
#include <set>

#include "api/api_test.h"

namespace lictor::test {
namespace {

using AdminTest = ApiTest;

std::vector<std::string> keys_of(const Answer& answer, const std::string& list, const std::string& member) {
  std::vector<std::string> keys;
  for (const auto& item : answer.data().at(list).as_array()) keys.emplace_back(item.at(member).as_string());
  return keys;
}

TEST_F(AdminTest, WhatIsRefused) {
  add_license("{}", "demo", R"(,"license_key":"TAKEN-1")");
  struct Row {
    std::string path, body, code, field;
  };
  const std::string order = R"({"product":"demo","policy":"policy-1")";
  const Row rows[] = {
      {"/licenses", "{}", "BAD_REQUEST", "product"},
      {"/licenses", R"({"product":"none","policy":"policy-1"})", "BAD_REQUEST", "product"},
      {"/licenses", R"({"product":"demo","policy":"none"})", "BAD_REQUEST", "policy"},
      {"/licenses", order + R"(,"count":0})", "BAD_REQUEST", "count"},
      {"/licenses", order + R"(,"count":10001})", "BAD_REQUEST", "count"},
      {"/licenses", order + R"(,"count":2,"license_key":"KEY-1"})", "BAD_REQUEST", "count"},
      {"/licenses", order + R"(,"license_key":"KEY_1"})", "BAD_REQUEST", "license_key"},
      {"/licenses", order + R"(,"license_key":"KEY"})", "BAD_REQUEST", "license_key"},
      {"/licenses", order + R"(,"license_key":"taken-1"})", "ALREADY_EXISTS", ""},
      {"/licenses", order + R"(,"holder":"a\u202eb"})", "BAD_REQUEST", "holder"},
      {"/licenses", order + R"(,"starts_at":-1})", "BAD_REQUEST", "starts_at"},
      {"/licenses", order + R"(,"expires_at":"tomorrow"})", "BAD_REQUEST", "expires_at"},
      {"/licenses", order + R"(,"overrides":{"max_clients":0}})", "BAD_REQUEST", "overrides.max_clients"},
      {"/licenses", order + R"(,"overrides":[]})", "BAD_REQUEST", "overrides"},
      {"/products", R"({"name":"Demo"})", "BAD_REQUEST", "name"},
      {"/products", R"({"name":"demo"})", "ALREADY_EXISTS", ""},
      {"/products", R"({"name":"p","client_auth":"none"})", "BAD_REQUEST", "client_auth"},
      {"/products", R"({"name":"p","name":"q"})", "BAD_REQUEST", "name"},
      {"/policies", R"({"product":"demo","name":"policy-1","terms":{}})", "ALREADY_EXISTS", ""},
      {"/policies", R"({"product":"demo","name":"x","terms":{"lease":-1}})", "BAD_REQUEST", "terms.lease"},
      {"/policies", R"({"product":"demo","name":"x","terms":{"lease":1,"leas\u0065":2}})", "BAD_REQUEST", "lease"},
      {"/api-keys", R"({"name":"x","scopes":[]})", "BAD_REQUEST", "scopes"},
      {"/api-keys", R"({"name":"x","scopes":["root"]})", "BAD_REQUEST", "scopes"},
      {"/api-keys", R"({"name":"x","scopes":["license:read"],"product":"none"})", "BAD_REQUEST", "product"},
      {"/licenses/lookup", R"({"license_key":"NONE-1"})", "LICENSE_KEY_INVALID", ""},
      {"/licenses/lic_x/suspend", "", "NOT_FOUND", ""},
      {"/licenses/lic_00000000000000000000000000/revoke", "", "NOT_FOUND", ""},
  };
  const auto sequence = store_.open_reader()->audit_head().sequence;
  for (const auto& row : rows) {
    const auto answer = admin("POST", row.path, row.body);
    EXPECT_EQ(answer.code(), row.code) << row.path << row.body << answer.body;
    if (!row.field.empty()) {
      EXPECT_EQ(answer.details().at("field"), json::value(row.field)) << row.body;
    }
  }
  EXPECT_EQ(store_.open_reader()->audit_head().sequence, sequence) << "what is refused leaves no trace";
}

TEST_F(AdminTest, QueriesAreStrict) {
  const auto license = add_license("{}");
  for (const auto& path : {"/licenses?limit=0", "/licenses?limit=1001", "/licenses?limit=x", "/licenses?cursor=x",
                           "/licenses?cursor=0", "/licenses?status=deleted", "/licenses?product=none",
                           "/licenses?policy=policy-1", "/licenses?role=admin", "/licenses?limit=1&limit=2",
                           "/licenses?holder=%zz", "/policies?x=1", "/events?limit=1001", "/events?after=-1"}) {
    EXPECT_EQ(admin("GET", path).code(), "BAD_REQUEST") << path;
  }
  EXPECT_EQ(admin("GET", "/licenses/" + license.id + "/clients?limit=0").code(), "BAD_REQUEST");
  EXPECT_EQ(admin("GET", "/licenses?product=demo&policy=policy-1&status=active&holder=&limit=500").status, 200);
}

TEST_F(AdminTest, PagesAreWholeWhileRowsCome) {
  add_license("{}");
  std::set<std::string> first;
  const auto issue = [&](int count) {
    return keys_of(
        admin("POST", "/licenses",
              R"({"product":"demo","policy":"policy-1","holder":"h","count":)" + std::to_string(count) + "}"),
        "licenses", "license_id");
  };
  for (const auto& id : issue(25)) first.insert(id);
  std::multiset<std::string> seen;
  std::string cursor;
  for (int page = 0; page < 20; ++page) {
    const auto answer = admin("GET", "/licenses?holder=h&limit=7" + (cursor.empty() ? "" : "&cursor=" + cursor));
    for (const auto& id : keys_of(answer, "licenses", "license_id")) seen.insert(id);
    issue(3);
    if (answer.data().at("next_cursor").is_null()) break;
    cursor = answer.text("next_cursor");
  }
  EXPECT_EQ(seen.size(), first.size());
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()), first);
}

TEST_F(AdminTest, PagesOfClients) {
  const auto license = add_license(R"({"max_clients":null})");
  for (int i = 0; i < 9; ++i) activate(license, "c &" + std::to_string(i));
  std::vector<std::string> seen;
  std::string query = "?limit=4";
  for (int page = 0; page < 5; ++page) {
    const auto answer = admin("GET", "/licenses/" + license.id + "/clients" + query);
    for (const auto& id : keys_of(answer, "clients", "client_id")) seen.push_back(id);
    if (answer.data().at("next_cursor").is_null()) break;
    EXPECT_EQ(answer.text("next_cursor"), seen.back());
    query = "?limit=4&cursor=c%20%26" + seen.back().substr(3);
  }
  EXPECT_EQ(seen.size(), 9U);
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 9U);
}

TEST_F(AdminTest, ListsAreFiltered) {
  add_product("other");
  const auto one = add_license("{}", "demo", R"(,"holder":"Müller & Co")"), other = add_license("{}", "other");
  admin("POST", "/licenses/" + other.id + "/suspend");
  const auto list = [&](const std::string& query) {
    return keys_of(admin("GET", "/licenses?" + query), "licenses", "license_id");
  };
  using Ids = std::vector<std::string>;
  EXPECT_EQ(list(""), (Ids{other.id, one.id}));
  EXPECT_EQ(list("product=demo"), Ids{one.id});
  EXPECT_EQ(list("product=other&policy=policy-2"), Ids{other.id});
  EXPECT_EQ(list("status=suspended"), Ids{other.id});
  EXPECT_EQ(list("status=revoked"), Ids{});
  EXPECT_EQ(list("holder=M%C3%BCller+%26+Co"), Ids{one.id});
  EXPECT_EQ(list("limit=1"), Ids{other.id});
}

TEST_F(AdminTest, WhatWasIssuedIsShown) {
  const auto license = add_license(R"({"type":"subscription","duration":100,"lease":60,"max_clients":3})", "demo",
                                   R"(,"holder":"H","overrides":{"max_clients":4})");
  for (const auto& answer : {admin("GET", "/licenses/" + license.id),
                             admin("POST", "/licenses/lookup", R"({"license_key":")" + license.key + "\"}")}) {
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.text("license_key"), license.key);
    EXPECT_EQ(answer.text("holder"), "H");
    EXPECT_EQ(answer.text("type"), "subscription");
    EXPECT_EQ(answer.number("max_clients"), 4);
    EXPECT_EQ(answer.number("lease"), 60);
    EXPECT_EQ(answer.number("expires_at"), kNow + 100);
    EXPECT_EQ(answer.data().at("overrides"), json::parse(R"({"max_clients":4})"));
  }
}

TEST_F(AdminTest, EveryChangeIsAnEvent) {
  const auto license = add_license(R"({"max_clients":1})");
  activate(license, "a");
  activate(license, "b");
  admin("POST", "/licenses/" + license.id + "/suspend", R"({"reason":"unpaid \"bill\""})");
  admin("POST", "/licenses/" + license.id + "/suspend");
  post("/licenses/deactivate", activation(license, "a"));
  const auto events = admin("GET", "/events?subject=" + license.id);
  EXPECT_EQ(keys_of(events, "events", "action"),
            (std::vector<std::string>{"license.issued", "seat.granted", "seat.refused", "license.suspended",
                                      "seat.released"}));
  const json::object& suspended = events.data().at("events").at(3).as_object();
  EXPECT_EQ(json::parse(std::string_view(suspended.at("detail").as_string())),
            json::parse(R"({"reason":"unpaid \"bill\""})"));
  EXPECT_TRUE(suspended.at("request_id").as_string().starts_with("req_"));
  EXPECT_TRUE(suspended.at("actor").as_string().starts_with("key_"));
  EXPECT_EQ(keys_of(admin("GET", "/events?action=api_key."), "events", "action"),
            std::vector<std::string>{"api_key.created"});
  const auto page = admin("GET", "/events?limit=2&after=1");
  EXPECT_EQ(page.data().at("events").at(0).at("sequence"), 2);
  EXPECT_EQ(page.data().at("head").at("sequence").as_int64(), store_.open_reader()->audit_head().sequence);
}

TEST_F(AdminTest, AKeyIsShownOnce) {
  const auto made =
      admin("POST", "/api-keys",
            R"({"name":"k","scopes":["license:read","usage:write"],"product":"demo","require_signature":true})");
  const std::string secret = made.text("api_key");
  EXPECT_EQ(secret.size(), 67U);
  EXPECT_EQ(made.data().at("scopes"), json::parse(R"(["license:read","usage:write"])"));
  EXPECT_EQ(made.text("product"), "demo");
  const auto list = admin("GET", "/api-keys");
  EXPECT_EQ(list.body.find(secret.substr(35)), std::string::npos);
  EXPECT_EQ(list.data().at("api_keys").as_array().size(), 3U);
  EXPECT_EQ(admin("GET", "/events").body.find(secret.substr(35)), std::string::npos);
}

TEST_F(AdminTest, Status) {
  const auto license = add_license(R"({"max_clients":2})");
  activate(license, "a");
  clock_.advance(10);
  const auto status = admin("GET", "/status");
  EXPECT_EQ(status.number("licenses"), 1);
  EXPECT_EQ(status.number("seats_held"), 1);
  EXPECT_EQ(status.number("uptime_seconds"), 10);
  EXPECT_EQ(status.number("write_queue"), 0);
}

}  // namespace
}  // namespace lictor::test
