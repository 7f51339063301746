// What lictor why says of each code, and the text forms of values.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "licensing/codes.h"
#include "lictor/explain.h"
#include "lictor/text.h"
#include "lictor/values.h"

namespace lictor::cli {
namespace {

using testing::Contains;
using testing::HasSubstr;

TEST(Explain, EveryCodeOfTheServerIsExplained) {
  for (std::size_t i = 0; i < licensing::kCodeCount; ++i) {
    const std::string code(licensing::wire_name(static_cast<licensing::Code>(i)));
    EXPECT_TRUE(is_explained(code)) << code;
    const Explanation told = explain({{"code", code}, {"license_id", "lic_1"}}, {});
    EXPECT_FALSE(told.what.empty()) << code;
    EXPECT_FALSE(told.todo.empty()) << code;
  }
}

TEST(Explain, TellsWhoHoldsTheSeatsAndHowToFreeOne) {
  const boost::json::object refusal{{"code", "MAX_CLIENTS_REACHED"},
                                    {"license_id", "lic_1"},
                                    {"details", {{"max_clients", 1}, {"active_clients", 1}}}};
  Circumstances around;
  around.seats = {{"active_clients", 1}, {"free", 0}, {"clients", {{{"client_id", "it's me"}, {"activated_at", 0}}}}};
  const Explanation told = explain(refusal, around);
  EXPECT_THAT(told.why, Contains("1 of 1 seats were taken"));
  EXPECT_THAT(told.why, Contains(HasSubstr("held by it's me since 1970-01-01")));
  EXPECT_THAT(told.todo, Contains(R"(free a seat: lictor client deactivate lic_1 'it'\''s me')"));
  EXPECT_THAT(told.todo, Contains(HasSubstr("--max-clients 2")));
}

TEST(Explain, AnUnknownCodeIsToldWithTheServersWords) {
  const Explanation told =
      explain({{"code", "NEWER"}, {"message", "Something new"}, {"details", {{"a", 1}}}}, Circumstances());
  EXPECT_EQ(told.what, "Something new");
  EXPECT_THAT(told.why, Contains(HasSubstr("{\"a\":1}")));
}

TEST(Values, TimesAndDurations) {
  EXPECT_EQ(**parse_time("1893456000", 0), 1893456000);
  EXPECT_EQ(**parse_time("+1d12h", 100), 100 + 129600);
  EXPECT_EQ(**parse_time("2030-01-01T00:00:00Z", 0), 1893456000);
  EXPECT_EQ(*parse_time("never", 0), std::nullopt);
  for (const char* wrong : {"", "-1", "+", "+5y", "2030-02-29", "2030-1-1", "2030-01-01T25:00Z", "9999999999999"})
    EXPECT_FALSE(parse_time(wrong, 0)) << wrong;
  EXPECT_EQ(*parse_duration("1w1s"), 604801);
  for (const char* wrong : {"", "h", "1h1", "1.5h", "99999999999w"}) EXPECT_FALSE(parse_duration(wrong)) << wrong;
}

TEST(Values, FeaturesQuotasAndAssignments) {
  EXPECT_EQ(boost::json::serialize(parse_feature("a=3")->second), "{\"limit\":3}");
  EXPECT_TRUE(parse_feature("a")->second.is_null());
  EXPECT_FALSE(parse_feature("a=b"));
  EXPECT_EQ(boost::json::serialize(parse_quota("calls=unlimited/day")->second), R"({"amount":null,"period":"day"})");
  EXPECT_FALSE(parse_quota("calls/day"));
  EXPECT_EQ(parse_assignment("binding=loose")->second, "loose");
  EXPECT_EQ(parse_assignment("grace=60")->second, 60);
  EXPECT_FALSE(parse_assignment("grace={"));
}

TEST(Table, LinesUpWideCharactersAndShowsNoControlCharacters) {
  Table table({"NAME", "STATE"});
  table.add({{"公司"}, {"active"}});
  table.add({{"a\x1b[31m"}, {"x"}});
  EXPECT_EQ(table.render(false), "NAME       STATE\n公司       active\na\\x1b[31m  x\n");
}

}  // namespace
}  // namespace lictor::cli
