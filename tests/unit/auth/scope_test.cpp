#include "auth/scope.h"

#include <gtest/gtest.h>

namespace lictor::auth {
namespace {

TEST(Scope, EachNameGrantsItsBitOnly) {
  constexpr Scope kAll[] = {Scope::license_validate, Scope::license_activate, Scope::license_read,
                            Scope::usage_write,      Scope::admin_read,       Scope::admin_write};
  for (const auto& row : kScopes) {
    const auto set = parse_scopes(row.name);
    ASSERT_TRUE(set) << row.name;
    EXPECT_EQ(*set, row.grants);
    for (const Scope scope : kAll) {
      const bool expected = row.name == "admin:*" || row.grants == static_cast<ScopeSet>(scope);
      EXPECT_EQ(grants(*set, scope), expected) << row.name << " " << static_cast<int>(scope);
    }
  }
}

TEST(Scope, NoneIsGrantedToEverybody) {
  EXPECT_TRUE(grants(0, Scope::none));
  EXPECT_FALSE(grants(0, Scope::license_validate));
}

TEST(Scope, SetsAddUp) {
  const auto set = parse_scopes("license:validate usage:write license:validate");
  ASSERT_TRUE(set);
  EXPECT_TRUE(grants(*set, Scope::license_validate));
  EXPECT_TRUE(grants(*set, Scope::usage_write));
  EXPECT_FALSE(grants(*set, Scope::license_activate));
  EXPECT_FALSE(grants(*set, Scope::admin_read));
}

TEST(Scope, AdminWriteDoesNotRead) { EXPECT_FALSE(grants(*parse_scopes("admin:write"), Scope::admin_read)); }

TEST(Scope, Refused) {
  const char* const rows[] = {
      "",         " ",          "admin",     "admin:* ",          " admin:*", "license:validate  usage:write",
      "ADMIN:*",  "admin:*\n",  "license:*", "license:validate,", "*",        "admin:read\tadmin:write",
      "admin:re", "admin:readx"};
  for (const char* row : rows) {
    const auto set = parse_scopes(row);
    ASSERT_FALSE(set) << '"' << row << '"';
    EXPECT_EQ(set.problem().field, "scopes");
  }
  EXPECT_NE(parse_scopes("licence:read").problem().message.find("license:read"), std::string::npos)
      << "lists what is allowed";
}

}  // namespace
}  // namespace lictor::auth
