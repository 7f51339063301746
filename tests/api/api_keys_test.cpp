// What API keys may do to each other: none gives more than its holder has, and nobody locks everybody out.
#include "api/api_test.h"

namespace lictor::test {
namespace {

class ApiKeysTest : public ApiTest {
 protected:
  struct Key {
    std::string id, text;
  };
  // Made by an administrator; `more` are members, each after a comma.
  Key make(const std::string& scopes, const std::string& more = "") {
    const auto made = admin("POST", "/api-keys", R"({"name":"k","scopes":[)" + scopes + "]" + more + "}");
    EXPECT_EQ(made.status, 201) << made.body;
    return {made.text("id"), made.text("api_key")};
  }
  Answer change(const Key& by, const Key& key, const std::string& members) {
    return call("PATCH", "/api/v1/admin/api-keys/" + key.id, members, by.text);
  }
  Answer revoke(const Key& by, const Key& key) {
    return call("POST", "/api/v1/admin/api-keys/" + key.id + "/revoke", "", by.text);
  }
  Key root() {
    return {std::string(admin("GET", "/api-keys").data().at("api_keys").at(0).at("id").as_string()), admin_key_};
  }
  static std::string expiring(std::int64_t after) { return R"(,"expires_at":)" + std::to_string(kNow + after); }
};

TEST_F(ApiKeysTest, ApiKeysHaveAddresses) {
  const std::string made = add_key("license:read", R"(,"addresses":["10.0.0.0/8","::1"])");
  EXPECT_EQ(call("GET", "/api/v1/licenses/lic_x", "", made).code(), "FORBIDDEN") << "the caller is 127.0.0.1";
  const auto list = admin("GET", "/api-keys").data().at("api_keys").as_array();
  const std::string id(list.back().at("id").as_string());
  EXPECT_EQ(list.back().at("addresses"), json::parse(R"(["10.0.0.0/8","::1"])"));
  EXPECT_EQ(admin("PATCH", "/api-keys/" + id, R"({"addresses":["127.0.0.0/8"]})").status, 200);
  EXPECT_EQ(call("GET", "/api/v1/licenses/lic_x", "", made).code(), "NOT_FOUND");
  for (const char* bad :
       {R"(["10.0.0.1/8"])", R"(["10.0.0.0/33"])", R"(["x"])", R"([5])", R"(["::1 ::2"])", R"("::1")"})
    EXPECT_EQ(admin("PATCH", "/api-keys/" + id, std::string(R"({"addresses":)") + bad + "}").details().at("field"),
              "addresses")
        << bad;
}

TEST_F(ApiKeysTest, AKeyThatExpiresIsNoReplacementForOneThatDoesNot) {
  const std::string root(admin("GET", "/api-keys").data().at("api_keys").at(0).at("id").as_string());
  const auto brief = admin("POST", "/api-keys",
                           R"({"name":"brief","scopes":["admin:*"],"expires_at":)" + std::to_string(kNow + 100) + "}");
  const std::string brief_key(brief.data().at("api_key").as_string());
  const auto with_brief = [&](const std::string& method, const std::string& path, const std::string& body) {
    return call(method, "/api/v1/admin/api-keys/" + root + path, body, brief_key);
  };
  EXPECT_EQ(with_brief("POST", "/revoke", "{}").code(), "FORBIDDEN");
  EXPECT_EQ(with_brief("PATCH", "", R"({"expires_at":)" + std::to_string(kNow + 50) + "}").code(), "FORBIDDEN");
  EXPECT_EQ(with_brief("PATCH", "", R"({"addresses":["192.0.2.1"]})").code(), "FORBIDDEN");
}

TEST_F(ApiKeysTest, WhoeverIsLimitedToAddressesGivesNoMore) {
  const auto made = admin("POST", "/api-keys", R"({"name":"office","scopes":["admin:*"],"addresses":["127.0.0.0/8"]})");
  const std::string key(made.data().at("api_key").as_string()), id = made.text("id");
  const auto office = [&](const std::string& method, const std::string& path, const std::string& body) {
    return call(method, "/api/v1/admin/api-keys" + path, body, key);
  };
  EXPECT_EQ(office("PATCH", "/" + id, R"({"addresses":[]})").code(), "FORBIDDEN");
  EXPECT_EQ(office("POST", "", R"({"name":"x","scopes":["admin:*"]})").code(), "FORBIDDEN");
  EXPECT_EQ(office("POST", "", R"({"name":"x","scopes":["admin:*"],"addresses":["127.0.0.1"]})").status, 201);
  EXPECT_EQ(office("PATCH", "/" + id, R"({"addresses":["127.0.0.0/16"]})").status, 200);
}

TEST_F(ApiKeysTest, NobodyLocksAllAdministratorsOut) {
  const auto list = admin("GET", "/api-keys").data().at("api_keys").as_array();
  const std::string own(list.front().at("id").as_string());
  EXPECT_EQ(admin("POST", "/api-keys/" + own + "/revoke").code(), "FORBIDDEN");
  EXPECT_EQ(admin("PATCH", "/api-keys/" + own, R"({"expires_at":1800000001})").code(), "FORBIDDEN");
  EXPECT_EQ(admin("PATCH", "/api-keys/" + own, R"({"addresses":["10.0.0.0/8"]})").code(), "FORBIDDEN");
  EXPECT_EQ(admin("PATCH", "/api-keys/" + own, R"({"addresses":["127.0.0.1"]})").status, 200);
  admin("POST", "/api-keys", R"({"name":"second","scopes":["admin:*"],"addresses":["127.0.0.1"]})");
  EXPECT_EQ(admin("PATCH", "/api-keys/" + own, R"({"expires_at":1800000001})").status, 200);
}

// The change had been checked when it came in, and waited behind the one that revoked its author.
TEST_F(ApiKeysTest, AKeyThatIsRevokedWhileItsChangesWaitChangesNothing) {
  const Key leaked = make(R"("admin:*")");
  hold();
  const auto begin = [&](const std::string& path, const std::string& body, const std::string& key) {
    return server_.begin(request("POST", "/api/v1/admin" + path, body, key));
  };
  const auto revoking = begin("/api-keys/" + leaked.id + "/revoke", "", admin_key_);
  const auto making = begin("/api-keys", R"({"name":"door","scopes":["admin:*"]})", leaked.text);
  gate_.set_value();
  EXPECT_EQ(parse(server_.finish(revoking)).status, 200);
  EXPECT_EQ(parse(server_.finish(making)).code(), "UNAUTHENTICATED");
  EXPECT_EQ(admin("GET", "/api-keys?name=door").body.find("door"), std::string::npos);
}

TEST_F(ApiKeysTest, AKeyThatExpiresOrIsNarrowedWhileItsChangesWaitChangesNothing) {
  const Key brief = make(R"("admin:*")", expiring(100)), near = make(R"("admin:*")");
  hold();
  const auto begin = [&](const std::string& method, const std::string& path, const std::string& body,
                         const std::string& key) {
    return server_.begin(request(method, "/api/v1/admin" + path, body, key));
  };
  const auto late = begin("POST", "/products", R"({"name":"late"})", brief.text);
  const auto narrowing = begin("PATCH", "/api-keys/" + near.id, R"({"addresses":["192.0.2.1"]})", admin_key_);
  const auto far = begin("POST", "/products", R"({"name":"far"})", near.text);
  clock_.advance(100);
  gate_.set_value();
  EXPECT_EQ(parse(server_.finish(late)).code(), "UNAUTHENTICATED");
  EXPECT_EQ(parse(server_.finish(narrowing)).status, 200);
  EXPECT_EQ(parse(server_.finish(far)).code(), "FORBIDDEN");
}

// Who held the secret of an expired or limited key made it work again, past the limits of his own.
TEST_F(ApiKeysTest, NoKeyIsWidenedPastTheOneThatDoesIt) {
  const Key expired = make(R"("admin:*")", expiring(10));
  clock_.advance(20);
  const Key office = make(R"("admin:*")", R"(,"addresses":["127.0.0.0/8"])"), writer = make(R"("admin:write")");
  const Key near = make(R"("admin:*")", R"(,"addresses":["127.0.0.1"])");
  for (const Key& by : {office, writer}) {
    EXPECT_EQ(change(by, expired, R"({"expires_at":null})").code(), "FORBIDDEN");
    EXPECT_EQ(change(by, near, R"({"addresses":[]})").code(), "FORBIDDEN");
    EXPECT_EQ(change(by, expired, R"({"name":"a name is nothing"})").status, 200);
  }
  const Key signing = make(R"("license:validate")", R"(,"require_signature":true)");
  EXPECT_EQ(change(writer, signing, R"({"require_signature":false})").code(), "FORBIDDEN");
  EXPECT_EQ(change(office, near, R"({"addresses":["127.0.0.0/16"]})").status, 200);
  EXPECT_EQ(change(root(), expired, R"({"expires_at":null})").status, 200);
}

// A key with admin:write alone was counted as one that can take the place of admin:*.
TEST_F(ApiKeysTest, ANarrowerKeyIsNoSubstitute) {
  const Key first = root(), writer = make(R"("admin:write")");
  EXPECT_EQ(revoke(writer, first).code(), "FORBIDDEN");
  EXPECT_EQ(change(writer, first, R"({"expires_at":)" + std::to_string(kNow + 9) + "}").code(), "FORBIDDEN");
  const Key second = make(R"("admin:*")");
  EXPECT_EQ(revoke(writer, first).status, 200);
  EXPECT_EQ(revoke(writer, second).code(), "FORBIDDEN") << "now it is the last";
}

// It can't make keys, so nobody is locked out without it.
TEST_F(ApiKeysTest, AKeyThatOnlyReadsCanAlwaysBeRevoked) {
  const Key far = make(R"("admin:*")", R"(,"addresses":["192.0.2.1"])"), reader = make(R"("admin:read")");
  const Key brief = make(R"("admin:*")", expiring(100));
  EXPECT_EQ(change(brief, reader, R"({"addresses":["192.0.2.1"]})").status, 200);
  EXPECT_EQ(revoke(brief, reader).status, 200);
}

TEST_F(ApiKeysTest, RevokedKeysGoWithTheirProduct) {
  const auto made = admin("POST", "/products", R"({"name":"old"})");
  const Key key = make(R"("license:validate")", R"(,"product":"old")");
  const std::string path = "/products/" + made.text("id");
  EXPECT_EQ(admin("DELETE", path).code(), "IN_USE");
  EXPECT_EQ(revoke(root(), key).status, 200);
  EXPECT_EQ(admin("DELETE", path).status, 200);
  EXPECT_EQ(admin("GET", "/api-keys/" + key.id).code(), "NOT_FOUND");
  EXPECT_EQ(admin("GET", "/api-keys").status, 200);
}

}  // namespace
}  // namespace lictor::test
