// The envelope, headers and methods; what happens when the server can't.
#include <future>

#include "api/api_test.h"

namespace lictor::test {
namespace {

using ProtocolTest = ApiTest;

TEST_F(ProtocolTest, TheEnvelope) {
  const auto license = add_license("{}");
  const auto good = activate(license);
  EXPECT_EQ(good.content_type, "application/json");
  EXPECT_EQ(good.object.at("status"), "success");
  EXPECT_EQ(good.object.size(), 4U);
  EXPECT_FALSE(good.object.at("message").as_string().empty());
  const auto bad = validate(license, "stranger");
  EXPECT_EQ(bad.object.at("status"), "error");
  EXPECT_EQ(bad.object.size(), 3U);
  EXPECT_EQ(bad.object.at("error").as_object().size(), 3U);
  for (const auto* answer : {&good, &bad}) {
    EXPECT_EQ(answer->header("Cache-Control"), "no-store");
    EXPECT_EQ(answer->header("X-Request-Id"), std::string(answer->object.at("request_id").as_string()));
    EXPECT_TRUE(answer->header("X-Request-Id").starts_with("req_"));
  }
  EXPECT_NE(good.header("X-Request-Id"), bad.header("X-Request-Id"));
}

TEST_F(ProtocolTest, RequestIdsAreKeptOrReplaced) {
  const std::pair<std::string, bool> rows[] = {
      {"abc-DEF_1.2", true},
      {"x", true},
      {std::string(64, 'x'), true},
      {std::string(65, 'x'), false},
      {"a b", false},
      {"a\"b", false},
      {"a\\", false},
      {"é", false},
      {"<script>", false},
      {"", false},
  };
  for (const auto& [given, kept] : rows) {
    for (const char* path : {"/health", "/nowhere", "/api/v1/licenses/x", "/ready"}) {
      const auto answer = call("GET", path, "", client_key_, {{"X-Request-Id", given}});
      const std::string id = answer.header("X-Request-Id");
      EXPECT_EQ(id == given, kept) << given << " " << path;
      EXPECT_EQ(std::string(answer.object.at("request_id").as_string()), id);
      if (!kept) {
        EXPECT_TRUE(id.starts_with("req_"));
      }
    }
  }
}

TEST_F(ProtocolTest, Problems) {
  const auto license = add_license("{}");
  const auto problem = call("POST", "/api/v1/licenses/validate", R"({"license_key":"NONE-1"})", client_key_,
                            {{"Accept", "application/problem+json"}});
  EXPECT_EQ(problem.status, 404);
  EXPECT_EQ(problem.content_type, "application/problem+json");
  EXPECT_EQ(problem.object.at("type"), "about:blank");
  EXPECT_EQ(problem.object.at("title"), "Not Found");
  EXPECT_EQ(problem.object.at("status"), 404);
  EXPECT_EQ(problem.object.at("code"), "LICENSE_KEY_INVALID");
  EXPECT_EQ(problem.header("Cache-Control"), "no-store");
  const auto success = call("POST", "/api/v1/licenses/validate", R"({"license_key":")" + license.key + "\"}",
                            client_key_, {{"Accept", "application/problem+json"}});
  EXPECT_EQ(success.content_type, "application/json");
  EXPECT_EQ(call("GET", "/nowhere", "", "", {{"Accept", "text/html, application/problem+json;q=0.9"}}).content_type,
            "application/problem+json");
}

TEST_F(ProtocolTest, MethodsAndPaths) {
  const auto license = add_license("{}");
  struct Row {
    std::string method, path;
    int status;
    std::string allow;
  };
  const Row rows[] = {
      {"GET", "/health", 200, ""},
      {"HEAD", "/health", 200, ""},
      {"POST", "/health", 405, "GET, HEAD"},
      {"GET", "/health/", 404, ""},
      {"GET", "/Health", 404, ""},
      {"GET", "/", 404, ""},
      {"GET", "/api/v1/activate", 405, "POST"},
      {"HEAD", "/api/v1/activate", 405, "POST"},
      {"OPTIONS", "/api/v1/licenses/activate", 405, "POST"},
      {"GET", "/api/v1/licenses/activate", 405, "POST"},
      {"GET", "/api/v1/admin/licenses/lookup", 405, "POST"},
      {"DELETE", "/api/v1/licenses/" + license.id, 405, "GET, HEAD"},
      {"HEAD", "/api/v1/licenses/" + license.id, 200, ""},
      {"PUT", "/api/v1/admin/licenses", 405, "POST, GET, HEAD"},
      {"get", "/health", 405, "GET, HEAD"},
      {"GET", "/api/v1/licenses/", 404, ""},
      {"GET", "/api/v1/licenses//", 404, ""},
      {"GET", "/api/v1/licenses/a/b", 404, ""},
      {"GET", "/api/v1/api/v1/licenses/" + license.id, 200, ""},
      {"GET", "/api/v1/api/v1/api/v1/licenses/" + license.id, 404, ""},
      {"GET", "/api/v1/api/v1/admin/status", 404, ""},
      {"GET", "/api/v1/admin/licenses//clients", 404, ""},
      {"GET", "/api/v1/admin/licenses/" + license.id + "/clients/x", 404, ""},
      {"GET", "/ready", 200, ""},
      {"GET", "/metrics", 200, ""},
  };
  for (const auto& row : rows) {
    const auto answer = call(row.method, row.path, "", client_key_);
    EXPECT_EQ(answer.status, row.status) << row.method << " " << row.path;
    EXPECT_EQ(answer.header("Allow"), row.allow) << row.method << " " << row.path;
  }
}

TEST_F(ProtocolTest, TheAliasAndTheDoubledPrefix) {
  const auto license = add_license("{}");
  const std::string body = json::serialize(activation(license));
  for (const char* path : {"/api/v1/licenses/activate", "/api/v1/activate", "/api/v1/api/v1/licenses/activate",
                           "/api/v1/api/v1/activate"}) {
    EXPECT_EQ(call("POST", path, body, client_key_).status, 200) << path;
  }
}

TEST_F(ProtocolTest, ContentTypesAndBodies) {
  const auto license = add_license("{}");
  const std::string good = json::serialize(activation(license));
  const auto send = [&](const std::string& path, const std::string& type, const std::string& body) {
    return call("POST", path, body, admin_key_, {{"Content-Type", type}});
  };
  for (const char* path : {"/api/v1/licenses/activate", "/api/v1/admin/licenses/lookup"}) {
    for (const char* type : {"application/json", "Application/JSON", "application/json; charset=utf-8",
                             "application/json;charset=utf-8"}) {
      EXPECT_NE(send(path, type, "{}").status, 415) << type;
    }
    for (const char* type :
         {"", "text/plain", "application/jsonp", "application/x-www-form-urlencoded", "json", "application/json+x"}) {
      EXPECT_EQ(send(path, type, good).code(), "UNSUPPORTED_MEDIA_TYPE") << type;
    }
    for (const char* body : {"", "[]", "{", "nonsense", "{\"a\":1,\"a\":1}", "{\"a\":\"\xff\"}", "null"}) {
      const auto answer = send(path, "application/json", body);
      EXPECT_EQ(answer.code(), "BAD_REQUEST") << path << " " << body;
    }
  }
}

TEST_F(ProtocolTest, AStoreThatFailsIsUnavailable) {
  const auto license = add_license(R"({"type":"metered","max_clients":5})"), cold = add_license("{}");
  ASSERT_EQ(activate(license).status, 200);
  ASSERT_EQ(validate(license).status, 200);
  store_.fail_writes = store_.fail_reads = true;
  const auto expect_unavailable = [](const Answer& answer) {
    EXPECT_EQ(answer.status, 503) << answer.body;
    EXPECT_EQ(answer.code(), "UNAVAILABLE");
    EXPECT_EQ(answer.header("Retry-After"), "1");
  };
  expect_unavailable(activate(license, "d"));
  expect_unavailable(post("/licenses/deactivate", activation(license)));
  expect_unavailable(post("/licenses/usage",
                          R"({"license_id":")" + license.id + R"(","metric":"m","quantity":1,"idempotency_key":"i"})"));
  expect_unavailable(validate(cold, ""));
  expect_unavailable(get("/licenses/" + cold.id));
  expect_unavailable(get("/clients/cli_00000000000000000000000000"));
  expect_unavailable(admin("POST", "/licenses", R"({"product":"demo","policy":"policy-1"})"));
  expect_unavailable(admin("GET", "/licenses"));
  expect_unavailable(admin("GET", "/status"));
  expect_unavailable(call("GET", "/ready"));
  EXPECT_EQ(call("GET", "/health").status, 200);
  EXPECT_EQ(call("GET", "/metrics").status, 200);
  EXPECT_EQ(validate(license).status, 200) << "what is in memory goes on";
  store_.fail_writes = store_.fail_reads = false;
  EXPECT_EQ(validate(license).number("active_clients"), 1) << "nothing was recorded";
  EXPECT_EQ(activate(license, "d").number("active_clients"), 2);
}

TEST_F(ProtocolTest, AStoppingServerIsNotReady) {
  EXPECT_EQ(call("GET", "/ready").status, 200);
  stopping_ = true;
  const auto answer = call("GET", "/ready");
  EXPECT_EQ(answer.status, 503);
  EXPECT_FALSE(answer.header("Retry-After").empty());
  EXPECT_EQ(call("GET", "/health").status, 200);
}

class OverloadTest : public ApiTest {
 protected:
  OverloadTest() : ApiTest(8) {}
};

TEST_F(OverloadTest, AFullQueueShedsNewWorkFirst) {
  const auto license = add_license(R"({"max_clients":20,"lease":100})");
  ASSERT_EQ(activate(license, "holder").status, 200);
  hold();
  std::vector<std::uint64_t> waiting;
  for (int i = 0; i < 6; ++i) {
    const std::string body = json::serialize(activation(license, "c" + std::to_string(i)));
    waiting.push_back(server_.begin(request("POST", "/api/v1/activate", body, client_key_)));
  }
  const auto refused = activate(license, "late");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.code(), "OVERLOADED");
  EXPECT_FALSE(refused.header("Retry-After").empty());
  for (int i = 0; i < 2; ++i) {  // a quarter of the queue is for what gives seats back and renews
    const std::string body = json::serialize(activation(license, "c" + std::to_string(i)));
    waiting.push_back(server_.begin(request("POST", "/api/v1/licenses/deactivate", body, client_key_)));
  }
  EXPECT_EQ(post("/licenses/deactivate", activation(license, "c5")).code(), "OVERLOADED");
  gate_.set_value();
  for (const auto ticket : waiting) EXPECT_EQ(server_.finish(ticket).status, 200);
  EXPECT_EQ(activate(license, "late").number("active_clients"), 6);
}

