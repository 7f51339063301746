// Members of administrative calls, by the tables of all routes: the first byte chooses the route, the rest is its body
// or (GET) its query. What is taken holds what the table says, by a second reading of it, and is taken again when it is
// written out; what is refused names the member and what is allowed. Rows of an import and cursors are read on.
#include <algorithm>
#include <boost/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "api/admin_fields.h"
#include "api/admin_license.h"
#include "api/admin_list.h"
#include "api/json_document.h"
#include "api/routes.h"
#include "base/encoding.h"
#include "fuzz/targets.h"

namespace lictor::fuzz {
namespace {

namespace json = boost::json;
using api::Field;
using api::FieldType;

const std::vector<const api::Route*>& routes() {
  static const std::vector<const api::Route*> those = [] {
    std::vector<const api::Route*> found;
    for (const api::Route& route : api::route_table()) {
      if (!route.fields.empty()) found.push_back(&route);
    }
    return found;
  }();
  return those;
}

void require_text(const json::value& value, std::int64_t most) {
  require(value.is_string(), "a text");
  const std::string_view text = value.get_string();
  require(!text.empty() && static_cast<std::int64_t>(text.size()) <= most, "of an allowed length");
  require(base::is_valid_utf8(text) && !base::has_control_characters(text), "of printable UTF-8");
}

void require_allowed(const json::value& value, const Field& field) {
  switch (field.type) {
    case FieldType::text:
    case FieldType::cursor:
      return require_text(value, field.most);
    case FieldType::integer:
    case FieldType::time: {
      require(value.is_int64(), "a whole number");
      const std::int64_t number = value.get_int64();
      return require(number >= field.least && number <= field.most, "within its bounds");
    }
    case FieldType::boolean:
      return require(value.is_bool(), "true or false");
    case FieldType::choice: {
      require(value.is_string(), "a choice is a text");
      const std::string choice = "|" + std::string(value.get_string()) + "|";
      return require(("|" + std::string(field.choices) + "|").find(choice) != std::string::npos, "one of the choices");
    }
    case FieldType::object:
      return require(value.is_object(), "an object");
    case FieldType::array:
      require(value.is_array(), "an array");
      const auto size = static_cast<std::int64_t>(value.get_array().size());
      return require(size >= field.least && size <= field.most, "of an allowed length");
  }
}

void require_table_holds(std::span<const Field> fields, const json::object& members) {
  for (const auto& member : members) {
    const auto field = std::ranges::find(fields, std::string_view(member.key()), &Field::name);
    require(field != fields.end(), "a member of the table");
    if (!member.value().is_null()) require_allowed(member.value(), *field);
  }
  for (const Field& field : fields) {
    const json::value* value = members.if_contains(field.name);
    if (field.required) require(value != nullptr && !value->is_null(), "what is required is there");
  }
}

void require_getters_agree(std::span<const Field> fields, const api::Arguments& arguments) {
  for (const Field& field : fields) {
    const json::value* value = arguments.members().if_contains(field.name);
    const auto is = [&](bool (json::value::*kind)() const noexcept) { return value != nullptr && (value->*kind)(); };
    require(arguments.text(field.name).has_value() == is(&json::value::is_string), "a text or none");
    require(arguments.integer(field.name).has_value() == is(&json::value::is_int64), "a number or none");
    require(arguments.boolean(field.name).has_value() == is(&json::value::is_bool), "a truth or none");
    require((arguments.object(field.name) != nullptr) == is(&json::value::is_object), "an object or none");
    require((arguments.array(field.name) != nullptr) == is(&json::value::is_array), "an array or none");
    require(arguments.is_null(field.name) == is(&json::value::is_null), "null or not");
  }
}

void require_named(const api::RequestFault& fault) {
  require(!fault.message.empty(), "a fault says what is allowed");
  require(fault.code == licensing::Code::bad_request || fault.code == licensing::Code::unknown_field, "its code");
  require(base::is_valid_utf8(fault.field) && base::is_valid_utf8(fault.message), "in UTF-8");
}

void check_cursor(const std::string& text) {
  const auto position = api::parse_position(text);
  if (!position) return;
  require(position->row >= 1, "a row that may be");
  const auto again = api::parse_position(api::format_position(*position));
  require(again && again->number == position->number && again->row == position->row && again->text == position->text,
          "a cursor written out is the same position");
}

void check_terms(const json::object* terms) {
  if (terms == nullptr) return;
  std::optional<api::RequestFault> fault;
  const auto changed = api::change_terms({}, {terms, nullptr}, "overrides", fault);
  require(changed.has_value() != fault.has_value(), "changed, or a fault");
  if (fault) return require_named(*fault);
  const auto stored = changed->empty() ? json::object{} : json::parse(*changed).as_object();
  std::optional<api::RequestFault> second;
  const auto again = api::change_terms(*changed, {terms, nullptr}, "overrides", second);
  require(again && !second, "the same terms again");
  require((again->empty() ? json::object{} : json::parse(*again).as_object()) == stored, "and nothing changes");
}

void check_rows(const json::array* rows) {
  if (rows == nullptr) return;
  for (const json::value& row : *rows) {
    if (!row.is_object()) continue;
    if (const auto fault = api::check_members(api::fields::kImportRow, row.get_object(), "licenses[0].")) {
      require(fault->field.starts_with("licenses[0]."), "the row is named");
      require_named(*fault);
      continue;
    }
    require_table_holds(api::fields::kImportRow, row.get_object());
    check_terms(row.get_object().if_contains("overrides") == nullptr ? nullptr : row.at("overrides").if_object());
  }
}

std::string query_of(const json::object& members) {
  std::string query;
  for (const auto& member : members) {
    const json::value& value = member.value();
    const std::string text = value.is_string() ? std::string(value.get_string()) : json::serialize(value);
    query.append(query.empty() ? "" : "&").append(member.key()).append("=");
    for (const char c : text) {
      const auto byte = static_cast<std::uint8_t>(c);
      query.append("%").append(base::to_hex({&byte, 1}));
    }
  }
  return query;
}

void check_taken(std::span<const Field> fields, const json::object& members) {
  require_table_holds(fields, members);
  const api::Arguments arguments(members);
  require_getters_agree(fields, arguments);
  if (const auto cursor = arguments.text("cursor")) check_cursor(*cursor);
  check_terms(arguments.object("overrides"));
  check_rows(arguments.array("licenses"));
}

// Of a target that the HTTP parser lets through.
void run_query(std::span<const Field> fields, std::string_view query) {
  if (std::ranges::any_of(query, [](char c) { return c <= ' ' || c >= 0x7F; })) return;
  std::optional<api::RequestFault> fault;
  const json::object members = api::members_of_query(fields, query, fault);
  if (!fault) fault = api::check_members(fields, members);
  if (fault) return require_named(*fault);
  check_taken(fields, members);
  std::optional<api::RequestFault> second;
  require(api::members_of_query(fields, query_of(members), second) == members, "a query written out is the same");
  require(!second, "and nothing is wrong with it");
}

// Fractions may come back rounded, and what is too large for one as something else; no member takes them.
bool has_fraction(const json::value& value) {
  if (value.is_array()) return std::ranges::any_of(value.get_array(), has_fraction);
  if (value.is_object())
    return std::ranges::any_of(value.get_object(), [](const auto& member) { return has_fraction(member.value()); });
  return value.is_double();
}

void run_body(std::span<const Field> fields, std::string_view body) {
  const auto document = api::parse_document(body);
  if (!document) return require(!document.problem().message.empty(), "a problem says what is wrong");
  if (const auto fault = api::check_members(fields, *document)) return require_named(*fault);
  check_taken(fields, *document);
  if (has_fraction(*document)) return;
  const auto again = api::parse_document(json::serialize(*document));
  require(again && *again == *document, "a body written out is the same");
}

}  // namespace

void members(std::string_view input) {
  Input in(input);
  const api::Route& route = *routes()[in.byte() % routes().size()];
  route.method == "GET" ? run_query(route.fields, in.rest()) : run_body(route.fields, in.rest());
}

Seeds member_seeds() {
  Seeds seeds;
  const std::string_view values[] = {R"("a")", "1", "true", "null", R"({"max_clients":3})", R"(["a"])"};
  for (std::size_t at = 0; at < routes().size(); ++at) {
    const api::Route& route = *routes()[at];
    const auto first = static_cast<char>(at);
    for (std::size_t value = 0; value < std::size(values); ++value) {
      std::string query, body;
      for (const Field& field : route.fields) {
        query.append(query.empty() ? "" : "&")
            .append(field.name)
            .append(value == 0   ? "=a"
                    : value == 1 ? "=1"
                                 : "=true");
        body.append(body.empty() ? "{" : ",").append(base::json_string(field.name)).append(":").append(values[value]);
      }
      if (route.method != "GET") seeds.push_back(first + body + "}");
      if (route.method == "GET" && value < 3) seeds.push_back(first + query);
    }
    if (route.path.ends_with("/import")) {
      seeds.push_back(first +
                      std::string(R"({"licenses":[{"product":"p","policy":"q","license_key":"ABCD","status":"active",)"
                                  R"("overrides":{"max_clients":5,"features":{"a":null}},"expires_at":1900000000},)"
                                  R"({"product":"p"},7],"on_conflict":"update","partial":true,"dry_run":false})"));
    }
    if (route.method == "GET") seeds.push_back(first + std::string("limit=10&cursor=1700000000.17.6162"));
  }
  return seeds;
}

Words member_dictionary() {
  static const std::set<std::string> kNames = [] {
    std::set<std::string> names;
    for (const api::Route* route : routes()) {
      for (const Field& field : route->fields) {
        names.insert("\"" + std::string(field.name) + "\":");
        if (route->method == "GET") names.insert(std::string(field.name) + "=");
      }
    }
    return names;
  }();
  Words words(kNames.begin(), kNames.end());
  for (const std::string_view word : document_dictionary()) words.push_back(word);
  return words;
}

}  // namespace lictor::fuzz
