#include "api/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "api/query.h"
#include "base/choices.h"
#include "base/encoding.h"

namespace lictor::api {
namespace {

namespace json = boost::json;
using licensing::Code;

bool is_text(const json::value& value, const Field& field) {
  if (!value.is_string()) return false;
  const std::string_view text = value.get_string();
  const auto size = static_cast<std::int64_t>(text.size());
  return size >= std::max<std::int64_t>(1, field.least) && size <= field.most && !base::has_control_characters(text);
}

bool is_allowed(const json::value& value, const Field& field) {
  switch (field.type) {
    case FieldType::text:
    case FieldType::cursor:
      return is_text(value, field);
    case FieldType::integer:
    case FieldType::time:
      return value.is_int64() && value.get_int64() >= field.least && value.get_int64() <= field.most;
    case FieldType::boolean:
      return value.is_bool();
    case FieldType::choice:
      return value.is_string() && base::is_choice(value.get_string(), field.choices);
    case FieldType::object:
      return value.is_object();
    case FieldType::array:
      return value.is_array() && value.get_array().size() >= static_cast<std::size_t>(field.least) &&
             value.get_array().size() <= static_cast<std::size_t>(field.most);
  }
  return false;
}

const Field* find_field(std::span<const Field> fields, std::string_view name) {
  const auto it = std::ranges::find(fields, name, &Field::name);
  return it == fields.end() ? nullptr : &*it;
}

json::value value_of(const Field& field, const std::string& text) {
  if (field.type == FieldType::boolean && (text == "true" || text == "false")) return text == "true";
  if (field.type == FieldType::integer || field.type == FieldType::time) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc{} && end == text.data() + text.size()) return number;
  }
  return json::string(text);
}

}  // namespace

std::string allowed_text(const Field& field) {
  std::string text;
  switch (field.type) {
    case FieldType::text:
      text = fmt::format("a text of {} to {} bytes without control characters", std::max<std::int64_t>(1, field.least),
                         field.most);
      break;
    case FieldType::integer:
      text = fmt::format("a whole number from {} to {}", field.least, field.most);
      break;
    case FieldType::time:
      text = fmt::format("Unix seconds, a whole number from {} to {}", field.least, field.most);
      break;
    case FieldType::boolean:
      text = "true or false";
      break;
    case FieldType::choice:
      text = base::spelled_choices(field.choices);
      break;
    case FieldType::object:
      text = "an object";
      break;
    case FieldType::array:
      text = fmt::format("an array of {} to {} items", field.least, field.most);
      break;
    case FieldType::cursor:
      text = "the next_cursor of an earlier answer to the same call";
      break;
  }
  return field.nullable ? text + ", or null" : text;
}

std::string names_of(std::span<const Field> fields) {
  std::string names;
  for (const Field& field : fields) names.append(names.empty() ? "" : ", ").append(field.name);
  return names.empty() ? "none" : names;
}

std::optional<std::string> Arguments::text(std::string_view name) const {
  const json::value* value = members_.if_contains(name);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string(value->get_string());
}

std::string Arguments::text_or(std::string_view name, std::string_view otherwise) const {
  return text(name).value_or(std::string(otherwise));
}

std::optional<std::int64_t> Arguments::integer(std::string_view name) const {
  const json::value* value = members_.if_contains(name);
  return value == nullptr || !value->is_int64() ? std::nullopt : std::optional(value->get_int64());
}

std::optional<bool> Arguments::boolean(std::string_view name) const {
  const json::value* value = members_.if_contains(name);
  return value == nullptr || !value->is_bool() ? std::nullopt : std::optional(value->get_bool());
}

const json::object* Arguments::object(std::string_view name) const {
  const json::value* value = members_.if_contains(name);
  return value == nullptr ? nullptr : value->if_object();
}

const json::array* Arguments::array(std::string_view name) const {
  const json::value* value = members_.if_contains(name);
  return value == nullptr ? nullptr : value->if_array();
}

bool Arguments::is_null(std::string_view name) const {
  const json::value* value = members_.if_contains(name);
  return value != nullptr && value->is_null();
}

std::optional<RequestFault> check_members(std::span<const Field> fields, const json::object& members,
                                          std::string_view where) {
  for (const Field& field : fields) {
    const json::value* value = members.if_contains(field.name);
    const bool given = value != nullptr && !value->is_null();
    if (!given) {
      if (!field.required) continue;
      return RequestFault{Code::bad_request, fmt::format("{}{}", where, field.name),
                          "is missing: " + allowed_text(field)};
    }
    if (is_allowed(*value, field)) continue;
    return RequestFault{Code::bad_request, fmt::format("{}{}", where, field.name), "must be " + allowed_text(field)};
  }
  for (const auto& member : members) {
    if (find_field(fields, member.key()) != nullptr) continue;
    return RequestFault{Code::unknown_field, fmt::format("{}{}", where, std::string_view(member.key())),
                        "is no member of this request; allowed: " + names_of(fields)};
  }
  return std::nullopt;
}

json::object members_of_query(std::span<const Field> fields, std::string_view text,
                              std::optional<RequestFault>& fault) {
  const Query query(text);
  json::object members;
  std::vector<std::string_view> known;
  for (const Field& field : fields) {
    known.push_back(field.name);
    const auto value = query.get(field.name);
    if (value && !value->empty()) members.emplace(field.name, value_of(field, *value));
  }
  if (const auto unknown = query.unknown(known)) {
    fault =
        RequestFault{Code::bad_request, *unknown,
                     "is no parameter of this call, is there twice or can't be decoded; allowed: " + names_of(fields)};
  }
  return members;
}

}  // namespace lictor::api
