// What is kept for those who ask later: refusals with their reasons, and reports of usage, seats and refusals by day.
#include "api/api_test.h"
#include "api/errors.h"
#include "api/report_text.h"
#include "licensing/seat_series.h"

namespace lictor::test {
namespace {

using licensing::kDaySeconds;

// All tests begin at noon, so that a few hours belong to one day.
class StatisticsApiTest : public ApiTest {
 protected:
  StatisticsApiTest() { clock_.set(licensing::start_of(licensing::day_of(kNow)) + kDaySeconds / 2); }

  json::array refusals(const std::string& query = "") {
    const auto answer = admin("GET", "/refusals" + query);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.data().at("refusals").as_array();
  }
  json::array rows(const std::string& report) {
    const auto answer = admin("GET", "/reports/" + report);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.data().at("rows").as_array();
  }
  std::string today() const { return api::format_date(clock_.now()); }
  Answer use(const License& license, const std::string& metric, int quantity, const std::string& key) {
    json::object body{{"license_key", license.key}, {"metric", metric}, {"quantity", quantity}};
    body["idempotency_key"] = key;
    return post("/licenses/usage", body);
  }
};

TEST_F(StatisticsApiTest, ARefusalIsKeptWithItsReason) {
  const auto license = add_license(R"({"max_clients":1})");
  activate(license, "a");
  const auto refused = activate(license, "b");
  ASSERT_EQ(refused.code(), "MAX_CLIENTS_REACHED");
  const auto kept = refusals();
  ASSERT_EQ(kept.size(), 1U);
  const json::object& one = kept[0].as_object();
  EXPECT_EQ(one.at("at"), json::value(clock_.now()));
  EXPECT_EQ(one.at("request_id"), refused.object.at("request_id"));
  EXPECT_EQ(one.at("endpoint"), "/activate");
  EXPECT_EQ(one.at("code"), "MAX_CLIENTS_REACHED");
  EXPECT_EQ(one.at("message"), refused.object.at("error").at("message"));
  EXPECT_EQ(one.at("details"), refused.object.at("error").at("details"));
  EXPECT_EQ(one.at("license_id"), json::value(license.id));
  EXPECT_EQ(one.at("client_id"), "b");
  EXPECT_TRUE(one.at("actor").as_string().starts_with("key_"));
  EXPECT_EQ(admin("GET", "/status").number("refusals"), 1);
}

TEST_F(StatisticsApiTest, EveryCallOfAClientIsCovered) {
  const auto license = add_license(R"({"max_clients":1})");
  const std::string key = R"({"license_key":")" + license.key + "\"";
  EXPECT_EQ(validate(license, "nobody").code(), "CLIENT_NOT_ACTIVATED");
  EXPECT_EQ(post("/licenses/validate", R"({"license_key":"NO-SUCH-KEY"})").code(), "LICENSE_KEY_INVALID");
  EXPECT_EQ(post("/licenses/deactivate", R"({"license_key":"NO-SUCH-KEY","client_id":"x"})").status, 404);
  EXPECT_EQ(post("/licenses/usage", key + R"(,"metric":"m","quantity":-1,"idempotency_key":"k"})").status, 400);
  EXPECT_EQ(call("POST", "/api/v1/licenses/activate", key + R"(,"client_id":"c"})", "nonsense").status, 401);
  EXPECT_EQ(call("POST", "/api/v1/licenses/validate", key + "}", client_key_, {{"Content-Type", "text/plain"}}).status,
            415);
  const auto kept = refusals();
  ASSERT_EQ(kept.size(), 6U);
  const auto codes = [&](std::size_t i) { return std::string(kept[i].at("code").as_string()); };
  EXPECT_EQ(codes(0), "UNSUPPORTED_MEDIA_TYPE") << "newest first";
  EXPECT_EQ(codes(1), "UNAUTHENTICATED");
  EXPECT_EQ(codes(2), "BAD_REQUEST");
  EXPECT_EQ(kept[2].at("license_id"), json::value(license.id)) << "the body named it";
  EXPECT_TRUE(kept[4].at("license_id").is_null());
  EXPECT_TRUE(kept[1].at("actor").is_null()) << "nobody proved who it was";
  // Administration and what reads only are no clients at work.
  admin("GET", "/licenses/lic_00000000000000000000000000");
  get("/licenses/lic_00000000000000000000000000");
  EXPECT_EQ(refusals().size(), 6U);
}

// Otherwise anybody who has seen an id could push out what a license's own clients were told.
TEST_F(StatisticsApiTest, WhoShowsNothingIsNotFiledUnderALicense) {
  const auto license = add_license("{}");
  const std::string body = R"({"license_id":")" + license.id + R"(","client_id":"c"})";
  call("POST", "/api/v1/licenses/validate", body);
  call("POST", "/api/v1/licenses/validate", body, "lk_live_nonsense");
  ASSERT_EQ(refusals().size(), 2U);
  EXPECT_EQ(refusals("?license_id=" + license.id).size(), 0U);
}

// A key of another product filed its refusals under a license that it may not see, and pushed out the true ones.
TEST_F(StatisticsApiTest, AKeyOfAnotherProductIsNotFiledUnderALicense) {
  add_product("other");
  const auto license = add_license(R"({"max_clients":1})");
  const std::string foreign = add_key("license:activate license:validate usage:write", R"(,"product":"other")");
  const std::string body = R"({"license_id":")" + license.id + R"(","client_id":"c")";
  const std::string by_key = R"({"license_key":")" + license.key + R"(","client_id":"c"})";
  EXPECT_EQ(call("POST", "/api/v1/licenses/activate", by_key, foreign).status, 404);
  for (const char* path : {"validate", "deactivate"})
    EXPECT_EQ(call("POST", "/api/v1/licenses/" + std::string(path), body + "}", foreign).status, 404);
  EXPECT_EQ(
      call("POST", "/api/v1/licenses/usage", body + R"(,"metric":"m","quantity":1,"idempotency_key":"k"})", foreign)
          .status,
      404);
  EXPECT_EQ(validate(license, "nobody").code(), "CLIENT_NOT_ACTIVATED");
  ASSERT_EQ(refusals().size(), 5U);
  EXPECT_EQ(refusals("?license_id=" + license.id).size(), 1U);
  const auto counted = rows("refusals?product=demo");
  ASSERT_EQ(counted.size(), 1U);
  EXPECT_EQ(counted[0].at("code"), "CLIENT_NOT_ACTIVATED");
}

TEST_F(StatisticsApiTest, RefusalsAreFoundByWhatIsKnown) {
  const auto one = add_license("{}"), other = add_license("{}");
  for (int i = 0; i < 3; ++i) validate(one, "a");
  const auto sought = validate(one, "b");
  validate(other, "a");
  const std::string request(sought.object.at("request_id").as_string());
  EXPECT_EQ(refusals("?request_id=" + request).size(), 1U);
  EXPECT_EQ(refusals("?license_id=" + one.id).size(), 4U);
  EXPECT_EQ(refusals("?license_id=" + one.id + "&client_id=a").size(), 3U);
  EXPECT_EQ(refusals("?code=CLIENT_NOT_ACTIVATED").size(), 5U);
  EXPECT_EQ(refusals("?code=LICENSE_REVOKED").size(), 0U);
  EXPECT_EQ(admin("GET", "/refusals?license_id=lic_00000000000000000000000000").status, 404);
  EXPECT_EQ(admin("GET", "/refusals?license_id=lic_1").details().at("field"), "license_id");
  std::size_t seen = 0, pages = 0;
  std::string cursor;
  do {
    const auto page = admin("GET", "/refusals?limit=2" + (cursor.empty() ? "" : "&cursor=" + cursor));
    seen += page.data().at("refusals").as_array().size();
    const json::value& next = page.data().at("next_cursor");
    cursor = next.is_null() ? "" : std::string(next.as_string());
    ASSERT_LE(++pages, 5U);
  } while (!cursor.empty());
  EXPECT_EQ(seen, 5U);
}

TEST_F(StatisticsApiTest, UsageByDay) {
  const auto one = add_license(R"({"type":"metered"})"), other = add_license(R"({"type":"metered"})");
  use(one, "renders", 5, "k1");
  use(one, "renders", 7, "k2");
  use(one, "renders", 7, "k2");  // a retry counts once
  use(one, "calls", 1, "k3");
  use(other, "renders", 100, "k4");
  const std::string yesterday = today();
  clock_.advance(kDaySeconds);
  use(one, "renders", 1, "k5");
  const auto product = rows("usage");
  ASSERT_EQ(product.size(), 3U);
  EXPECT_EQ(
      product[0],
      (json::value{
          {"day", yesterday}, {"product", "demo"}, {"license_id", nullptr}, {"metric", "calls"}, {"quantity", 1}}));
  EXPECT_EQ(product[1].at("quantity"), 112);
  EXPECT_EQ(product[2].at("day"), json::value(today()));
  const auto license = rows("usage?metric=renders&license_id=" + one.id);
  ASSERT_EQ(license.size(), 2U);
  EXPECT_EQ(license[0].at("quantity"), 12);
  EXPECT_EQ(license[0].at("license_id"), json::value(one.id));
  EXPECT_EQ(rows("usage?by=license").size(), 4U);
  EXPECT_EQ(rows("usage?from=" + std::to_string(clock_.now())).size(), 1U);
  EXPECT_EQ(rows("usage?to=" + std::to_string(clock_.now() - kDaySeconds / 2)).size(), 2U);
  const auto csv = admin("GET", "/reports/usage?format=csv&limit=2");
  EXPECT_EQ(csv.content_type, "text/csv; charset=utf-8; header=present");
  EXPECT_EQ(csv.body, "day,product,license_id,metric,quantity\r\n" + yesterday + ",demo,,calls,1\r\n" + yesterday +
                          ",demo,,renders,112\r\n");
  const auto rest = admin("GET", "/reports/usage?cursor=" + csv.header("X-Next-Cursor"));
  EXPECT_EQ(rest.data().at("rows").as_array().size(), 1U);
  EXPECT_TRUE(rest.data().at("next_cursor").is_null());
}

TEST_F(StatisticsApiTest, SeatsByDay) {
  const auto license = add_license(R"({"max_clients":5})");
  activate(license, "a");
  activate(license, "b");
  clock_.advance(3600);
  post("/licenses/deactivate", R"({"license_key":")" + license.key + R"(","client_id":"b"})");
  clock_.advance(3600);
  for (const std::string query : {"seats", "seats?by=license", "seats?product=demo"}) {
    const auto found = rows(query);
    ASSERT_EQ(found.size(), 1U) << query;
    EXPECT_EQ(found[0].at("day"), json::value(today()));
    EXPECT_EQ(found[0].at("product"), "demo");
    EXPECT_EQ(found[0].at("license_id").is_null(), query.find("by=license") == std::string::npos);
    EXPECT_EQ(found[0].at("peak"), 2);
    EXPECT_EQ(found[0].at("seat_seconds"), 3 * 3600);
    EXPECT_DOUBLE_EQ(found[0].at("mean").as_double(), 0.21) << "3 seat hours in 14 hours";
  }
  EXPECT_EQ(rows("seats?by=license&from=" + std::to_string(clock_.now() + kDaySeconds)).size(), 0U);
}

// Every way in which an administrator frees seats is seen by the figures.
TEST_F(StatisticsApiTest, SeatsThatAnAdministratorFrees) {
  const auto license = add_license(R"({"max_clients":9})");
  const auto client_of = [&](const std::string& name) {
    return std::string(activate(license, name).data().at("client").at("id").as_string());
  };
  const auto deactivated = client_of("a"), blocked = client_of("b"), forgotten = client_of("c");
  client_of("d");
  client_of("e");
  clock_.advance(60);
  admin("POST", "/clients/" + deactivated + "/deactivate", "{}");
  admin("POST", "/clients/" + blocked + "/block", "{}");
  admin("DELETE", "/clients/" + forgotten);
  clock_.advance(60);
  admin("POST", "/licenses/" + license.id + "/transfer", R"({"holder":"somebody else"})");
  clock_.advance(60);
  EXPECT_EQ(admin("GET", "/status").number("seats_held"), 0);
  for (const std::string query : {"seats", "seats?by=license"}) {
    const auto found = rows(query);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].at("peak"), 5);
    EXPECT_EQ(found[0].at("seat_seconds"), 5 * 60 + 2 * 60) << query;
  }
}

