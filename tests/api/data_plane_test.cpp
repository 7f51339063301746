// The calls of clients, end to end over the store.
#include "api/api_test.h"

namespace lictor::test {
namespace {

using DataPlaneTest = ApiTest;

// One request after the other against one license; `terms` make its policy.
struct Step {
  std::string call;    // activate, validate, deactivate, usage, suspend, resume, revoke, or wait
  std::string client;  // of wait: seconds; of usage: the idempotency key
  std::string more;    // further members
  std::string code;    // expected; "" = success
  std::string data;    // members that the answer's data (or details) must have
};
struct Scenario {
  std::string name, terms, license;  // license: further members of the issued license
  std::vector<Step> steps;
};

class Scenarios : public ApiTest {
 protected:
  Answer take(const Step& step, const License& license) {
    if (step.call == "suspend" || step.call == "resume" || step.call == "revoke") {
      return admin("POST", "/licenses/" + license.id + "/" + step.call);
    }
    std::string body = R"({"license_key":")" + license.key + "\"";
    if (step.call == "usage") {
      body += R"(,"metric":"calls","idempotency_key":")" + step.client + "\"";
    } else if (!step.client.empty()) {
      body += R"(,"client_id":")" + step.client + "\"";
    }
    return post("/licenses/" + step.call, body + (step.more.empty() ? "" : "," + step.more) + "}");
  }

  void run_all(const std::vector<Scenario>& scenarios) {
    for (const Scenario& scenario : scenarios) run(scenario);
  }

  void run(const Scenario& scenario) {
    SCOPED_TRACE(scenario.name);
    clock_.set(kNow);
    const License license = add_license(scenario.terms, "demo", scenario.license.empty() ? "" : "," + scenario.license);
    int number = 0;
    for (const Step& step : scenario.steps) {
      ++number;
      if (step.call == "wait") {
        clock_.advance(std::stoll(step.client));
        continue;
      }
      const auto answer = take(step, license);
      ASSERT_EQ(answer.code(), step.code)
          << "step " << number << " " << step.call << " " << step.client << ": " << answer.body;
      if (step.data.empty()) continue;
      const json::object& actual = step.code.empty() ? answer.data() : answer.details();
      const json::value wanted = json::parse("{" + step.data + "}");
      for (const auto& member : wanted.as_object()) {
        const json::value* value = actual.if_contains(member.key());
        ASSERT_NE(value, nullptr) << "step " << number << ": no " << std::string_view(member.key()) << " in "
                                  << answer.body;
        EXPECT_EQ(*value, member.value())
            << "step " << number << ": " << std::string_view(member.key()) << " in " << answer.body;
      }
    }
  }
};

std::string at(base::UnixSeconds seconds) { return std::to_string(kNow + seconds); }

TEST_F(Scenarios, SeatsAndStatus) {
  run_all({
      {"seats",
       R"({"max_clients":2})",
       "",
       {{"validate", "a", "", "CLIENT_NOT_ACTIVATED", ""},
        {"activate", "a", "", "",
         R"("active_clients":1,"max_clients":2,"status":"active","type":"perpetual","expires_at":null,"grace_until":null)"},
        {"activate", "a", "", "", R"("active_clients":1)"},
        {"activate", "b", "", "", R"("active_clients":2)"},
        {"activate", "c", "", "MAX_CLIENTS_REACHED", R"("max_clients":2,"active_clients":2,"next_release_at":null)"},
        {"validate", "a", "", "", R"("active_clients":2)"},
        {"validate", "", "", "", R"("client":null)"},
        {"deactivate", "a", "", "", R"("released":true,"active_clients":1)"},
        {"deactivate", "a", "", "", R"("released":false,"active_clients":1)"},
        {"deactivate", "stranger", "", "", R"("released":false)"},
        {"validate", "a", "", "CLIENT_NOT_ACTIVATED", ""},
        {"activate", "c", "", "", R"("active_clients":2)"}}},
      {"suspend, resume and revoke are seen at once",
       "{}",
       "",
       {{"activate", "a", "", "", ""},
        {"validate", "a", "", "", R"("status":"active")"},
        {"suspend", "", "", "", R"("status":"suspended")"},
        {"validate", "a", "", "LICENSE_SUSPENDED", ""},
        {"activate", "a", "", "LICENSE_SUSPENDED", ""},
        {"deactivate", "b", "", "", ""},
        {"resume", "", "", "", R"("status":"active")"},
        {"validate", "a", "", "", ""},
        {"revoke", "", "", "", R"("status":"revoked")"},
        {"validate", "a", "", "LICENSE_REVOKED", ""},
        {"validate", "", "", "LICENSE_REVOKED", ""},
        {"resume", "", "", "LICENSE_REVOKED", ""},
        {"deactivate", "a", "", "", R"("released":true)"}}},
  });
}

