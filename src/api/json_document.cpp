#include "api/json_document.h"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <set>

#include "base/encoding.h"

namespace lictor::api {
namespace {

namespace json = boost::json;
using licensing::Code;

constexpr std::size_t kMaxDepth = 16;

// Finds members that are there twice: the DOM would keep the last one silently.
struct DuplicateFinder {
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
  using Error = json::error_code;
  using Text = json::string_view;

  std::vector<std::set<std::string>> open;  // names of each object that is open
  std::string name;
  std::string duplicate;

  bool on_document_begin(Error&) { return true; }
  bool on_document_end(Error&) { return true; }
  bool on_object_begin(Error&) { return open.emplace_back(), true; }
  bool on_object_end(std::size_t, Error&) { return open.pop_back(), true; }
  bool on_array_begin(Error&) { return true; }
  bool on_array_end(std::size_t, Error&) { return true; }
  bool on_key_part(Text part, std::size_t, Error&) { return name.append(part.data(), part.size()), true; }
  bool on_key(Text last, std::size_t, Error& error) {
    name.append(last.data(), last.size());
    const auto [it, is_new] = open.back().insert(std::exchange(name, {}));
    if (!is_new) {
      duplicate = *it;
      error = json::error::syntax;
      return false;
    }
    return true;
  }
  bool on_string_part(Text, std::size_t, Error&) { return true; }
  bool on_string(Text, std::size_t, Error&) { return true; }
  bool on_number_part(Text, Error&) { return true; }
  bool on_int64(std::int64_t, Text, Error&) { return true; }
  bool on_uint64(std::uint64_t, Text, Error&) { return true; }
  bool on_double(double, Text, Error&) { return true; }
  bool on_bool(bool, Error&) { return true; }
  bool on_null(Error&) { return true; }
  bool on_comment_part(Text, Error&) { return true; }
  bool on_comment(Text, Error&) { return true; }
};

}  // namespace

base::Result<json::object> parse_document(std::string_view text) {
  json::parse_options options;
  options.max_depth = kMaxDepth;
  json::basic_parser<DuplicateFinder> finder(options);
  json::error_code error;
  const std::size_t used = finder.write_some(false, text.data(), text.size(), error);
  if (!finder.handler().duplicate.empty()) return base::Problem{finder.handler().duplicate, "is there twice"};
  if (!error && used < text.size()) error = json::error::extra_data;
  if (error) return base::Problem{"", "the body is not valid JSON: " + error.message()};
  json::value value = json::parse(json::string_view(text.data(), text.size()), {}, options);
  if (!value.is_object()) return base::Problem{"", "the body must be a JSON object"};
  return std::move(value.get_object());
}

const json::value* DocumentReader::take(std::string_view name) {
  known_.push_back(name);
  const json::value* value = document_.if_contains(name);
  return value == nullptr || value->is_null() ? nullptr : value;  // null stands for "not given"
}

std::optional<std::string> DocumentReader::text(std::string_view name, std::size_t most, bool required) {
  const json::value* value = take(name);
  if (value == nullptr) {
    if (required) fault(name, "is missing");
    return std::nullopt;
  }
  const bool fits = value->is_string() && !value->get_string().empty() && value->get_string().size() <= most;
  if (!fits || base::has_control_characters(value->get_string())) {
    fault(name, "must be a text of 1 to " + std::to_string(most) + " bytes without control characters");
    return std::nullopt;
  }
  return std::string(value->get_string());
}

std::optional<std::int64_t> DocumentReader::integer(std::string_view name, std::int64_t least, std::int64_t most) {
  const json::value* value = take(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_int64() || value->get_int64() < least || value->get_int64() > most) {
    fault(name, "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    return std::nullopt;
  }
  return value->get_int64();
}

std::optional<bool> DocumentReader::boolean(std::string_view name) {
  const json::value* value = take(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_bool()) fault(name, "must be true or false");
  return value->is_bool() ? std::optional(value->get_bool()) : std::nullopt;
}

const json::object* DocumentReader::object(std::string_view name) {
  const json::value* value = take(name);
  if (value != nullptr && !value->is_object()) fault(name, "must be an object");
  return value == nullptr ? nullptr : value->if_object();
}

const json::array* DocumentReader::array(std::string_view name) {
  const json::value* value = take(name);
  if (value != nullptr && !value->is_array()) fault(name, "must be an array");
  return value == nullptr ? nullptr : value->if_array();
}

void DocumentReader::fault(std::string_view field, std::string message) {
  if (!fault_) fault_ = RequestFault{Code::bad_request, std::string(field), std::move(message)};
}

void DocumentReader::fault(const std::optional<base::Problem>& problem) {
  if (!problem || fault_) return;
  fault_ =
      RequestFault{problem->unknown_field ? Code::unknown_field : Code::bad_request, problem->field, problem->message};
}

std::optional<RequestFault> DocumentReader::finish() {
  for (const auto& member : document_) {
    if (fault_ || std::ranges::find(known_, std::string_view(member.key())) != known_.end()) continue;
    fault_ = RequestFault{Code::unknown_field, std::string(member.key()), "is no member of this request"};
  }
  return fault_;
}

void with_document(Call& call, bool optional, const std::function<void(const json::object&)>& work) {
  const std::string_view body = call.request().body;
  if (body.empty() && optional) return work({});
  if (!is_json_content(call.request().header("Content-Type"))) return call.fail(Code::unsupported_media_type);
  const auto document = parse_document(body);
  if (!document)
    return call.fail(RequestFault{Code::bad_request, document.problem().field, document.problem().message});
  work(*document);
}

}  // namespace lictor::api
