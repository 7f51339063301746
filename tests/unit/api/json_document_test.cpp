#include "api/json_document.h"

#include <gtest/gtest.h>

namespace lictor::api {
namespace {

namespace json = boost::json;
using licensing::Code;

std::string repeat(std::string_view text, std::size_t times) {
  std::string out;
  while (times-- > 0) out += text;
  return out;
}

TEST(ParseDocument, Refused) {
  struct Row {
    std::string name, text, field;
  };
  const std::vector<Row> rows{
      {"nothing", "", ""},
      {"an array", "[]", ""},
      {"a string", "\"a\"", ""},
      {"null", "null", ""},
      {"no end", "{", ""},
      {"text behind", "{} x", ""},
      {"a NUL behind", std::string("{}\0", 3), ""},
      {"a comment", "{/**/}", ""},
      {"a comma at the end", "{\"a\":1,}", ""},
      {"invalid UTF-8", "{\"a\":\"\xFF\"}", ""},
      {"a lone surrogate", R"({"a":"\ud800"})", ""},
      {"twice", R"({"a":1,"a":1})", "a"},
      {"twice, escaped", R"({"name":1,"n\u0061me":1})", "name"},
      {"twice, the escape at the end", R"({"name":1,"nam\u0065":1})", "name"},
      {"twice, deep down", R"({"terms":{"features":{"x":1,"\u0078":2}}})", "x"},
      {"twice in an object of an array", R"({"a":[{"b":1,"b":2}]})", "b"},
      {"an empty name twice", R"({"":1,"":1})", ""},
      {"17 levels", "{\"a\":" + repeat("[", 16) + repeat("]", 16) + "}", ""},
      {"very deep", "{\"a\":" + repeat("[", 30000), ""},
  };
  for (const auto& row : rows) {
    const auto document = parse_document(row.text);
    ASSERT_FALSE(document) << row.name;
    EXPECT_EQ(document.problem().field, row.field) << row.name;
  }
}

TEST(ParseDocument, Good) {
  for (const std::string& text : {std::string("{}"), std::string(R"({"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":1}]})"),
                                  "{\"a\":" + repeat("[", 15) + repeat("]", 15) + "}"}) {
    EXPECT_TRUE(parse_document(text)) << text;
  }
}

std::string fault_of(DocumentReader& reader) {
  const auto fault = reader.finish();
  return fault ? std::string(licensing::wire_name(fault->code)) + " " + fault->field : "";
}

TEST(DocumentReader, Members) {
  const auto read = [](const std::string& text) {
    const json::value value = json::parse(text);
    DocumentReader reader(value.as_object());
    reader.text("t", 5, true);
    reader.integer("i", 1, 10);
    reader.boolean("b");
    reader.object("o");
    reader.array("a");
    return fault_of(reader);
  };
  const std::pair<std::string, std::string> rows[] = {
      {R"({"t":"x"})", ""},
      {R"({"t":"12345","i":10,"b":false,"o":{},"a":[]})", ""},
      {R"({"t":"x","i":null,"b":null,"o":null,"a":null})", ""},
      {"{}", "BAD_REQUEST t"},
      {R"({"t":null})", "BAD_REQUEST t"},
      {R"({"t":""})", "BAD_REQUEST t"},
      {R"({"t":"123456"})", "BAD_REQUEST t"},
      {R"({"t":"a\n"})", "BAD_REQUEST t"},
      {R"({"t":"\u202e"})", "BAD_REQUEST t"},
      {R"({"t":1})", "BAD_REQUEST t"},
      {R"({"t":"x","i":0})", "BAD_REQUEST i"},
      {R"({"t":"x","i":11})", "BAD_REQUEST i"},
      {R"({"t":"x","i":1.0})", "BAD_REQUEST i"},
      {R"({"t":"x","i":"1"})", "BAD_REQUEST i"},
      {R"({"t":"x","i":18446744073709551615})", "BAD_REQUEST i"},
      {R"({"t":"x","b":1})", "BAD_REQUEST b"},
      {R"({"t":"x","o":[]})", "BAD_REQUEST o"},
      {R"({"t":"x","a":{}})", "BAD_REQUEST a"},
      {R"({"t":"x","role":"admin"})", "UNKNOWN_FIELD role"},
      {R"({"t":"x","T":"x"})", "UNKNOWN_FIELD T"},
      {R"({"role":1,"i":0})", "BAD_REQUEST t"},
  };
  for (const auto& [text, expected] : rows) EXPECT_EQ(read(text), expected) << text;
}

TEST(DocumentReader, TheFirstFaultStays) {
  const json::object document;
  DocumentReader reader(document);
  reader.fault(base::Problem{"first", "m", true});
  reader.fault("second", "m");
  reader.fault(std::optional<base::Problem>());
  EXPECT_EQ(fault_of(reader), "UNKNOWN_FIELD first");
}

}  // namespace
}  // namespace lictor::api