TEST_F(Scenarios, TimeAndExpiry) {
  run_all({
      {"expiry with grace, restrict",
       R"({"type":"subscription","duration":100,"grace":50})",
       "",
       {{"activate", "a", "", "", R"("expires_at":)" + at(100)},
        {"wait", "99", "", "", ""},
        {"validate", "a", "", "", R"("status":"active","grace_until":null)"},
        {"wait", "1", "", "", ""},
        {"validate", "a", "", "", R"("status":"grace","grace_until":)" + at(150)},
        {"activate", "a", "", "", R"("status":"grace","grace_until":)" + at(150)},
        {"wait", "50", "", "", ""},
        {"validate", "a", "", "LICENSE_EXPIRED", R"("expired_at":)" + at(100)},
        {"activate", "a", "", "LICENSE_EXPIRED", ""},
        {"deactivate", "a", "", "", R"("released":true)"}}},
      {"expiry mode allow",
       R"({"duration":100,"expiry_mode":"allow"})",
       "",
       {{"activate", "a", "", "", ""},
        {"validate", "a", "", "", ""},
        {"wait", "200", "", "", ""},
        {"validate", "a", "", "", R"("status":"expired","warnings":["LICENSE_EXPIRED"])"},
        {"activate", "a", "", "", R"("warnings":["LICENSE_EXPIRED"])"}}},
      {"expiry mode maintain",
       R"({"duration":100,"expiry_mode":"maintain"})",
       "",
       {{"activate", "a", R"("client_version":"1.0")", "", ""},
        {"wait", "200", "", "", ""},
        {"validate", "a", "", "VERSION_NOT_COVERED", R"("expired_at":)" + at(100)}}},
      {"start on the first activation",
       R"({"type":"trial","duration":100,"starts":"on_first_activation","max_clients":2})",
       "",
       {{"validate", "", "", "", R"("expires_at":null)"},
        {"wait", "1000", "", "", ""},
        {"activate", "a", "", "", R"("expires_at":)" + at(1100)},
        {"wait", "50", "", "", ""},
        {"activate", "b", "", "", R"("expires_at":)" + at(1100)},
        {"deactivate", "a", "", "", ""},
        {"activate", "a", "", "", R"("expires_at":)" + at(1100)},
        {"wait", "50", "", "", ""},
        {"validate", "b", "", "LICENSE_EXPIRED", ""}}},
      {"not yet valid",
       "{}",
       R"("starts_at":)" + at(60),
       {{"activate", "a", "", "LICENSE_NOT_YET_VALID", R"("starts_at":)" + at(60)},
        {"wait", "60", "", "", ""},
        {"activate", "a", "", "", ""}}},
      {"overage warns",
       R"({"max_clients":1,"overage":{"percent":100}})",
       "",
       {{"activate", "a", "", "", ""},
        {"activate", "b", "", "", R"("active_clients":2,"max_clients":1,"warnings":["MAX_CLIENTS_REACHED"])"},
        {"validate", "b", "", "", R"("warnings":["MAX_CLIENTS_REACHED"])"},
        {"activate", "c", "", "MAX_CLIENTS_REACHED", ""}}},
      {"a lease ends by itself",
       R"({"max_clients":1,"lease":100})",
       "",
       {{"activate", "a", "", "", ""},
        {"activate", "b", "", "MAX_CLIENTS_REACHED", R"("next_release_at":)" + at(100)},
        {"wait", "100", "", "", ""},
        {"validate", "a", "", "LEASE_EXPIRED", R"("lease_expired_at":)" + at(100)},
        {"activate", "b", "", "", R"("active_clients":1)"},
        {"activate", "a", "", "MAX_CLIENTS_REACHED", ""},
        {"validate", "a", "", "LEASE_EXPIRED", ""}}},
      {"check-in",
       R"({"check_in":100})",
       "",
       {{"activate", "a", "", "", ""},
        {"wait", "100", "", "", ""},
        {"validate", "a", "", "CHECK_IN_OVERDUE", R"("check_in_due_at":)" + at(100)},
        {"activate", "a", "", "", ""},
        {"validate", "a", "", "", ""}}},
  });
}