// In a queue this short nobody was known to renew, and renewals were shed with the new work.
TEST_F(OverloadTest, RenewalsAreKnownInAShortQueueToo) {
  const auto license = add_license(R"({"max_clients":20,"lease":100})");
  ASSERT_EQ(activate(license, "holder").status, 200);
  hold();
  std::vector<std::uint64_t> waiting;
  const auto begin = [&](const std::string& client) {
    const std::string body = json::serialize(activation(license, client));
    waiting.push_back(server_.begin(request("POST", "/api/v1/activate", body, client_key_)));
  };
  for (int i = 0; i < 6; ++i) begin("c" + std::to_string(i));
  EXPECT_EQ(activate(license, "late").code(), "OVERLOADED");
  begin("holder");
  begin("holder");
  EXPECT_EQ(activate(license, "holder").code(), "OVERLOADED") << "the queue is full";
  gate_.set_value();
  for (const auto ticket : waiting) EXPECT_EQ(server_.finish(ticket).status, 200);
}

// What could not be renewed now was refused although it held.
TEST_F(OverloadTest, ALeaseThatCanNotBeRenewedNowHoldsUntilItsEnd) {
  const auto license = add_license(R"({"max_clients":20,"lease":100})");
  const auto end = activate(license, "holder").lease_end();
  clock_.advance(60);
  hold();
  std::vector<std::uint64_t> waiting;
  for (int i = 0; i < 8; ++i) {
    const std::string body = json::serialize(activation(license, "holder"));
    waiting.push_back(server_.begin(request("POST", "/api/v1/activate", body, client_key_)));
  }
  const auto unrenewed = validate(license, "holder", R"("nonce":"n1")");
  EXPECT_EQ(unrenewed.status, 200);
  EXPECT_EQ(unrenewed.lease_end(), end);
  EXPECT_EQ(unrenewed.text("nonce"), "n1");
  clock_.advance(40);
  EXPECT_EQ(validate(license, "holder").code(), "LEASE_EXPIRED");
  gate_.set_value();
  for (const auto ticket : waiting) EXPECT_EQ(server_.finish(ticket).status, 200);
}

TEST_F(ProtocolTest, MetricsCountEveryRequest) {
  const auto license = add_license("{}");
  for (int i = 0; i < 3; ++i) validate(license, "");
  activate(license, "a");
  activate(license, "b");
  call("GET", "/nowhere");
  const std::string text = call("GET", "/metrics").body;
  EXPECT_NE(text.find(R"(license_requests_total{method="POST",endpoint="/validate"} 3)"), std::string::npos) << text;
  EXPECT_NE(text.find(R"(license_activation_failures_total{reason="MAX_CLIENTS_REACHED"} 1)"), std::string::npos);
  EXPECT_NE(text.find(R"(method="other",endpoint="other"} 1)"), std::string::npos);
}

}  // namespace
}  // namespace lictor::test
