#include "api/fields.h"

#include <gtest/gtest.h>

#include <set>

#include "api/admin_fields.h"
#include "api/admin_list.h"

namespace lictor::api {
namespace {

namespace json = boost::json;
using licensing::Code;

constexpr Field kTable[] = {
    {.name = "name", .type = FieldType::text, .help = "", .most = 5, .required = true},
    {.name = "count", .type = FieldType::integer, .help = "", .most = 10, .least = -1},
    {.name = "when", .type = FieldType::time, .help = "", .most = 100, .nullable = true},
    {.name = "flag", .type = FieldType::boolean, .help = ""},
    {.name = "kind", .type = FieldType::choice, .help = "", .choices = "one|two|three"},
    {.name = "map", .type = FieldType::object, .help = ""},
    {.name = "list", .type = FieldType::array, .help = "", .most = 2, .least = 1},
};

std::string fault_of(std::string_view text, std::string_view where = {}) {
  const auto fault = check_members(kTable, json::parse(json::string_view(text.data(), text.size())).as_object(), where);
  return fault ? fault->field + ": " + fault->message : "";
}

TEST(Fields, WhatIsAllowed) {
  EXPECT_EQ(fault_of(R"({"name":"abcde"})"), "");
  EXPECT_EQ(fault_of(R"({"name":"a","count":-1,"when":0,"flag":false,"kind":"three","map":{},"list":[1]})"), "");
  EXPECT_EQ(fault_of(R"({"name":"a","count":null,"when":null,"flag":null})"), "") << "null counts as not given";
}

TEST(Fields, WhatIsWrongIsNamedWithWhatIsAllowed) {
  EXPECT_EQ(fault_of("{}"), "name: is missing: a text of 1 to 5 bytes without control characters");
  EXPECT_EQ(fault_of(R"({"name":null})"), "name: is missing: a text of 1 to 5 bytes without control characters");
  const std::pair<const char*, const char*> rows[] = {
      {R"("name":"")", "name: must be a text of 1 to 5 bytes without control characters"},
      {R"("name":"abcdef")", "name: must be a text of 1 to 5 bytes without control characters"},
      {R"("name":"a\u0000")", "name: must be a text of 1 to 5 bytes without control characters"},
      {R"("name":5)", "name: must be a text of 1 to 5 bytes without control characters"},
      {R"("name":"a","count":11)", "count: must be a whole number from -1 to 10"},
      {R"("name":"a","count":1.0)", "count: must be a whole number from -1 to 10"},
      {R"("name":"a","count":"1")", "count: must be a whole number from -1 to 10"},
      {R"("name":"a","when":101)", "when: must be Unix seconds, a whole number from 0 to 100, or null"},
      {R"("name":"a","flag":1)", "flag: must be true or false"},
      {R"("name":"a","kind":"thre")", "kind: must be one, two or three"},
      {R"("name":"a","kind":"one|two")", "kind: must be one, two or three"},
      {R"("name":"a","kind":"")", "kind: must be one, two or three"},
      {R"("name":"a","map":[])", "map: must be an object"},
      {R"("name":"a","list":[])", "list: must be an array of 1 to 2 items"},
      {R"("name":"a","list":[1,2,3])", "list: must be an array of 1 to 2 items"},
  };
  for (const auto& [members, fault] : rows) EXPECT_EQ(fault_of(std::string("{") + members + "}"), fault) << members;
}

TEST(Fields, UnknownMembers) {
  EXPECT_EQ(fault_of(R"({"name":"a","Name":"b"})", "rows[3]."),
            "rows[3].Name: is no member of this request; allowed: name, count, when, flag, kind, map, list");
  const auto fault = check_members({}, json::object{{"x", 1}});
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->code, Code::unknown_field);
  EXPECT_EQ(fault->message, "is no member of this request; allowed: none");
}

TEST(Fields, AQueryIsReadAsTheTableSays) {
  std::optional<RequestFault> fault;
  const Arguments given(members_of_query(kTable, "name=a+b&count=7&flag=true&when=", fault));
  EXPECT_FALSE(fault);
  EXPECT_EQ(given.text("name"), "a b");
  EXPECT_EQ(given.integer("count"), 7);
  EXPECT_EQ(given.boolean("flag"), true);
  EXPECT_EQ(given.integer("when"), std::nullopt) << "an empty one counts as not given";
  EXPECT_EQ(given.text_or("kind", "one"), "one");
  for (const char* query : {"name=a&nme=b", "name=a&name=b", "name=%zz"}) {
    fault.reset();
    members_of_query(kTable, query, fault);
    EXPECT_TRUE(fault) << query;
  }
  fault.reset();
  const auto odd = members_of_query(kTable, "name=5&count=0x7&flag=yes", fault);
  EXPECT_FALSE(fault);
  EXPECT_TRUE(odd.at("name").is_string()) << "a text stays one";
  EXPECT_TRUE(odd.at("count").is_string()) << "and is refused by check_members()";
  EXPECT_TRUE(check_members(kTable, odd));
}

TEST(Fields, EveryTableOfTheRoutesHoldsTogether) {
  for (const std::span<const Field> table :
       {std::span<const Field>(fields::kCreateLicenses), std::span<const Field>(fields::kImportRow),
        std::span<const Field>(fields::kListEvents), std::span<const Field>(fields::kUsageReport)}) {
    std::set<std::string_view> names;
    for (const Field& field : table) {
      EXPECT_TRUE(names.insert(field.name).second) << field.name;
      EXPECT_FALSE(field.help.empty()) << field.name;
      const bool has_bounds = field.type == FieldType::text || field.type == FieldType::integer ||
                              field.type == FieldType::time || field.type == FieldType::array;
      EXPECT_EQ(has_bounds || field.type == FieldType::cursor, field.most != 0) << field.name;
      EXPECT_EQ(field.type == FieldType::choice, !field.choices.empty()) << field.name;
    }
  }
}

TEST(Positions, ComeBackAsTheyWere) {
  const store::Position positions[] = {{0, "", 1}, {-5, "", INT64_MAX}, {INT64_MAX, "customer \xC3\xA4.1", 7}};
  for (const auto& position : positions) {
    const auto read = parse_position(format_position(position));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->number, position.number);
    EXPECT_EQ(read->row, position.row);
    EXPECT_EQ(read->text, position.text);
  }
  for (const char* text : {"", "1", "1.", "1.0", "1.-1", ".1", "1.1.", "1.1.g", "1.1.4", "1.1.41.", "1.1x", " 1.1",
                           "9223372036854775808.1", "1.9223372036854775808"}) {
    EXPECT_FALSE(parse_position(text)) << text;
  }
}

}  // namespace
}  // namespace lictor::api