TEST_F(Scenarios, WhatASeatIsBoundTo) {
  run_all({
      {"hardware",
       R"({"binding":"strict"})",
       "",
       {{"activate", "a", "", "HARDWARE_MISMATCH", R"("missing":["hardware_fingerprint"])"},
        {"activate", "a", R"("hardware_fingerprint":"unknown")", "BAD_REQUEST", R"("field":"hardware_fingerprint")"},
        {"activate", "a", R"("hardware_fingerprint":"m1")", "", ""},
        {"validate", "a", R"("hardware_fingerprint":"m1")", "", ""},
        {"validate", "a", R"("hardware_fingerprint":"m2")", "HARDWARE_MISMATCH",
         R"("differed":["hardware_fingerprint"])"},
        {"validate", "a", "", "HARDWARE_MISMATCH", ""},
        {"activate", "a", R"("hardware_fingerprint":"m2")", "HARDWARE_MISMATCH", ""},
        {"deactivate", "a", R"("hardware_fingerprint":"m2")", "", R"("released":true)"},
        {"activate", "a", R"("hardware_fingerprint":"m2")", "", ""}}},
      {"hardware components",
       R"({"binding":"normal"})",
       "",
       {{"activate", "a", R"("hardware_fingerprint":{"tpm":"t","smbios":"s","mac":"m","os":"unknown"})", "", ""},
        {"validate", "a", R"("hardware_fingerprint":{"tpm":"t","smbios":"s"})", "", ""},
        {"validate", "a", R"("hardware_fingerprint":{"tpm":"other","smbios":"s","mac":"m"})", "HARDWARE_MISMATCH",
         R"("matched":["smbios","mac"],"differed":["tpm"],"missing":[])"}}},
      {"versions",
       R"({"version_range":">=2.0 <3.0"})",
       "",
       {{"activate", "a", R"("client_version":"1.9")", "VERSION_NOT_COVERED", ""},
        {"activate", "a", R"("client_version":"2.3.1")", "", ""},
        {"validate", "a", "", "", ""},
        {"validate", "a", "", "", ""},
        {"validate", "a", R"("client_version":"3.0")", "VERSION_NOT_COVERED", ""}}},
      {"features",
       R"({"features":{"a":{"limit":5},"b":{"expires_at":)" + at(10) + "}}}",
       "",
       {{"validate", "", R"("features":["a","b"])", "",
         R"("features":["a","b"],"entitlements":{"a":{"limit":5,"expires_at":null},"b":{"limit":null,"expires_at":)" +
             at(10) + "}}"},
        {"validate", "", R"("features":["a","c\"d"])", "FEATURE_NOT_LICENSED", R"("feature":"c\"d")"},
        {"wait", "10", "", "", ""},
        {"validate", "", R"("features":["b"])", "FEATURE_NOT_LICENSED", R"("feature":"b","expired_at":)" + at(10)},
        {"validate", "", R"("features":["a"])", "",
         R"("features":["a"],"entitlements":{"a":{"limit":5,"expires_at":null}})"}}},
      {"overrides",
       R"({"max_clients":1,"features":{"a":null}})",
       R"("overrides":{"max_clients":2,"features":{"b":null}})",
       {{"activate", "a", "", "", R"("max_clients":2,"features":["b"])"},
        {"activate", "b", "", "", ""},
        {"activate", "c", "", "MAX_CLIENTS_REACHED", ""}}},
      {"precedence",
       R"({"binding":"strict","duration":100,"version_range":">=2.0"})",
       "",
       {{"activate", "a", R"("client_version":"2.0","hardware_fingerprint":"m1")", "", ""},
        {"validate", "a", R"("client_version":"1.0","hardware_fingerprint":"m2","features":["x"])", "HARDWARE_MISMATCH",
         ""},
        {"validate", "a", R"("client_version":"1.0","hardware_fingerprint":"m1","features":["x"])",
         "VERSION_NOT_COVERED", ""},
        {"validate", "a", R"("hardware_fingerprint":"m1","features":["x"])", "FEATURE_NOT_LICENSED", ""},
        {"validate", "z", R"("hardware_fingerprint":"m2","features":["x"])", "CLIENT_NOT_ACTIVATED", ""},
        {"wait", "100", "", "", ""},
        {"validate", "z", "", "LICENSE_EXPIRED", ""},
        {"suspend", "", "", "", ""},
        {"validate", "z", "", "LICENSE_SUSPENDED", ""},
        {"revoke", "", "", "", ""},
        {"validate", "z", "", "LICENSE_REVOKED", ""}}},
  });
}

