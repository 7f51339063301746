// What an administrator is told of a product or a policy that is not there.
#include "api/api_test.h"

namespace lictor::test {
namespace {

class NamesTest : public ApiTest {
 protected:
  NamesTest() {
    add_product("editor");
    for (const std::string name : {"team", "single"}) add_policy("editor", name);
  }
  void add_policy(const std::string& product, const std::string& name) {
    admin("POST", "/policies", R"({"product":")" + product + R"(","name":")" + name + R"("})");
  }
  // `field: message`
  static std::string said(const Answer& answer) {
    EXPECT_EQ(answer.status, 400) << answer.body;
    EXPECT_EQ(answer.code(), "BAD_REQUEST") << answer.body;
    return std::string(answer.object.at("error").at("message").as_string());
  }
};

TEST_F(NamesTest, OneWordingWhereverTheNameStands) {
  const std::string product = "'product' 'editr' is not known; did you mean editor?";
  for (const std::string path :
       {"/licenses?product=editr", "/licenses/export?product=editr", "/seats?product=editr", "/policies?product=editr",
        "/reports/usage?product=editr", "/reports/seats?product=editr", "/reports/refusals?product=editr"})
    EXPECT_EQ(said(admin("GET", path)), product) << path;
  for (const auto& [path, body] : {std::pair{"/licenses", R"({"product":"editr","policy":"team"})"},
                                   {"/policies", R"({"product":"editr","name":"x"})"},
                                   {"/api-keys", R"({"name":"k","scopes":["license:read"],"product":"editr"})"}})
    EXPECT_EQ(said(admin("POST", path, body)), product) << path;
  const std::string policy = "'policy' 'taem' is no policy of product 'editor'; did you mean team?";
  for (const std::string path : {"/licenses", "/licenses/export", "/seats"})
    EXPECT_EQ(said(admin("GET", path + "?product=editor&policy=taem")), policy) << path;
  EXPECT_EQ(said(admin("POST", "/licenses", R"({"product":"editor","policy":"taem"})")), policy);
  const auto license = add_license("{}", "editor");
  EXPECT_EQ(said(admin("PATCH", "/licenses/" + license.id, R"({"policy":"taem"})")), policy);
}

TEST_F(NamesTest, WithoutANearOneWhatThereIs) {
  EXPECT_EQ(said(admin("GET", "/licenses?product=spreadsheet")),
            "'product' 'spreadsheet' is not known; the products are demo, editor");
  EXPECT_EQ(said(admin("GET", "/licenses?product=editor&policy=enterprise")),
            "'policy' 'enterprise' is no policy of product 'editor'; its policies are single, team");
  EXPECT_EQ(said(admin("GET", "/licenses?product=demo&policy=enterprise")),
            "'policy' 'enterprise' is no policy of product 'demo'; it has no policy yet");
  EXPECT_EQ(said(admin("GET", "/seats?policy=team")),
            "'policy' needs 'product' beside it: policies of several products may have one name");
  for (const char letter : {'a', 'b', 'c', 'd', 'e', 'f'}) add_policy("demo", std::string(8, letter));
  EXPECT_EQ(said(admin("GET", "/seats?product=demo&policy=x")),
            "'policy' 'x' is no policy of product 'demo'; its policies are aaaaaaaa, bbbbbbbb, cccccccc, dddddddd, "
            "eeeeeeee, ffffffff");
  add_policy("demo", "gggggggg");
  EXPECT_EQ(said(admin("GET", "/seats?product=demo&policy=x")),
            "'policy' 'x' is no policy of product 'demo'; its policies are aaaaaaaa, bbbbbbbb, cccccccc, dddddddd, "
            "eeeeeeee and 2 more");
}

TEST_F(NamesTest, OnlyAdministratorsAreToldNames) {
  const std::string client = add_key("license:validate license:activate license:read usage:write");
  for (const std::string path : {"/licenses?product=x", "/reports/usage?product=x", "/policies?product=x"}) {
    for (const std::string& key : {client, std::string()}) {
      const auto answer = call("GET", "/api/v1/admin" + path, "", key);
      EXPECT_TRUE(answer.status == 401 || answer.status == 403) << answer.body;
      EXPECT_EQ(answer.body.find("editor"), std::string::npos) << answer.body;
    }
  }
}

TEST_F(NamesTest, RowsOfAnImport) {
  std::string rows;
  for (int i = 0; i < 150; ++i) rows += R"({"product":"editor","policy":"taem)" + std::to_string(i) + "\"},";
  const auto answer = admin("POST", "/licenses/import",
                            R"({"dry_run":true,"licenses":[{"product":"editr","policy":"team"},)" + rows +
                                R"({"product":"editr","policy":"team"},)"
                                R"({"product":"editor","policy":"team","max_clients":3},)"
                                R"({"product":"editor","policy":"team","seats":3}]})");
  const auto& results = answer.data().at("rows").as_array();
  const auto message = [&](std::size_t row) { return std::string(results.at(row).at("message").as_string()); };
  const std::string product = "'product' 'editr' is not known; did you mean editor?";
  EXPECT_EQ(message(0), product);
  EXPECT_EQ(message(1), "'policy' 'taem0' is no policy of product 'editor'; did you mean team?");
  EXPECT_EQ(message(150), "'policy' 'taem149' is no policy of product 'editor'") << "suggestions are bounded";
  EXPECT_EQ(message(151), product) << "said once, known for good";
  EXPECT_EQ(message(152), "'max_clients' is a member of the terms: give it in overrides, {\"max_clients\":…}");
  EXPECT_EQ(results.at(152).at("code"), "UNKNOWN_FIELD");
  EXPECT_NE(message(153).find("allowed: license_key, "), std::string::npos) << message(153);
}

TEST_F(NamesTest, ACursorThatIsNone) {
  const std::string said_of_it = "'cursor' must be the next_cursor of an earlier answer to the same call";
  for (const std::string path : {"/licenses", "/licenses/export", "/seats", "/reports/usage", "/reports/seats"})
    EXPECT_EQ(said(admin("GET", path + "?cursor=x")), said_of_it) << path;
}

}  // namespace
}  // namespace lictor::test
