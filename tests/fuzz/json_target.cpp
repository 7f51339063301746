// JSON bodies, by the quick reader of the data plane and by the reader of administrative calls: what one takes the
// other takes, with the same members, but for the bounds that only the quick one has; what was read is valid UTF-8, and
// written out again it is read as the same.
#include <algorithm>
#include <boost/json.hpp>

#include "api/json_body.h"
#include "api/json_document.h"
#include "base/encoding.h"
#include "fuzz/targets.h"

namespace lictor::fuzz {
namespace {

namespace json = boost::json;
using api::JsonBody;
using api::JsonKind;
using api::JsonMember;

std::string show(const JsonMember& member) {
  std::string text(member.name);
  text.append(":").append(api::describe(member.kind)).append(":").append(member.text);
  return text.append(member.boolean ? ":true" : ":").append(std::to_string(member.integer));
}

std::string show(const JsonBody& body) {
  std::string text;
  body.for_each_member([&](const JsonMember& member) {
    text.append(show(member)).append("{");
    for (const JsonMember& child : body.children(member)) text.append(show(child)).append(",");
    text.append("}\n");
  });
  return text;
}

std::string show(const std::optional<base::Problem>& problem) {
  return problem ? problem->field + "|" + problem->message : "";
}

std::string_view view(const json::string& text) { return {text.data(), text.size()}; }

// Whether the quick reader's node is this value. What lies in a child is forgotten.
void require_same(const JsonMember& member, const json::value& value, bool is_child) {
  switch (member.kind) {
    case JsonKind::null:
      return require(value.is_null(), "null");
    case JsonKind::boolean:
      return require(value.is_bool() && value.get_bool() == member.boolean, "a boolean");
    case JsonKind::integer:
      require(value.is_int64() && value.get_int64() == member.integer, "an integer");
      return require_equal(member.text, std::to_string(member.integer), "in its canonical digits");
    case JsonKind::number:
      return require(value.is_double() || value.is_uint64(), "a number that is no integer of 64 bits");
    case JsonKind::string:
      require(value.is_string(), "a string");
      return require_equal(member.text, view(value.get_string()), "of the same text");
    case JsonKind::array:
      return require(value.is_array() && (is_child || value.get_array().size() == member.children), "an array");
    case JsonKind::object:
      return require(value.is_object() && (is_child || value.get_object().size() == member.children), "an object");
  }
}

// Boost reads and writes numbers with a fraction to the last digit but one.
bool has_fraction(const json::value& value) {
  if (value.is_array()) return std::ranges::any_of(value.get_array(), has_fraction);
  if (value.is_object())
    return std::ranges::any_of(value.get_object(), [](const auto& m) { return has_fraction(m.value()); });
  return value.is_double();
}

std::string_view name_of(const JsonMember& member) { return member.name == "\"\"" ? "" : member.name; }

void require_same(const JsonBody& body, const json::object& document) {
  std::size_t members = 0;
  body.for_each_member([&](const JsonMember& member) {
    ++members;
    const json::value* value = document.if_contains(name_of(member));
    if (value == nullptr) value = document.if_contains(member.name);
    require(value != nullptr, "a member that both have");
    require_same(member, *value, false);
    require(api::text_of(member.known).empty() || api::text_of(member.known) == member.name, "known by its own name");
    require(body.find(member.known == api::JsonName::other ? member.name : api::text_of(member.known)) == &member,
            "found");
    std::size_t place = 0;
    for (const JsonMember& child : body.children(member)) {
      const json::value* inner = member.kind == JsonKind::array ? &value->get_array()[place++]
                                                                : value->get_object().if_contains(name_of(child));
      if (inner == nullptr) inner = value->get_object().if_contains(child.name);
      require(inner != nullptr, "a child that both have");
      require_same(child, *inner, true);
    }
  });
  require(members == document.size(), "as many members");
}

}  // namespace

void json_body(std::string_view input) {
  thread_local JsonBody reused;  // carries what earlier inputs left
  JsonBody fresh;
  const auto problem = fresh.parse(input);
  require_equal(show(problem), show(reused.parse(input)), "a reader that was used before says the same");
  if (!problem) require_equal(show(fresh), show(reused), "and reads the same");
  const auto document = api::parse_document(input);
  if (problem && document) {
    // It calls a member without a name "\"\"", and another one may have that name.
    const bool unnamed = problem->field == "\"\"" && problem->message == "is there twice";
    return require(unnamed || problem->message.starts_with("too many"), "only its bounds are narrower");
  }
  if (!document) {
    require(!document.problem().message.empty(), "a problem says what is wrong");
    // The quick reader forgets what is deeper than a member's children; nobody asks for it.
    return require(problem.has_value() || document.problem().message == "is there twice", "refused by both");
  }
  require(base::is_valid_utf8(input), "only UTF-8");
  require_same(fresh, *document);
  if (has_fraction(*document)) return;  // nobody takes one
  const std::string again = json::serialize(*document);
  const auto second = api::parse_document(again);
  if (!second) throw Violation("written out again it is read: " + again + second.problem().message);
  require(*second == *document, "as the same");
}

Seeds json_seeds() {
  Seeds seeds;
  for (const std::string_view text :
       {R"({"license_key":"A-B","client_id":"c"})",
        R"({"hardware_fingerprint":{"tpm":"x","disk":"y"},"features":["a","b"]})",
        R"({"timestamp":1700000000,"quantity":-9223372036854775808,"x":1.5e3,"y":null,"z":[true,false,[1,{"a":2}]]})",
        R"({"a\u0062\ud83d\ude00":"\n\t\"\\\/"})",
        R"({"":1,"\"\"":2})",
        R"({"a":1,"a":2})",
        R"({"a":{"b":1,"b":2}})",
        R"({"a":{"b":{"c":1,"c":2}}})",
        R"([1])",
        R"("x")",
        "{",
        "",
        " {} ",
        "{}x",
        R"({"a":18446744073709551615})",
        R"({"a":1e999})",
        R"({"a":-0})",
        R"({"a":"\ud800"})",
        "{\"a\":\"\xc3\xa9\xf0\x9f\x98\x80\"}",
        "{\"a\":\"\xff\"}",
        "\xef\xbb\xbf{}",
        R"({"a":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]})"})
    seeds.emplace_back(text);
  std::string many = "{";
  for (int i = 0; i < 300; ++i) many += "\"m" + std::to_string(i) + "\":0,";
  many.back() = '}';
  seeds.push_back(many);
  return seeds;
}

Words json_dictionary() {
  return {"\"license_key\":",
          "\"license_id\":",
          "\"client_id\":",
          "\"hardware_fingerprint\":",
          "\"client_version\":",
          "\"features\":",
          "\"nonce\":",
          "\"metric\":",
          "\"quantity\":",
          "\"idempotency_key\":",
          "\"signature\":",
          "\"timestamp\":",
          "\"tpm\":",
          "\"smbios\":",
          "\"board\":",
          "\"disk\":",
          "\"os\":",
          "\"mac\":",
          "\"cpu\":",
          "\"instance\":",
          "null",
          "true",
          "false",
          "\\u0000",
          "\\ud83d\\ude00",
          "\xe2\x80\xae",
          "\xef\xbb\xbf",
          "[]",
          "{}",
          "\",\"",
          "9223372036854775807",
          "1e5",
          "\xed\xa0\x80"};
}

}  // namespace lictor::fuzz