TEST_F(Scenarios, Usage) {
  run_all({
      {"usage",
       R"({"type":"metered","quotas":{"calls":{"amount":10,"period":"day"}}})",
       "",
       {{"usage", "i1", R"("quantity":4)", "", R"("metric":"calls","quantity":4,"total":4,"quota":10)"},
        {"usage", "i1", R"("quantity":4)", "", R"("total":4)"},
        {"usage", "i1", R"("quantity":5)", "IDEMPOTENCY_CONFLICT", ""},
        {"usage", "i1", R"("quantity":4,"client_id":"x")", "IDEMPOTENCY_CONFLICT", ""},
        {"usage", "i2", R"("quantity":7)", "USAGE_QUOTA_EXCEEDED", R"("used":4,"quota":10)"},
        {"usage", "i3", R"("quantity":6)", "", R"("total":10)"},
        {"usage", "i4", R"("quantity":1,"client_id":"x")", "CLIENT_NOT_ACTIVATED", ""},
        {"suspend", "", "", "", ""},
        {"usage", "i5", R"("quantity":1)", "LICENSE_SUSPENDED", ""}}},
      {"usage of a metric that is not licensed",
       "{}",
       "",
       {{"usage", "i1", R"("quantity":1)", "USAGE_QUOTA_EXCEEDED", R"("used":0,"quota":0)"}}},
      {"transfers",
       R"({"max_clients":1,"max_transfers":1})",
       "",
       {{"activate", "a", "", "", ""},
        {"deactivate", "a", "", "", ""},
        {"activate", "b", "", "", ""},
        {"deactivate", "b", "", "", ""},
        {"activate", "c", "", "TRANSFER_LIMIT_REACHED", R"("max_transfers":1)"},
        {"activate", "b", "", "", ""}}},
  });
}

TEST_F(DataPlaneTest, MaintainCoversWhatCameOutBefore) {
  add_product("released", R"("releases":{"1.0":)" + at(-10) + R"(,"2.0":)" + at(150) + "}");
  const auto license = add_license(R"({"duration":100,"expiry_mode":"maintain"})", "released");
  json::object body = activation(license);
  body["client_version"] = "1.0";
  ASSERT_EQ(post("/licenses/activate", body).status, 200);
  clock_.advance(200);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(validate(license).code(), "") << "the version told at activation";
    EXPECT_EQ(validate(license, "c", R"("client_version":"1.0")").code(), "");
    EXPECT_EQ(validate(license, "c", R"("client_version":"2.0")").code(), "VERSION_NOT_COVERED");
  }
}

// `usage a:1` of 2 and `usage a` of 1 by client "2:c" were one request to the idempotency check.
TEST_F(DataPlaneTest, UsageRequestsThatLookAlikeWhenJoined) {
  const auto license = add_license(R"({"type":"metered","max_clients":null})");
  ASSERT_EQ(activate(license, "2:c").status, 200);
  ASSERT_EQ(activate(license, "c").status, 200);
  const auto send = [&](const std::string& metric, int quantity, const std::string& client) {
    return post("/licenses/usage", {{"license_id", license.id},
                                    {"metric", metric},
                                    {"quantity", quantity},
                                    {"client_id", client},
                                    {"idempotency_key", "i"}});
  };
  EXPECT_EQ(send("a", 1, "2:c").code(), "");
  EXPECT_EQ(send("a:1", 2, "c").code(), "IDEMPOTENCY_CONFLICT");
}

TEST_F(DataPlaneTest, MostBeatsWriteNothingAndExtensionsAreDurable) {
  const auto license = add_license(R"({"max_clients":2,"lease":100})");
  ASSERT_EQ(activate(license).status, 200);
  const auto stored_end = [&] {
    store::LicenseRef ref{store::LicenseRef::By::id, *base::parse_id("lic", license.id)};
    return store_.open_reader()->license(ref, "c", clock_.now())->activation->lease_expires_at;
  };
  const int before = commits_;
  for (int i = 0; i < 10; ++i) {
    clock_.set(kNow + i);
    EXPECT_EQ(validate(license).lease_end(), kNow + 100);
  }
  EXPECT_EQ(commits_, before);
  clock_.set(kNow + 50);
  EXPECT_EQ(validate(license).lease_end(), kNow + 150);
  EXPECT_EQ(commits_, before + 1);
  EXPECT_EQ(stored_end(), kNow + 150);
  clock_.set(kNow + 149);
  EXPECT_EQ(validate(license, "c", R"("nonce":"n1")").lease_end(), kNow + 249);
  EXPECT_EQ(stored_end(), kNow + 249);
  store_.fail_writes = true;
  clock_.set(kNow + 200);
  EXPECT_EQ(validate(license).lease_end(), kNow + 249) << "an end that is not stored is not promised";
  clock_.set(kNow + 249);
  EXPECT_EQ(validate(license).code(), "LEASE_EXPIRED");
}

