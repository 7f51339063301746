// The shared statements as MySQL takes them, and addresses of servers: no server is needed.
#include "store/mysql_text.h"

#include <gmock/gmock.h>

#include <array>
#include <stdexcept>

#include "store/mysql_address.h"
#include "store/mysql_queries.h"
#include "store/statistics_queries.h"
#include "store/store.h"

namespace lictor::test {
namespace {

using store::MysqlAddress;
using testing::HasSubstr;
using testing::Not;

TEST(MysqlText, differs_from_the_shared_text_by_these_rules) {
  struct Case {
    std::string_view shared, sql;
    std::vector<std::size_t> values;
  };
  const std::vector<Case> cases{
      {"SELECT a FROM t WHERE b = ? AND c = ?", "SELECT a FROM t WHERE b = ? AND c = ?", {0, 1}},
      {"SELECT ?2, ?1, ?2 FROM t LIMIT ?12", "SELECT ?, ?, ? FROM t LIMIT ?", {1, 0, 1, 11}},
      {"SELECT row, t.key, key_digest FROM (SELECT 1) AS rows",
       "SELECT `row`, t.`key`, key_digest FROM (SELECT 1) AS `rows`",
       {}},
      {"SELECT a FROM t ORDER BY row FOR UPDATE", "SELECT a FROM t ORDER BY `row` FOR UPDATE", {}},
      {"SELECT 'row ?1 key' FROM t WHERE a = ''", "SELECT 'row ?1 key' FROM t WHERE a = ''", {}},
      {"INSERT INTO t (a, row) VALUES (?1, ?2) ON CONFLICT (a, b) DO UPDATE SET row = excluded.row, c = t.c + "
       "excluded.c",
       "INSERT INTO t (a, `row`) VALUES (?, ?) ON DUPLICATE KEY UPDATE `row` = VALUES(`row`), c = t.c + VALUES(c)",
       {0, 1}},
      {"DELETE FROM t WHERE row IN (SELECT row FROM t WHERE at < ?1 ORDER BY at LIMIT ?2)",
       "DELETE FROM t WHERE at < ? ORDER BY at LIMIT ?",
       {0, 1}},
      {"DELETE FROM t WHERE row = ?1", "DELETE FROM t WHERE `row` = ?", {0}},
  };
  for (const Case& expected : cases) {
    const auto text = store::mysql_text(expected.shared);
    EXPECT_EQ(text.sql, expected.sql);
    EXPECT_EQ(text.values, expected.values) << expected.shared;
    std::size_t most = 0;
    for (const std::size_t value : expected.values) most = std::max(most, value + 1);
    EXPECT_EQ(text.parameters, most) << expected.shared;
  }
}

TEST(MysqlText, values_in_the_text) {
  const std::array<std::uint8_t, 3> bytes{0x00, 0x27, 0xFF};
  const std::array<store::Value, 2> values{store::Value(-5), store::Value(std::span<const std::uint8_t>(bytes))};
  EXPECT_EQ(store::with_literals("UPDATE t SET row = row + ?1, b = ?2, c = ?1 WHERE one = 1", values),
            "UPDATE t SET `row` = `row` + -5, b = x'0027ff', c = -5 WHERE one = 1");
  const std::array<store::Value, 1> text{store::Value(std::string_view("'; DROP TABLE t"))};
  EXPECT_THROW(store::with_literals("UPDATE t SET a = ?", text), std::logic_error) << "texts are given as values only";
}

TEST(MysqlText, an_insert_that_refuses_what_is_there) {
  EXPECT_EQ(store::plain_insert("INSERT INTO t (a) VALUES (?) ON CONFLICT (a) DO UPDATE SET a = 1"),
            "INSERT INTO t (a) VALUES (?)");
}

// What the rules do not know would reach the server as it is.
TEST(MysqlText, nothing_of_the_shared_dialect_is_left) {
  namespace sql = store::sql;
  for (const std::string_view shared :
       {sql::kUpsertActivation, sql::kUpsertUsage, sql::kReplaceUsageKey, sql::kSpendRow, sql::kRemember,
        sql::kAddUsageDay, sql::kAddRefusalDay, sql::kUpsertSeries, sql::kUpsertSeatDay, sql::kDeleteOldRefusals,
        sql::kDeleteFirstRefusals, sql::kWriteLicenses, sql::kInsertProduct}) {
    const auto text = store::mysql_text(shared);
    for (const char* foreign : {"CONFLICT", "excluded", " row ", " row)", "(row", ".row", "?1", "IN (SELECT"})
      EXPECT_THAT(text.sql, Not(HasSubstr(foreign)));
  }
}

TEST(MysqlAddressText, every_member) {
  const auto full = store::parse_mysql_address(
      "mysql://us%40er:p%2Fw%3Ax@db.example.com:3307/lic?ssl-mode=verify-identity&ssl-ca=/ca.pem");
  EXPECT_EQ(full.user, "us@er");
  EXPECT_EQ(full.password, "p/w:x");
  EXPECT_EQ(full.host, "db.example.com");
  EXPECT_EQ(full.port, 3307);
  EXPECT_EQ(full.database, "lic");
  EXPECT_EQ(full.tls, MysqlAddress::Tls::verify_identity);
  EXPECT_EQ(full.tls_ca, "/ca.pem");
  EXPECT_EQ(full.shown(), "mysql://us@er@db.example.com:3307/lic");
  const auto bare = store::parse_mysql_address("mariadb:///lic");
  EXPECT_EQ(bare.host, "localhost");
  EXPECT_EQ(bare.port, 3306);
  EXPECT_EQ(bare.user, "");
  EXPECT_EQ(bare.tls, MysqlAddress::Tls::disabled);
  const auto socket = store::parse_mysql_address("mysql://u@localhost/lic?socket=/run/my%20sql.sock");
  EXPECT_EQ(socket.socket, "/run/my sql.sock");
  EXPECT_EQ(socket.shown(), "mysql://u@/lic?socket=/run/my sql.sock");
  const auto ipv6 = store::parse_mysql_address("mysql://u:p@[::1]:3308/lic");
  EXPECT_EQ(ipv6.host, "::1");
  EXPECT_EQ(ipv6.port, 3308);
  EXPECT_EQ(ipv6.shown(), "mysql://u@[::1]:3308/lic");
  EXPECT_EQ(store::parse_mysql_address("mysql://h/d?ssl-ca=/ca.pem").tls, MysqlAddress::Tls::verify_identity);
}

TEST(MysqlAddressText, what_is_wrong_is_named_and_no_password_shown) {
  struct Case {
    const char *url, *reason;
  };
  for (const Case& wrong :
       {Case{"postgresql://h/d", "mysql://"}, Case{"mysql://u:secret@h:3306", "names no database"},
        Case{"mysql://u:secret@h:0/d", "1 to 65535"}, Case{"mysql://u:secret@h:99999/d", "1 to 65535"},
        Case{"mysql://u:secret@h:x/d", "1 to 65535"}, Case{"mysql://u:secret%4@h/d", "hexadecimal"},
        Case{"mysql://u:secret@[::1/d", "]"}, Case{"mysql://u:secret%00@h/d", "zero byte"},
        Case{"mysql://u:secret@h/d?color=red", "socket, ssl-mode, ssl-ca"},
        Case{"mysql://u:secret@h/d?ssl-mode=maybe", "required"},
        Case{"mysql://u:secret@h/d?ssl-mode=required&ssl-ca=/x", "verify-identity"}}) {
    try {
      store::parse_mysql_address(wrong.url);
      ADD_FAILURE() << wrong.url << " was taken";
    } catch (const store::StoreError& error) {
      EXPECT_THAT(error.what(), HasSubstr(wrong.reason));
      EXPECT_THAT(error.what(), Not(HasSubstr("secret")));
    }
  }
}

}  // namespace
}  // namespace lictor::test
