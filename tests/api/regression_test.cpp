// Each is named after what went wrong.
#include "api/api_test.h"

namespace lictor::test {
namespace {

using RegressionTest = ApiTest;

TEST_F(RegressionTest, ClockThatStepsBackGaveOneSeatToTwoHolders) {
  const License license = add_license(R"({"max_clients":1,"lease":60})");
  ASSERT_EQ(activate(license, "a").code(), "");
  ASSERT_EQ(validate(license, "a").code(), "");  // now in memory
  clock_.advance(100);
  ASSERT_EQ(activate(license, "b").code(), "");  // the first lease has ended, its seat is taken over
  clock_.advance(-80);
  EXPECT_NE(validate(license, "a").code(), "") << "the seat is somebody else's now, whatever the clock does";
  EXPECT_EQ(validate(license, "b").code(), "");
}

TEST_F(RegressionTest, LicenseOfAnotherOwnerWasAnsweredFromMemory) {
  add_product("other");
  const License license = add_license("{}");
  ASSERT_EQ(activate(license).code(), "");
  ASSERT_EQ(validate(license).code(), "");  // now in memory
  const std::string foreign = add_key("license:validate", R"(,"product":"other")");
  store_.fail_reads = true;
  const std::string body = json::serialize(activation(license));
  const auto answer = call("POST", "/api/v1/licenses/validate", body, foreign);
  EXPECT_EQ(answer.code(), "UNAVAILABLE") << "it must go the way of an unknown one, through the database";
  store_.fail_reads = false;
  EXPECT_EQ(call("POST", "/api/v1/licenses/validate", body, foreign).code(), "LICENSE_KEY_INVALID");
}

TEST_F(RegressionTest, KeyOutlivedItselfThroughAKeyItMade) {
  const std::string end = std::to_string(kNow + 100);
  const std::string maker = add_key("admin:*", ",\"expires_at\":" + end);
  const auto made = call("POST", "/api/v1/admin/api-keys", R"({"name":"child","scopes":["admin:*"]})", maker);
  ASSERT_EQ(made.code(), "");
  EXPECT_EQ(made.number("expires_at"), kNow + 100);
}

TEST_F(RegressionTest, LastAdministratorWasLockedOut) {
  std::string id;
  const auto listed = admin("GET", "/api-keys");
  for (const auto& key : listed.data().at("api_keys").as_array()) {
    for (const auto& scope : key.at("scopes").as_array()) {
      if (scope.as_string().starts_with("admin:")) id = std::string(key.at("id").as_string());
    }
  }
  ASSERT_FALSE(id.empty());
  EXPECT_EQ(admin("POST", "/api-keys/" + id + "/revoke").code(), "FORBIDDEN");
  add_key("admin:*");
  EXPECT_EQ(admin("POST", "/api-keys/" + id + "/revoke").code(), "");
}

TEST_F(RegressionTest, ErrorsEchoedNamesOfAnyLength) {
  const auto answer = post("/licenses/validate", "{\"" + std::string(60'000, 'n') + "\":1}");
  EXPECT_EQ(answer.code(), "BAD_REQUEST");
  EXPECT_LT(answer.body.size(), 1000U);
}

TEST_F(RegressionTest, OddNamesWereAccepted) {
  const License license = add_license("{}");
  for (const char* client_id : {" ", " a", "a "})
    EXPECT_EQ(activate(license, client_id).code(), "BAD_REQUEST") << client_id;
  const std::string order = R"({"product":"demo","policy":"policy-1",)";
  EXPECT_EQ(admin("POST", "/licenses", order + R"("license_key":"----"})").code(), "BAD_REQUEST");
  EXPECT_EQ(admin("POST", "/licenses", order + R"("starts_at":2000000000,"expires_at":1999999999})").code(),
            "BAD_REQUEST");
}

TEST_F(RegressionTest, SignatureWasAskedOfAdministrativeKeysAndNotChecked) {
  const std::string body = R"({"name":"x","scopes":["admin:read"],"require_signature":true})";
  EXPECT_EQ(admin("POST", "/api-keys", body).code(), "BAD_REQUEST");
}

TEST_F(RegressionTest, FirstOfTwoApiKeysWonSilently) {
  const License license = add_license("{}");
  const std::string body = json::serialize(activation(license));
  const auto answer =
      call("POST", "/api/v1/licenses/activate", body, client_key_, {{"X-API-Key", "lk_live_something_else"}});
  EXPECT_EQ(answer.code(), "BAD_REQUEST");
}

// The number after the largest one is the smallest: the list began anew.
TEST_F(RegressionTest, ForgedCursorsOverflowed) {
  add_license("{}");
  const std::string largest = "9223372036854775807", smallest = "-9223372036854775808";
  const auto list = admin("GET", "/licenses?sort=issued&issued_after=1&cursor=" + largest + ".1");
  ASSERT_EQ(list.status, 200) << list.body;
  EXPECT_TRUE(list.data().at("licenses").as_array().empty());
  for (const auto& place : {largest + ".1.1", "20000.1." + smallest, smallest + ".1.1"}) {
    const auto report = admin("GET", "/reports/seats?by=license&cursor=" + place);
    EXPECT_LT(report.status, 500) << place << report.body;
  }
}

}  // namespace
}  // namespace lictor::test