TEST_F(DataPlaneTest, TheNonceComesBack) {
  const auto license = add_license(R"({"max_clients":2,"lease":100})");
  activate(license);
  EXPECT_EQ(validate(license, "c", R"("nonce":"n\u00e9\"1")").text("nonce"), "né\"1") << "from the database or memory";
  EXPECT_EQ(validate(license, "c", R"("nonce":"n2")").text("nonce"), "n2");
  clock_.advance(60);
  EXPECT_EQ(validate(license, "c", R"("nonce":"n3")").text("nonce"), "n3") << "by way of the write path";
  EXPECT_FALSE(validate(license).data().contains("nonce"));
}

TEST_F(DataPlaneTest, LicenseDetails) {
  const auto license = add_license(R"({"max_clients":2,"features":{"a":null}})");
  activate(license);
  for (int i = 0; i < 2; ++i) {
    const auto answer = get("/licenses/" + license.id);
    EXPECT_EQ(answer.text("license_id"), license.id);
    EXPECT_EQ(answer.number("active_clients"), 1);
    EXPECT_EQ(answer.number("issued_at"), kNow);
    EXPECT_TRUE(answer.data().at("client").is_null());
    EXPECT_EQ(answer.body.find(license.key), std::string::npos);
  }
  for (const char* member : {"license_id", "status", "type", "features", "entitlements", "expires_at", "max_clients",
                             "active_clients", "issued_at", "client", "grace_until", "server_time"}) {
    EXPECT_TRUE(validate(license).data().contains(member)) << member;
  }
}

TEST_F(DataPlaneTest, ClientDetails) {
  const auto license = add_license(R"({"max_clients":2,"lease":100})");
  json::object body = activation(license, "a/b é");
  body["client_version"] = "1.2";
  body["hardware_fingerprint"] = "machine";
  const std::string id(post("/licenses/activate", body).data().at("client").at("id").as_string());
  for (const auto& path : {"/clients/" + id, "/clients/a%2Fb%20%C3%A9?license_id=" + license.id}) {
    const auto answer = get(path);
    ASSERT_EQ(answer.status, 200) << path;
    EXPECT_EQ(answer.text("id"), id);
    EXPECT_EQ(answer.text("client_id"), "a/b é");
    EXPECT_EQ(answer.text("license_id"), license.id);
    EXPECT_EQ(answer.text("status"), "active");
    EXPECT_EQ(answer.text("client_version"), "1.2");
    EXPECT_EQ(answer.number("lease_expires_at"), kNow + 100);
    EXPECT_TRUE(answer.data().at("hardware_bound").as_bool());
    EXPECT_EQ(answer.body.find("machine"), std::string::npos);
  }
  EXPECT_EQ(get("/clients/a%2Fb%20%C3%A9").code(), "NOT_FOUND") << "a client_id belongs to a license";
  EXPECT_EQ(get("/clients/" + id + "?role=admin").code(), "UNKNOWN_FIELD");
  clock_.advance(100);
  EXPECT_EQ(get("/clients/" + id).text("status"), "lease_expired");
  activate(license, "x");  // takes ended leases out
  EXPECT_EQ(get("/clients/" + id).text("status"), "lease_expired");
  post("/licenses/activate", body);
  post("/licenses/deactivate", activation(license, "a/b é"));
  EXPECT_EQ(get("/clients/" + id).text("status"), "released");
}

TEST_F(DataPlaneTest, KeysAreNormalised) {
  const auto license = add_license("{}", "demo", R"(,"license_key":"test-key 7")");
  EXPECT_EQ(license.key, "TEST-KEY7");
  for (const char* key : {"TEST-KEY7", "test-key7", " Test-Key 7 "}) {
    EXPECT_EQ(post("/licenses/validate", json::object{{"license_key", key}}).status, 200) << key;
  }
  for (const char* key :
       {"TEST-KEY7\n", "TEST\u2010KEY7", "ＴＥＳＴ-KEY7", "TEST-KEY7\u200b", "TEST_KEY7", "TEST-KEY"}) {
    EXPECT_EQ(post("/licenses/validate", json::object{{"license_key", key}}).code(), "LICENSE_KEY_INVALID") << key;
  }
}

}  // namespace
}  // namespace lictor::test
