// Changes by administrators: each takes effect at once, honours If-Match and Idempotency-Key, and leaves an event.
#include "api/api_test.h"

namespace lictor::test {
namespace {

class ChangesTest : public ApiTest {
 protected:
  Answer send(const std::string& method, const std::string& path, const std::string& body = "", Headers headers = {}) {
    return call(method, "/api/v1/admin" + path, body, admin_key_, std::move(headers));
  }
  Answer change(const License& license, const std::string& body) {
    return send("PATCH", "/licenses/" + license.id, body);
  }
  Answer act(const License& license, const std::string& verb, const std::string& body = "") {
    return send("POST", "/licenses/" + license.id + "/" + verb, body);
  }
  std::string client_of(const License& license, const std::string& client_id = "c") {
    return activate(license, client_id).data().at("client").at("id").as_string().c_str();
  }
  std::string last_event(const std::string& member) {
    const auto events = send("GET", "/events?order=desc&limit=1");
    return std::string(events.data().at("events").at(0).at(member).as_string());
  }
};

TEST_F(ChangesTest, LimitsAndFeaturesChangeAtOnce) {
  const auto license = add_license(R"({"max_clients":1,"features":{"basic":null}})");
  activate(license, "a");
  EXPECT_EQ(activate(license, "b").code(), "MAX_CLIENTS_REACHED");
  EXPECT_EQ(change(license, R"({"overrides":{"max_clients":2},"reason":"grew"})").number("max_clients"), 2);
  EXPECT_EQ(last_event("action"), "license.changed");
  EXPECT_EQ(last_event("detail"), R"({"changed":{"overrides":{"from":{},"to":{"max_clients":2}}},"reason":"grew"})");
  EXPECT_EQ(activate(license, "b").status, 200);
  EXPECT_EQ(validate(license, "a", R"("features":["export"])").code(), "FEATURE_NOT_LICENSED");
  EXPECT_EQ(change(license, R"({"overrides":{"features":{"export":null}}})").status, 200);
  EXPECT_EQ(validate(license, "a", R"("features":["export"])").status, 200) << "the cache knows";
  const auto unset = change(license, R"({"unset":["features","max_clients"]})");
  EXPECT_EQ(unset.number("max_clients"), 1);
  EXPECT_EQ(validate(license, "a", R"("features":["export"])").code(), "FEATURE_NOT_LICENSED");
  EXPECT_EQ(validate(license, "b").status, 200) << "held seats stay held";
  EXPECT_EQ(activate(license, "c").code(), "MAX_CLIENTS_REACHED");
}

TEST_F(ChangesTest, APolicyChangesForAllItsLicensesAtOnce) {
  const auto plain = add_license(R"({"max_clients":1,"features":{"a":null}})");
  const auto other =
      send("POST", "/licenses", R"({"product":"demo","policy":"policy-1","overrides":{"max_clients":5}})");
  const std::string other_id(other.data().at("licenses").at(0).at("license_id").as_string());
  activate(plain, "c");
  const std::string policy(send("GET", "/policies").data().at("policies").at(0).at("id").as_string());
  const auto changed = send("PATCH", "/policies/" + policy, R"({"terms":{"features":{"b":null},"max_clients":2}})");
  EXPECT_EQ(changed.status, 200) << changed.body;
  EXPECT_EQ(validate(plain, "c", R"("features":["a"])").code(), "FEATURE_NOT_LICENSED");
  EXPECT_EQ(validate(plain, "c", R"("features":["b"])").status, 200);
  EXPECT_EQ(validate(plain, "c").number("max_clients"), 2);
  const auto overridden = send("GET", "/licenses/" + other_id);
  EXPECT_EQ(overridden.number("max_clients"), 5) << "overrides go before the policy";
  EXPECT_EQ(overridden.data().at("features"), json::parse(R"(["b"])"));
  EXPECT_EQ(last_event("action"), "policy.changed");
  EXPECT_EQ(send("PATCH", "/policies/" + policy, R"({"unset":["max_clients","features"]})").status, 200);
  EXPECT_EQ(validate(plain, "c").number("max_clients"), 1);
}

TEST_F(ChangesTest, AProductChangesForAllItsLicensesAtOnce) {
  const auto license = add_license("{}");
  const auto bare = [&] { return call("POST", "/api/v1/licenses/activate", json::serialize(activation(license))); };
  EXPECT_EQ(bare().code(), "UNAUTHENTICATED");
  EXPECT_EQ(send("PATCH", "/products/demo", R"({"client_auth":"license"})").status, 200);
  EXPECT_EQ(bare().status, 200);
  EXPECT_EQ(send("PATCH", "/products/demo", R"({"require_signature":true})").text("client_auth"), "license");
  EXPECT_EQ(validate(license).code(), "SIGNATURE_INVALID");
  EXPECT_EQ(send("PATCH", "/products/demo", R"({"client_auth":"nobody"})").details().at("field"), "client_auth");
  EXPECT_EQ(send("PATCH", "/products/none", R"({"client_auth":"license"})").code(), "NOT_FOUND");
}

TEST_F(ChangesTest, OnlyWhatNobodyNeedsIsDeleted) {
  add_license("{}");
  const std::string policy(send("GET", "/policies").data().at("policies").at(0).at("id").as_string());
  EXPECT_EQ(send("DELETE", "/policies/" + policy).code(), "IN_USE");
  EXPECT_EQ(send("DELETE", "/products/demo").code(), "IN_USE");
  add_product("empty");
  const auto made = send("POST", "/policies", R"({"product":"empty","name":"p"})");
  EXPECT_EQ(send("DELETE", "/products/empty").code(), "IN_USE");
  EXPECT_EQ(send("DELETE", "/policies/" + made.text("id")).status, 200);
  EXPECT_EQ(send("GET", "/policies/" + made.text("id")).code(), "NOT_FOUND");
  EXPECT_EQ(send("DELETE", "/products/empty").status, 200);
  EXPECT_EQ(send("DELETE", "/products/empty").code(), "NOT_FOUND");
  add_product("empty");
}

TEST_F(ChangesTest, RenewAndExtend) {
  const auto license = add_license(R"({"type":"subscription","duration":100})");
  EXPECT_EQ(act(license, "renew").number("expires_at"), kNow + 200) << "from the expiry";
  clock_.advance(500);
  EXPECT_EQ(validate(license, "").code(), "LICENSE_EXPIRED");
  EXPECT_EQ(act(license, "renew", R"({"reason":"paid"})").number("expires_at"), kNow + 600) << "from now";
  EXPECT_EQ(last_event("action"), "license.renewed");
  EXPECT_EQ(validate(license, "").status, 200);
  EXPECT_EQ(act(license, "extend", R"({"seconds":50})").number("expires_at"), kNow + 650);
  EXPECT_EQ(act(license, "extend", R"({"expires_at":1800001000})").number("expires_at"), kNow + 1000);
  const std::pair<const char*, const char*> refusals[] = {{"extend", "{}"},
                                                          {"extend", R"({"seconds":1,"expires_at":1800002000})"},
                                                          {"extend", R"({"expires_at":1800000999})"},
                                                          {"extend", R"({"seconds":0})"},
                                                          {"extend", R"({"seconds":-1})"}};
  for (const auto& [verb, body] : refusals) EXPECT_EQ(act(license, verb, body).code(), "BAD_REQUEST") << body;
  const auto forever = add_license("{}");
  EXPECT_EQ(act(forever, "renew").details().at("field"), "expires_at");
  EXPECT_EQ(act(forever, "extend", R"({"seconds":5})").details().at("field"), "seconds");
  EXPECT_EQ(act(forever, "renew", R"({"expires_at":1800000900})").number("expires_at"), kNow + 900);
  EXPECT_TRUE(change(forever, R"({"expires_at":null})").data().at("expires_at").is_null());
}

TEST_F(ChangesTest, ATransferGivesTheSeatsToTheNewHolder) {
  const auto license = add_license(R"({"max_clients":1,"max_transfers":0})", "demo", R"(,"holder":"old")");
  activate(license, "old-machine");
  const auto moved = act(license, "transfer", R"({"holder":"new","new_key":true})");
  EXPECT_EQ(moved.text("holder"), "new");
  EXPECT_EQ(moved.number("active_clients"), 0);
  EXPECT_NE(moved.text("license_key"), license.key);
  EXPECT_EQ(validate(license, "old-machine").code(), "CLIENT_NOT_ACTIVATED");
  EXPECT_EQ(activate(license, "x").code(), "LICENSE_KEY_INVALID") << "the old key is no longer valid";
  const License renamed{license.id, moved.text("license_key")};
  EXPECT_EQ(activate(renamed, "new-machine").status, 200) << "no transfer is counted";
  EXPECT_EQ(send("GET", "/events?limit=1000").body.find(renamed.key), std::string::npos);
  EXPECT_EQ(act(renamed, "transfer", R"({"holder":"third","keep_clients":true})").number("active_clients"), 1);
  EXPECT_EQ(validate(renamed, "new-machine").status, 200);
  EXPECT_EQ(act(renamed, "transfer", "{}").details().at("field"), "holder");
}

TEST_F(ChangesTest, ARevokedLicenseStaysAsItIs) {
  const auto license = add_license(R"({"duration":100})");
  act(license, "revoke");
  for (const char* verb : {"renew", "suspend", "resume"})
    EXPECT_EQ(act(license, verb).code(), "LICENSE_REVOKED") << verb;
  EXPECT_EQ(act(license, "revoke").status, 200);
  EXPECT_EQ(act(license, "extend", R"({"seconds":5})").code(), "LICENSE_REVOKED");
  EXPECT_EQ(act(license, "transfer", R"({"holder":"x"})").code(), "LICENSE_REVOKED");
  EXPECT_EQ(change(license, R"({"holder":"x"})").code(), "LICENSE_REVOKED");
}

TEST_F(ChangesTest, WhatAChangeRefuses) {
  const auto license = add_license("{}");
  struct Row {
    std::string body, code, field;
  };
  const Row rows[] = {{R"({"holder":""})", "BAD_REQUEST", "holder"},
                      {R"({"holder":"a\u0007"})", "BAD_REQUEST", "holder"},
                      {R"({"policy":"none"})", "BAD_REQUEST", "policy"},
                      {R"({"expires_at":"x"})", "BAD_REQUEST", "expires_at"},
                      {R"({"expires_at":5})", "BAD_REQUEST", "expires_at"},
                      {R"({"starts_at":99999999999})", "BAD_REQUEST", "starts_at"},
                      {R"({"overrides":{"lease":-1}})", "BAD_REQUEST", "overrides.lease"},
                      {R"({"overrides":{"seats":1}})", "UNKNOWN_FIELD", "overrides.seats"},
                      {R"({"unset":["seats"]})", "BAD_REQUEST", "unset"},
                      {R"({"status":"active"})", "UNKNOWN_FIELD", "status"},
                      {R"({"max_clients":5})", "UNKNOWN_FIELD", "max_clients"},
                      {R"({"license_key":"NEW-KEY"})", "UNKNOWN_FIELD", "license_key"}};
  const auto sequence = store_.open_reader()->audit_head().sequence;
  for (const Row& row : rows) {
    const auto answer = change(license, row.body);
    EXPECT_EQ(answer.code(), row.code) << row.body << answer.body;
    EXPECT_EQ(answer.details().at("field"), json::value(row.field)) << row.body;
    EXPECT_NE(answer.body.find(row.code == "UNKNOWN_FIELD" ? "allowed: " : "'"), std::string::npos) << answer.body;
  }
  EXPECT_EQ(change(license, "{}").status, 200) << "nothing to do is no error";
  EXPECT_EQ(store_.open_reader()->audit_head().sequence, sequence) << "what is refused leaves no trace";
}

TEST_F(ChangesTest, ChangesOfStaleDataAreRefused) {
  const auto license = add_license("{}");
  const std::string seen = send("GET", "/licenses/" + license.id).header("ETag");
  ASSERT_EQ(seen.size(), 18U) << seen;
  activate(license);
  const auto changed = send("PATCH", "/licenses/" + license.id, R"({"holder":"a"})", {{"If-Match", seen}});
  EXPECT_EQ(changed.status, 200) << "a client's activation is no change of an administrator: " << changed.body;
  const std::string next = changed.header("ETag");
  EXPECT_NE(next, seen);
  const auto stale = send("PATCH", "/licenses/" + license.id, R"({"holder":"b"})", {{"If-Match", seen}});
  EXPECT_EQ(stale.status, 412);
  EXPECT_EQ(stale.code(), "PRECONDITION_FAILED");
  EXPECT_EQ(stale.details().at("etag"), json::value(next));
  EXPECT_EQ(send("GET", "/licenses/" + license.id).text("holder"), "a");
  for (const std::string& match : {std::string("*"), next, "\"other\", " + next}) {
    EXPECT_EQ(send("POST", "/licenses/" + license.id + "/suspend", "", {{"If-Match", match}}).status, 200) << match;
    send("POST", "/licenses/" + license.id + "/resume");
  }
  for (const std::string& match : {"W/" + next, std::string("\"\"")})
    EXPECT_EQ(send("POST", "/licenses/" + license.id + "/suspend", "", {{"If-Match", match}}).status, 412) << match;
  for (const std::string& match : {std::string("x"), std::string("\"x"), next + " " + next, std::string("")})
    EXPECT_EQ(send("POST", "/licenses/" + license.id + "/suspend", "", {{"If-Match", match}}).status, 400) << match;
}

// It was ignored.
TEST_F(ChangesTest, IfMatchIsForCallsThatChangeOneThing) {
  for (const char* etag : {"*", R"("0a1b2c3d4e5f6071")"}) {
    const auto answer = call("POST", "/api/v1/admin/products", R"({"name":"new"})", admin_key_, {{"If-Match", etag}});
    EXPECT_EQ(answer.code(), "BAD_REQUEST") << etag;
    EXPECT_EQ(answer.details().at("field"), "If-Match");
  }
  EXPECT_EQ(admin("POST", "/products", R"({"name":"new"})").status, 201) << "nothing was recorded before";
}

TEST_F(ChangesTest, EveryKindOfThingHasAnEtag) {
  const auto license = add_license("{}");
  const std::string client = client_of(license);
  const std::string policy(send("GET", "/policies").data().at("policies").at(0).at("id").as_string());
  const auto key = send("POST", "/api-keys", R"({"name":"x","scopes":["license:read"]})");
  const std::vector<std::pair<std::string, std::string>> things{{"/products/demo", R"({"require_signature":true})"},
                                                                {"/policies/" + policy, R"({"terms":{"grace":5}})"},
                                                                {"/licenses/" + license.id, R"({"holder":"h"})"},
                                                                {"/api-keys/" + key.text("id"), R"({"name":"y"})"}};
  for (const auto& [path, body] : things) {
    const std::string etag = send("GET", path).header("ETag");
    EXPECT_NE(etag, "") << path;
    EXPECT_EQ(send("PATCH", path, body, {{"If-Match", "\"0\""}}).status, 412) << path;
    const auto changed = send("PATCH", path, body, {{"If-Match", etag}});
    EXPECT_EQ(changed.status, 200) << path << changed.body;
    EXPECT_EQ(send("GET", path).header("ETag"), changed.header("ETag")) << path;
    EXPECT_NE(changed.header("ETag"), etag) << path;
  }
  const std::string etag = send("GET", "/clients/" + client).header("ETag");
  EXPECT_EQ(send("DELETE", "/clients/" + client, "", {{"If-Match", "\"0\""}}).status, 412);
  EXPECT_EQ(send("DELETE", "/clients/" + client, "", {{"If-Match", etag}}).status, 200);
}

TEST_F(ChangesTest, TheSameRequestAgainGetsTheFirstAnswerAgain) {
  add_license("{}");
  const std::string body = R"({"product":"demo","policy":"policy-1","count":2})";
  const Headers key{{"Idempotency-Key", "order-4711"}};
  const auto first = send("POST", "/licenses", body, key);
  ASSERT_EQ(first.status, 201);
  EXPECT_EQ(first.header("Idempotency-Replayed"), "");
  const auto sequence = store_.open_reader()->audit_head().sequence;
  const auto again = send("POST", "/licenses", body, key);
  EXPECT_EQ(again.status, 201);
  EXPECT_EQ(again.header("Idempotency-Replayed"), "true");
  EXPECT_EQ(again.object.at("data"), first.object.at("data"));
  EXPECT_EQ(store_.open_reader()->audit_head().sequence, sequence);
  const auto other = send("POST", "/licenses", R"({"product":"demo","policy":"policy-1"})", key);
  EXPECT_EQ(other.code(), "IDEMPOTENCY_CONFLICT");
  EXPECT_EQ(send("POST", "/products", R"({"name":"p"})", key).code(), "IDEMPOTENCY_CONFLICT") << "of another call";
  const std::string second = add_key("admin:*");
  EXPECT_EQ(call("POST", "/api/v1/admin/licenses", body, second, key).header("Idempotency-Replayed"), "")
      << "keys belong to their caller";
  clock_.advance(24 * 3600);
  EXPECT_NE(send("POST", "/licenses", body, key).object.at("data"), first.object.at("data")) << "a day later it is new";
  for (const auto& bad : {std::string(), std::string(129, 'x'), std::string("a b"), std::string("\xC3\xA9")})
    EXPECT_EQ(send("POST", "/licenses", body, {{"Idempotency-Key", bad}}).details().at("field"), "Idempotency-Key");
  EXPECT_EQ(send("POST", "/licenses", body, {{"Idempotency-Key", "a"}, {"Idempotency-Key", "b"}}).status, 400);
}

TEST_F(ChangesTest, ARefusalIsNotRemembered) {
  const Headers key{{"Idempotency-Key", "k"}};
  const std::string body = R"({"product":"demo","policy":"later"})";
  EXPECT_EQ(send("POST", "/licenses", body, key).code(), "BAD_REQUEST");
  send("POST", "/policies", R"({"product":"demo","name":"later"})");
  EXPECT_EQ(send("POST", "/licenses", body, key).status, 201);
}

TEST_F(ChangesTest, ASecretIsNotRepeated) {
  const Headers header{{"Idempotency-Key", "k"}};
  const std::string body = R"({"name":"x","scopes":["license:read"]})";
  const auto first = send("POST", "/api-keys", body, header);
  const auto again = send("POST", "/api-keys", body, header);
  EXPECT_EQ(again.text("id"), first.text("id"));
  EXPECT_EQ(again.object.at("data").as_object().count("api_key"), 0U);
  EXPECT_EQ(again.body.find(first.text("api_key")), std::string::npos);
}

TEST_F(ChangesTest, ClientsAreDeactivatedBlockedAndForgotten) {
  const auto license = add_license(R"({"max_clients":1})");
  const std::string client = client_of(license);
  EXPECT_EQ(validate(license).status, 200);
  const auto freed = send("POST", "/clients/" + client + "/deactivate");
  EXPECT_EQ(freed.text("status"), "released");
  EXPECT_EQ(validate(license).code(), "CLIENT_NOT_ACTIVATED");
  EXPECT_EQ(activate(license).status, 200);
  EXPECT_EQ(send("POST", "/clients/" + client + "/block", R"({"reason":"shared"})").text("status"), "blocked");
  EXPECT_EQ(last_event("action"), "client.blocked");
  EXPECT_EQ(validate(license).code(), "CLIENT_BLOCKED");
  EXPECT_EQ(activate(license).code(), "CLIENT_BLOCKED");
  EXPECT_EQ(activate(license, "other").status, 200) << "its seat is free";
  EXPECT_EQ(send("POST", "/clients/" + client + "/unblock").text("status"), "released");
  EXPECT_EQ(send("DELETE", "/clients/" + client).status, 200);
  EXPECT_EQ(send("GET", "/clients/" + client).code(), "NOT_FOUND");
  EXPECT_EQ(send("DELETE", "/clients/" + client).code(), "NOT_FOUND");
  const std::string holder = client_of(license, "other");
  EXPECT_EQ(send("DELETE", "/clients/" + holder).status, 200);
  EXPECT_EQ(validate(license, "other").code(), "CLIENT_NOT_ACTIVATED") << "the cache has forgotten it too";
  EXPECT_EQ(send("GET", "/licenses/" + license.id).number("active_clients"), 0);
  EXPECT_EQ(send("GET", "/status").number("seats_held"), 0);
}

TEST_F(ChangesTest, EndedLeasesAreNotCounted) {
  const auto license = add_license(R"({"max_clients":2,"lease":60})");
  client_of(license, "a");
  clock_.advance(30);
  const std::string b = client_of(license, "b");
  clock_.advance(40);
  EXPECT_EQ(change(license, R"({"holder":"x"})").number("active_clients"), 1);
  EXPECT_EQ(send("POST", "/clients/" + b + "/deactivate").text("status"), "released");
  EXPECT_EQ(send("GET", "/licenses/" + license.id).number("active_clients"), 0);
  EXPECT_EQ(send("GET", "/events?action=seat.released").data().at("events").as_array().size(), 2U);
}

TEST_F(ChangesTest, SeatsBecomeLeasesWhenThePolicySaysSo) {
  const auto license = add_license(R"({"max_clients":1})");
  activate(license, "a");
  const std::string policy(send("GET", "/policies").data().at("policies").at(0).at("id").as_string());
  send("PATCH", "/policies/" + policy, R"({"terms":{"lease":60}})");
  const auto beat = validate(license, "a");
  EXPECT_EQ(beat.data().at("client").at("lease_expires_at").as_int64(), kNow + 60);
  EXPECT_EQ(activate(license, "b").code(), "MAX_CLIENTS_REACHED");
  clock_.advance(60);
  EXPECT_EQ(activate(license, "b").status, 200) << "the lease has ended";
}

TEST_F(ChangesTest, ASeatOfAClientThatIsGoneStaysHeldUnderAFloatingPolicy) {
  const auto license = add_license(R"({"max_clients":1})");
  const std::string gone = client_of(license, "gone");
  const std::string policy(send("GET", "/policies").data().at("policies").at(0).at("id").as_string());
  send("PATCH", "/policies/" + policy, R"({"terms":{"lease":60}})");
  clock_.advance(1'000'000);
  EXPECT_EQ(activate(license, "b").code(), "MAX_CLIENTS_REACHED");
  EXPECT_EQ(send("POST", "/clients/" + gone + "/deactivate").text("status"), "released");
  EXPECT_EQ(activate(license, "b").status, 200);
}

TEST_F(ChangesTest, ALeaseBecomesASeatForGoodWhenThePolicySaysSo) {
  const auto license = add_license(R"({"max_clients":1,"lease":100})");
  activate(license, "a");
  EXPECT_EQ(change(license, R"({"overrides":{"lease":0}})").status, 200);
  clock_.advance(10);
  const auto kept = validate(license, "a");
  EXPECT_EQ(kept.status, 200);
  EXPECT_TRUE(kept.data().at("client").at("lease_expires_at").is_null()) << kept.body;
  clock_.advance(1000);
  EXPECT_EQ(validate(license, "a").status, 200);
  EXPECT_EQ(activate(license, "b").code(), "MAX_CLIENTS_REACHED");
}

TEST_F(ChangesTest, WhatAnAdministratorFreesIsNoTransfer) {
  const auto license = add_license(R"({"max_clients":1,"max_transfers":0})");
  const std::string client = client_of(license, "a");
  EXPECT_EQ(send("POST", "/clients/" + client + "/deactivate", "{}").status, 200);
  EXPECT_EQ(activate(license, "b").status, 200);
  post("/licenses/deactivate", R"({"license_key":")" + license.key + R"(","client_id":"b"})");
  EXPECT_EQ(activate(license, "c").code(), "TRANSFER_LIMIT_REACHED") << "what the customer frees is one";
}

}  // namespace
}  // namespace lictor::test