TEST_F(StatisticsApiTest, RefusalsByDay) {
  const auto license = add_license("{}");
  validate(license, "a");
  validate(license, "b");
  post("/licenses/validate", R"({"license_key":"NO-SUCH-KEY"})");
  ASSERT_TRUE(statistics_.write_refusals(std::chrono::seconds(10)));
  const auto by_product = rows("refusals");
  ASSERT_EQ(by_product.size(), 2U);
  EXPECT_TRUE(by_product[0].at("product").is_null()) << "of a license that is not known";
  EXPECT_EQ(by_product[0].at("code"), "LICENSE_KEY_INVALID");
  EXPECT_EQ(by_product[1].at("product"), "demo");
  EXPECT_EQ(by_product[1].at("count"), 2);
  EXPECT_EQ(rows("refusals?by=license&code=CLIENT_NOT_ACTIVATED").size(), 1U);
}

TEST_F(StatisticsApiTest, WhatIsWrongWithAReport) {
  for (const std::string query : {"product=none", "from=10&to=10", "by=policy", "format=xml", "limit=0", "limit=10001",
                                  "cursor=x", "cursor=1.2", "cursor=1.2.3.zz", "license_id=5", "from=x", "metrics=a"}) {
    const auto answer = admin("GET", "/reports/usage?" + query);
    EXPECT_EQ(answer.status, 400) << query;
    EXPECT_EQ(answer.code(), "BAD_REQUEST") << query;
  }
  EXPECT_EQ(admin("GET", "/reports/seats?license_id=lic_00000000000000000000000000").status, 404);
  const auto license = add_license("{}");
  add_product("other");
  EXPECT_EQ(admin("GET", "/reports/seats?product=other&license_id=" + license.id).status, 404);
}

// RFC 4180, section 2.
TEST(ReportText, Csv) {
  constexpr std::string_view kColumns[] = {"a", "b", "c"};
  api::ReportText csv(api::ReportText::Format::csv, kColumns);
  csv.text("plain").text("with, comma").text("a \"quote\"").nothing().number(-5).fraction(1.0 / 3);
  EXPECT_EQ(csv.finish(), "a,b,c\r\nplain,\"with, comma\",\"a \"\"quote\"\"\"\r\n,-5,0.33\r\n");
  api::ReportText json(api::ReportText::Format::json, kColumns);
  json.text("\"").nothing().number(1).number(2).number(3).fraction(4);
  EXPECT_EQ(json.finish(), R"({"a":"\"","b":null,"c":1},{"a":2,"b":3,"c":4.00})");
}

}  // namespace
}  // namespace lictor::test
