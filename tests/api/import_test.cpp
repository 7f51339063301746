// Bulk: issue, import, export; seats and searches over the API.
#include <set>

#include "api/api_test.h"

namespace lictor::test {
namespace {

class ImportTest : public ApiTest {
 protected:
  ImportTest() {
    admin("POST", "/policies", R"({"product":"demo","name":"p","terms":{"duration":100,"max_clients":2}})");
  }
  Answer import(const std::string& rows, const std::string& more = "") {
    return admin("POST", "/licenses/import", R"({"licenses":[)" + rows + "]" + (more.empty() ? "" : "," + more) + "}");
  }
  static std::string row(const std::string& more = "") {
    return R"({"product":"demo","policy":"p")" + (more.empty() ? "" : "," + more) + "}";
  }
  static std::string key(const std::string& text, const std::string& more = "") {
    return row(R"("license_key":")" + text + "\"" + (more.empty() ? "" : "," + more));
  }
  static std::vector<std::string> actions(const Answer& answer) {
    std::vector<std::string> found;
    for (const auto& result : answer.data().at("rows").as_array()) found.emplace_back(result.at("action").as_string());
    return found;
  }
  using Actions = std::vector<std::string>;
};

TEST_F(ImportTest, TenThousandInOneCall) {
  const auto answer = admin("POST", "/licenses", R"({"product":"demo","policy":"p","count":10000})");
  ASSERT_EQ(answer.status, 201) << answer.body.substr(0, 300);
  std::set<std::string> keys;
  for (const auto& license : answer.data().at("licenses").as_array())
    keys.emplace(license.at("license_key").as_string());
  EXPECT_EQ(keys.size(), 10'000U);
  EXPECT_EQ(admin("GET", "/status").number("licenses"), 10'000);
  EXPECT_EQ(admin("POST", "/licenses", R"({"product":"demo","policy":"p","count":10001})").details().at("field"),
            "count");
}

TEST_F(ImportTest, RowsAreCreatedUnchangedSkippedUpdated) {
  const std::string rows = key("KEY-1", R"("holder":"a","expires_at":1900000000)") + "," + key("KEY-2");
  EXPECT_EQ(actions(import(rows)), (Actions{"created", "created"}));
  EXPECT_EQ(actions(import(rows)), (Actions{"unchanged", "unchanged"}));
  const std::string changed = key("key-1", R"("holder":"b")") + "," + key("KEY-2");
  EXPECT_EQ(actions(import(changed, R"("on_conflict":"skip")")), (Actions{"skipped", "unchanged"}));
  const auto updated = import(changed, R"("on_conflict":"update")");
  EXPECT_EQ(actions(updated), (Actions{"updated", "unchanged"}));
  const std::string id(updated.data().at("rows").at(0).at("license_id").as_string());
  const auto license = admin("GET", "/licenses/" + id);
  EXPECT_EQ(license.text("holder"), "b");
  EXPECT_EQ(license.number("expires_at"), 1'900'000'000) << "what a row does not name stays";
}

TEST_F(ImportTest, AllOrNothingUnlessAskedOtherwise) {
  import(key("TAKEN", R"("holder":"a")"));
  const auto bad = admin("POST", "/licenses/import",
                         R"({"licenses":[)" + key("NEW-1") + "," + key("TAKEN", R"("holder":"b")") + "," +
                             key("NEW-1") + "," + R"({"product":"demo","policy":"none"})" + "]}");
  EXPECT_EQ(bad.status, 422);
  EXPECT_EQ(bad.code(), "ROWS_REJECTED");
  EXPECT_EQ(bad.details().at("failed"), 3);
  const auto& named = bad.details().at("rows").as_array();
  ASSERT_EQ(named.size(), 3U);
  EXPECT_EQ(named[0].at("row"), 1);
  EXPECT_EQ(named[0].at("code"), "ALREADY_EXISTS");
  EXPECT_EQ(named[1].at("field"), "license_key");
  EXPECT_EQ(named[2].at("field"), "policy");
  EXPECT_EQ(admin("GET", "/status").number("licenses"), 1) << "nothing was recorded";
  const auto partial = import(key("NEW-1") + "," + key("TAKEN", R"("holder":"b")"), R"("partial":true)");
  EXPECT_EQ(actions(partial), (Actions{"created", "failed"}));
  EXPECT_EQ(partial.number("failed"), 1);
  EXPECT_EQ(admin("GET", "/status").number("licenses"), 2);
}

TEST_F(ImportTest, NoTwoRowsAreAboutOneLicense) {
  const auto first = import(key("TAKEN", R"("holder":"a")"));
  const std::string id(first.data().at("rows").at(0).at("license_id").as_string());
  const std::string by_id = row(R"("license_id":")" + id + R"(","holder":"b")");
  const auto twice = import(key("TAKEN", R"("status":"revoked")") + "," + by_id, R"("on_conflict":"update")");
  EXPECT_EQ(twice.code(), "ROWS_REJECTED");
  EXPECT_EQ(twice.details().at("rows").at(0).at("row"), 1);
  EXPECT_EQ(admin("GET", "/licenses/" + id).text("status"), "active");
}

TEST_F(ImportTest, ARowIsOfTheLicenseThatItNames) {
  add_product("other");
  admin("POST", "/policies", R"({"product":"other","name":"p"})");
  import(key("TAKEN", R"("holder":"a")"));
  const auto fault = [&](const std::string& text) {
    const auto answer = import(text, R"("on_conflict":"update","dry_run":true)");
    const json::object& result = answer.data().at("rows").at(0).as_object();
    return result.contains("field") ? std::string(result.at("field").as_string()) : "";
  };
  EXPECT_EQ(fault(key("TAKEN", R"("license_id":"lic_00000000000000000000000001")")), "license_id");
  EXPECT_EQ(fault(R"({"license_key":"TAKEN","product":"other","policy":"p"})"), "product")
      << "a license stays with its product, as it does with PATCH";
  import(key("TAKEN", R"("holder":null)"), R"("on_conflict":"update")");
  EXPECT_TRUE(admin("POST", "/licenses/lookup", R"({"license_key":"TAKEN"})").data().at("holder").is_null());
}

TEST_F(ImportTest, ANewPolicyHasNothingOfADeletedOne) {
  admin("POST", "/policies", R"({"product":"demo","name":"gone","terms":{"max_clients":100}})");
  import(R"({"product":"demo","policy":"gone"})", R"("dry_run":true)");
  const auto policies = admin("GET", "/policies?product=demo").data().at("policies").as_array();
  for (const auto& policy : policies) {
    if (policy.at("name") != "gone") continue;
    EXPECT_EQ(admin("DELETE", "/policies/" + std::string(policy.at("id").as_string())).status, 200);
  }
  admin("POST", "/policies", R"({"product":"demo","name":"new","terms":{"max_clients":2}})");
  const auto issued = admin("POST", "/licenses", R"({"product":"demo","policy":"new"})");
  EXPECT_EQ(issued.data().at("licenses").at(0).at("max_clients"), 2);
}

TEST_F(ImportTest, ADryRunChangesNothing) {
  import(key("TAKEN", R"("holder":"a")"));
  const auto sequence = store_.open_reader()->audit_head().sequence;
  const auto dry =
      import(key("NEW-1") + "," + key("TAKEN", R"("holder":"b")") + "," + row() + "," + key("x"), R"("dry_run":true)");
  EXPECT_EQ(actions(dry), (Actions{"created", "failed", "created", "failed"}));
  EXPECT_EQ(dry.data().at("rows").at(2).as_object().count("license_key"), 0U) << "it would be another one later";
  EXPECT_EQ(admin("GET", "/status").number("licenses"), 1);
  EXPECT_EQ(store_.open_reader()->audit_head().sequence, sequence);
}

TEST_F(ImportTest, BadRowsAreNamed) {
  const std::pair<std::string, std::string> rows[] = {{row(R"("license_key":"a_b")"), "license_key"},
                                                      {row(R"("license_id":"lic_1")"), "license_id"},
                                                      {row(R"("status":"expired")"), "status"},
                                                      {row(R"("expires_at":"soon")"), "expires_at"},
                                                      {row(R"("expires_at":5)"), "expires_at"},
                                                      {row(R"("overrides":{"seats":5})"), "overrides.seats"},
                                                      {row(R"("colour":"red")"), "colour"},
                                                      {R"({"policy":"p"})", "product"},
                                                      {"5", "licenses"}};
  for (const auto& [text, field] : rows) {
    const auto answer = import(text, R"("dry_run":true)");
    ASSERT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.data().at("rows").at(0).at("field"), json::value(field)) << text << answer.body;
  }
  EXPECT_EQ(import("").details().at("field"), "licenses");
  EXPECT_EQ(import(row(), R"("on_conflict":"maybe")").details().at("field"), "on_conflict");
}

TEST_F(ImportTest, ExportImportsAgainToTheSameState) {
  const auto first = add_license(R"({"max_clients":3,"duration":500,"starts":"on_first_activation"})", "demo",
                                 R"(,"holder":"Müller, \"Söhne\"","overrides":{"max_clients":4})");
  const auto second = add_license("{}");
  activate(first);
  admin("POST", "/licenses/" + second.id + "/suspend");
  const auto exported = admin("GET", "/licenses/export");
  ASSERT_EQ(exported.data().at("licenses").as_array().size(), 2U);
  const std::string rows = json::serialize(exported.data().at("licenses"));
  const std::string body = R"({"licenses":)" + rows + "}";
  EXPECT_EQ(actions(admin("POST", "/licenses/import", body)), (Actions{"unchanged", "unchanged"}));

  struct Fresh : ApiTest {
    void TestBody() override {}
    using ApiTest::add_license;
    using ApiTest::admin;
  } other;
  other.add_license(R"({"max_clients":3,"duration":500,"starts":"on_first_activation"})");
  // The policies of the two servers have the same names: policy-1 there, policy-1 and policy-2 here.
  other.add_license("{}");
  const auto made = other.admin("POST", "/licenses/import", body);
  EXPECT_EQ(actions(made), (Actions{"created", "created"})) << made.body;
  const auto again = other.admin("GET", "/licenses/export");
  json::array copies;
  for (const auto& license : again.data().at("licenses").as_array()) {
    if (rows.find(std::string(license.at("license_id").as_string())) != std::string::npos) copies.push_back(license);
  }
  EXPECT_EQ(json::serialize(copies), rows);
}

TEST_F(ImportTest, SeatsShowWhoHoldsThem) {
  const auto license = add_license(R"({"max_clients":3,"lease":60})");
  add_license("{}");
  for (const char* client : {"a", "b"}) activate(license, client);
  const auto seats = admin("GET", "/seats?product=demo&in_use=true&clients=1");
  ASSERT_EQ(seats.data().at("licenses").as_array().size(), 1U) << seats.body;
  const auto& shown = seats.data().at("licenses").at(0).as_object();
  EXPECT_EQ(shown.at("max_clients"), 3);
  EXPECT_EQ(shown.at("active_clients"), 2);
  EXPECT_EQ(shown.at("free"), 1);
  EXPECT_EQ(shown.at("clients").as_array().size(), 1U);
  EXPECT_EQ(shown.at("clients").at(0).at("activated_at"), kNow);
  EXPECT_EQ(shown.at("clients").at(0).at("lease_expires_at"), kNow + 60);
  EXPECT_EQ(shown.at("more_clients"), true);
  clock_.advance(60);
  const auto later = admin("GET", "/seats?license_id=" + license.id);
  EXPECT_EQ(later.data().at("licenses").at(0).at("active_clients"), 0) << "leases have ended";
  EXPECT_EQ(admin("GET", "/seats").data().at("licenses").as_array().size(), 2U);
}

TEST_F(ImportTest, SearchesByStatusAndTime) {
  const auto list = [&](const std::string& query) {
    std::vector<std::string> keys;
    std::string cursor;
    for (int page = 0; page < 20; ++page) {
      const auto answer = admin("GET", "/licenses?limit=2&" + query + (cursor.empty() ? "" : "&cursor=" + cursor));
      EXPECT_EQ(answer.status, 200) << answer.body;
      for (const auto& license : answer.data().at("licenses").as_array())
        keys.emplace_back(license.at("license_key").as_string());
      if (answer.data().at("next_cursor").is_null()) return keys;
      cursor = answer.text("next_cursor");
    }
    ADD_FAILURE() << query;
    return keys;
  };
  const auto expiring = [](int seconds, const std::string& more = "") {
    return "\"expires_at\":" + std::to_string(kNow + seconds) + more;
  };
  import(key("GONE", R"("issued_at":1700000000,)" + expiring(-10)) + "," + key("SOON", expiring(10)) + "," +
         key("LATE", expiring(1000, R"(,"holder":"Acme Ltd")")) + "," + key("EVER", R"("expires_at":null)") + "," +
         key("SUSP", R"("status":"suspended","holder":"Acme Inc")") + "," +
         key("NEXT", expiring(2000, R"(,"starts_at":1800000500)")));
  using Keys = std::vector<std::string>;
  EXPECT_EQ(list("status=expired"), Keys{"GONE"});
  EXPECT_EQ(list("status=active&sort=issued"), (Keys{"SOON", "LATE", "EVER"}));
  EXPECT_EQ(list("status=not_yet_valid"), Keys{"NEXT"});
  EXPECT_EQ(list("status=suspended"), Keys{"SUSP"});
  EXPECT_EQ(list("status=grace"), Keys{});
  EXPECT_EQ(list("sort=expires"), (Keys{"GONE", "SOON", "SUSP", "LATE", "NEXT"}));
  EXPECT_EQ(list("sort=-expires"), (Keys{"NEXT", "LATE", "SUSP", "SOON", "GONE"}));
  EXPECT_EQ(list("expires_before=1800000100"), (Keys{"GONE", "SOON"}));
  EXPECT_EQ(list("holder_prefix=Acme"), (Keys{"SUSP", "LATE"}));
  EXPECT_EQ(list("issued_before=1800000000"), Keys{"GONE"});
  EXPECT_EQ(list("product=demo&policy=p&expires_after=1800000500&sort=-expires"), (Keys{"NEXT", "LATE"}));
  clock_.advance(10);
  EXPECT_EQ(list("status=expired"), (Keys{"GONE", "SOON"})) << "by time alone";
}

// A name of megabytes came back with each row, and could be cut within a character.
TEST_F(ImportTest, LongNamesComeBackClipped) {
  std::string name;
  for (int i = 0; i < 5000; ++i) name += "\xC3\xA9";
  const auto answer = import(row("\"x" + name + "\":1"));
  EXPECT_EQ(answer.code(), "ROWS_REJECTED");
  EXPECT_LT(answer.body.size(), 2000U);
  const std::string field(answer.details().at("rows").at(0).at("field").as_string());
  EXPECT_EQ(field.size(), 127U) << "where a character ends";
}

}  // namespace
}  // namespace lictor::test
