#include "service/policy_document.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace lictor::service {
namespace {

namespace json = boost::json;
using licensing::Terms;

std::optional<base::Problem> apply(const std::string& member, const std::string& value, Terms& terms) {
  return apply_terms(json::parse("{\"" + member + "\":" + value + "}").as_object(), "terms", terms);
}
std::string items(std::size_t count, const std::string& value) {
  std::string text = "{";
  for (std::size_t i = 0; i < count; ++i) text += (i == 0 ? "\"n" : ",\"n") + std::to_string(i) + "\":" + value;
  return text + "}";
}

struct Row {
  std::string member;
  std::vector<std::string> good, bad;
};

TEST(PolicyDocument, MembersOfTerms) {
  const std::string over_century = "3162240001";
  const std::vector<std::string> bad_seconds{"-1",   "1.0",  "1e3",        "\"1\"",
                                             "null", "true", over_century, "18446744073709551615"};
  const std::vector<std::string> bad_optional{"-1", "1.5", "\"1\"", "false", over_century, "[]"};
  const std::string long_name = '"' + std::string(65, 'a') + '"';
  const Row rows[] = {
      {"type",
       {"\"perpetual\"", "\"subscription\"", "\"trial\"", "\"metered\""},
       {"\"Trial\"", "\"\"", "null", "1", "\"trial \""}},
      {"duration", {"0", "31536000", "3162240000", "null"}, bad_optional},
      {"starts", {"\"on_issue\"", "\"on_first_activation\""}, {"\"now\"", "null"}},
      {"grace", {"0", "604800", "3162240000"}, bad_seconds},
      {"expiry_mode", {"\"restrict\"", "\"maintain\"", "\"allow\""}, {"\"refuse\"", "null"}},
      {"max_clients", {"1", "200000000", "null"}, {"0", "-1", "200000001", "1.0", "\"1\"", "{}"}},
      {"overage",
       {"\"none\"", "\"unlimited\"", "{\"percent\":1}", "{\"percent\":1000}"},
       {"\"some\"", "null", "20", "{}", "{\"percent\":0}", "{\"percent\":1001}", "{\"percent\":\"1\"}",
        "{\"percent\":1,\"x\":1}", "{\"x\":1}"}},
      {"binding", {"\"none\"", "\"strict\"", "\"normal\"", "\"loose\""}, {"\"tight\"", "null"}},
      {"lease", {"0", "600"}, bad_seconds},
      {"borrow_max", {"0", "86400"}, bad_seconds},
      {"check_in", {"0", "86400"}, bad_seconds},
      {"max_transfers", {"0", "3", "null"}, {"-1", "200000001", "\"3\"", "1.0"}},
      {"transfer_period", {"1", "31536000"}, {"0", "-1", "null", over_century}},
      {"version_range", {"\">=2.0 <3.0\"", "\"*\"", "null"}, {"\"two\"", "2", "\">=\"", "[]"}},
      {"features",
       {"{}", "{\"a\":null}", "{\"a\":{}}", "{\"a\":{\"limit\":5,\"expires_at\":1893456000}}",
        "{\"a\":{\"limit\":null,\"expires_at\":null}}", items(256, "null")},
       {"null", "[]", "[\"a\"]", "{\"\":null}", "{\"a b\":null}", "{\"a\":1}", "{\"a\":{\"limit\":-1}}",
        "{\"a\":{\"limit\":\"5\"}}", "{\"a\":{\"expires_at\":-1}}", "{\"a\":{\"expires_at\":253402300800}}",
        "{\"a\":{\"max\":1}}", "{" + long_name + ":null}", "{\"_a\":null}", "{\"é\":null}", items(257, "null")}},
      {"quotas",
       {"{}", "{\"m\":{}}", "{\"m\":{\"amount\":10,\"period\":\"day\"}}", "{\"m\":{\"amount\":null}}",
        "{\"m\":{\"period\":\"total\"}}", "{\"m\":{\"period\":\"hour\"}}", "{\"m\":{\"period\":\"month\"}}",
        "{\"m\":{\"period\":\"year\"}}"},
       {"null", "[]", "{\"m\":null}", "{\"m\":10}", "{\"m\":{\"amount\":-1}}", "{\"m\":{\"amount\":\"1\"}}",
        "{\"m\":{\"period\":\"week\"}}", "{\"m\":{\"per\":\"day\"}}", "{\"a b\":{}}", items(257, "{}")}},
      {"offline", {"true", "false"}, {"0", "\"true\"", "null"}},
  };
  for (const auto& row : rows) {
    for (const auto& value : row.good) {
      Terms terms;
      const auto problem = apply(row.member, value, terms);
      EXPECT_FALSE(problem) << row.member << " " << value.substr(0, 60) << ": " << problem->message;
    }
    for (const auto& value : row.bad) {
      Terms terms;
      const auto problem = apply(row.member, value, terms);
      ASSERT_TRUE(problem) << row.member << " " << value.substr(0, 60);
      EXPECT_EQ(problem->field, "terms." + row.member);
      EXPECT_FALSE(problem->message.empty());
      EXPECT_FALSE(problem->unknown_field);
    }
  }
}

TEST(PolicyDocument, UnknownMembersAreNamed) {
  for (const char* name : {"status", "role", "Type", "max_client", "", "expires_at", "$"}) {
    Terms terms;
    const auto problem = apply(name, "1", terms);
    ASSERT_TRUE(problem) << name;
    EXPECT_EQ(problem->field, "terms." + std::string(name));
    EXPECT_TRUE(problem->unknown_field);
  }
}

TEST(PolicyDocument, ValuesArrive) {
  Terms terms;
  apply_stored_terms(
      R"({"type":"trial","duration":60,"starts":"on_first_activation","grace":5,"expiry_mode":"allow","max_clients":null,)"
      R"("overage":{"percent":20},"binding":"loose","lease":600,"borrow_max":7,"check_in":8,"max_transfers":2,)"
      R"("transfer_period":9,"version_range":">=2.0","features":{"b":{"limit":3},"a":{"expires_at":99}},)"
      R"("quotas":{"z":{"amount":1,"period":"hour"},"y":{"amount":null}},"offline":true})",
      terms);
  EXPECT_EQ(terms.type, licensing::LicenseType::trial);
  EXPECT_EQ(terms.duration, 60);
  EXPECT_EQ(terms.starts, licensing::DurationStart::on_first_activation);
  EXPECT_EQ(terms.grace, 5);
  EXPECT_EQ(terms.expiry_mode, licensing::ExpiryMode::allow);
  EXPECT_EQ(terms.max_clients, licensing::kUnlimited);
  EXPECT_EQ(terms.overage.percent, 20U);
  EXPECT_EQ(terms.binding, licensing::Binding::loose);
  EXPECT_EQ(terms.lease, 600);
  EXPECT_EQ(terms.borrow_max, 7);
  EXPECT_EQ(terms.check_in, 8);
  EXPECT_EQ(terms.max_transfers, 2U);
  EXPECT_EQ(terms.transfer_period, 9);
  EXPECT_FALSE(terms.versions.is_any());
  ASSERT_EQ(terms.features.size(), 2U);
  EXPECT_EQ(terms.features[0].name, "a") << "sorted";
  EXPECT_EQ(terms.features[0].expires_at, 99);
  EXPECT_EQ(terms.features[1].limit, 3);
  ASSERT_EQ(terms.quotas.size(), 2U);
  EXPECT_EQ(terms.quotas[0].metric, "y");
  EXPECT_EQ(terms.quotas[0].amount, std::nullopt);
  EXPECT_EQ(terms.quotas[1].period, licensing::QuotaPeriod::hour);
  EXPECT_TRUE(terms.offline);
}

TEST(PolicyDocument, OverridesReplaceWhatTheyName) {
  Terms terms;
  apply_stored_terms(R"({"max_clients":5,"lease":600,"features":{"a":null,"b":null},"duration":60})", terms);
  apply_stored_terms("", terms);
  apply_stored_terms(R"({"max_clients":7,"features":{"c":null},"duration":null})", terms);
  EXPECT_EQ(terms.max_clients, 7U);
  EXPECT_EQ(terms.lease, 600);
  EXPECT_EQ(terms.features.size(), 1U);
  EXPECT_EQ(terms.duration, std::nullopt);
}

TEST(PolicyDocument, ADamagedStoredDocumentThrows) {
  for (const char* text : {"{", "[]", "null", R"({"max_clients":0})", R"({"bogus":1})"}) {
    Terms terms;
    EXPECT_THROW(apply_stored_terms(text, terms), std::runtime_error) << text;
    EXPECT_THROW(parse_stored_settings(text), std::runtime_error) << text;
  }
}

TEST(PolicyDocument, SettingsOfProducts) {
  const auto settings =
      parse_stored_settings(R"({"client_auth":"license","require_signature":true,"releases":{"1.0":100,"2.0":200}})");
  EXPECT_TRUE(settings.license_auth);
  EXPECT_TRUE(settings.require_signature);
  EXPECT_EQ(settings.releases.size(), 2U);
  EXPECT_EQ(settings.release_names[1].first, "2.0");
  EXPECT_FALSE(parse_stored_settings("").license_auth);
  EXPECT_FALSE(parse_stored_settings(R"({"client_auth":"api_key"})").license_auth);
  const std::pair<std::string, std::string> rows[] = {
      {R"({"client_auth":"none"})", "client_auth"},
      {R"({"client_auth":true})", "client_auth"},
      {R"({"require_signature":1})", "require_signature"},
      {R"({"releases":[]})", "releases"},
      {R"({"releases":{"x":1}})", "releases"},
      {R"({"releases":{"1.0":"1"}})", "releases"},
      {R"({"releases":{"1.0":-1}})", "releases"},
      {R"({"status":"active"})", "status"},
  };
  for (const auto& [text, field] : rows) {
    ProductSettings out;
    const auto problem = apply_settings(json::parse(text).as_object(), out);
    ASSERT_TRUE(problem) << text;
    EXPECT_EQ(problem->field, field);
    EXPECT_EQ(problem->unknown_field, field == "status");
  }
}

TEST(PolicyDocument, Names) {
  for (const char* name : {"a", "0", "demo", "node-locked", "a.b_c-1"}) EXPECT_TRUE(is_resource_name(name)) << name;
  for (const char* name : {"", "A", "-a", ".a", "_a", "a b", "a/b", "é", "a\n"})
    EXPECT_FALSE(is_resource_name(name)) << name;
  EXPECT_TRUE(is_resource_name(std::string(63, 'a')));
  EXPECT_FALSE(is_resource_name(std::string(64, 'a')));
  for (const char* name : {"a", "A", "0", "api.calls:v2_x-Y"}) EXPECT_TRUE(is_item_name(name)) << name;
  for (const char* name : {"", "-a", ":a", "a b", "a\"", "é", "a/b"}) EXPECT_FALSE(is_item_name(name)) << name;
  EXPECT_TRUE(is_item_name(std::string(64, 'a')));
  EXPECT_FALSE(is_item_name(std::string(65, 'a')));
}

TEST(PolicyDocument, FeaturesOfTheMoment) {
  Terms terms;
  apply_stored_terms(R"({"features":{"a":{"expires_at":100},"b":{"limit":5},"c":null}})", terms);
  const auto at = [&](base::UnixSeconds now) {
    std::string text;
    append_features(text, terms, now);
    return text;
  };
  EXPECT_EQ(at(99), R"("features":["a","b","c"],"entitlements":{"a":{"limit":null,"expires_at":100},)"
                    R"("b":{"limit":5,"expires_at":null},"c":{"limit":null,"expires_at":null}})");
  EXPECT_EQ(
      at(100),
      R"("features":["b","c"],"entitlements":{"b":{"limit":5,"expires_at":null},"c":{"limit":null,"expires_at":null}})");
}

}  // namespace
}  // namespace lictor::service
