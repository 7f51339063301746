// Members of answers, read leniently: a newer server may say more, an older one less.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lictor::cli {

// The member when it is there and not null.
inline const boost::json::value* find(const boost::json::object& object, std::string_view name) {
  const boost::json::value* value = object.if_contains({name.data(), name.size()});
  return value == nullptr || value->is_null() ? nullptr : value;
}
// Empty when it is no string.
inline std::string text_of(const boost::json::object& object, std::string_view name) {
  const boost::json::value* value = find(object, name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}
inline std::optional<std::int64_t> number_of(const boost::json::object& object, std::string_view name) {
  const boost::json::value* value = find(object, name);
  return value != nullptr && value->is_int64() ? std::optional(value->get_int64()) : std::nullopt;
}
inline bool is_true(const boost::json::object& object, std::string_view name) {
  const boost::json::value* value = find(object, name);
  return value != nullptr && value->is_bool() && value->get_bool();
}
// Empty when it is no array or object.
inline boost::json::array array_of(const boost::json::object& object, std::string_view name) {
  const boost::json::value* value = find(object, name);
  return value != nullptr && value->is_array() ? value->get_array() : boost::json::array();
}
inline boost::json::object object_of(const boost::json::object& object, std::string_view name) {
  const boost::json::value* value = find(object, name);
  return value != nullptr && value->is_object() ? value->get_object() : boost::json::object();
}

// The texts of an array, with commas.
inline std::string joined_texts(const boost::json::array& texts) {
  std::string out;
  for (const boost::json::value& text : texts) {
    if (text.is_string()) out += (out.empty() ? "" : ", ") + std::string(text.get_string());
  }
  return out;
}

}  // namespace lictor::cli
