#include "api/json_body.h"

#include <boost/json/basic_parser_impl.hpp>

#include "base/encoding.h"

namespace lictor::api {

namespace {
enum class Fault : std::uint8_t { none, not_an_object, duplicate, too_many, too_deep, control_character };
}

// What Boost.JSON's parser calls. Depth 1 is the object itself: its members are at depth 1, their children at depth 2.
struct JsonEvents {
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
  using Error = boost::json::error_code;
  using Text = boost::json::string_view;

  JsonBody* body = nullptr;
  std::size_t depth = 0;
  std::size_t parent = 0;  // the node whose children are being read, at depth 2
  std::string_view name;
  std::size_t pending = 0;  // where a string in parts begins in unescaped_
  bool in_parts = false;
  Fault fault = Fault::none;
  std::string_view fault_name;

  bool stop(Error& error, Fault why) {
    fault = why;
    fault_name = name;
    error = boost::json::error::syntax;
    return false;
  }

  bool add(JsonKind kind, Error& error, std::string_view text = {}, std::int64_t integer = 0, bool boolean = false) {
    if (depth == 0) return stop(error, Fault::not_an_object);
    if (body->nodes_.size() >= JsonBody::kMaxNodes) return stop(error, Fault::too_many);
    JsonName known = JsonName::other;
    if (depth == 1) {
      known = json_name_of(name);
      if (known == JsonName::other ? body->find(name) != nullptr : body->find(known) != nullptr)
        return stop(error, Fault::duplicate);
      body->nodes_.push_back({name, known, kind, text, integer, boolean, 0});
      body->places_[static_cast<std::size_t>(known)] = static_cast<std::uint16_t>(body->nodes_.size());
      body->places_[static_cast<std::size_t>(JsonName::other)] = 0;
    } else if (depth == 2) {
      if (!name.empty() && is_duplicate_child()) return stop(error, Fault::duplicate);
      ++body->nodes_[parent].children;
      const bool has_name = body->nodes_[parent].kind == JsonKind::object;
      body->nodes_.push_back({has_name ? name : std::string_view(), known, kind, text, integer, boolean, 0});
    }
    name = {};
    return true;
  }

  bool is_duplicate_child() const {
    const auto& nodes = body->nodes_;
    for (std::size_t i = parent + 1; i < nodes.size(); ++i) {
      if (nodes[i].name == name) return true;
    }
    return false;
  }

  bool open(JsonKind kind, Error& error) {
    if (depth == 0) return kind == JsonKind::object ? (++depth, true) : stop(error, Fault::not_an_object);
    if (!add(kind, error)) return false;
    if (depth == 1) parent = body->nodes_.size() - 1;
    if (++depth > JsonBody::kMaxDepth) return stop(error, Fault::too_deep);
    return true;
  }

  // Text that the parser hands over in one piece lies in the request and stays there; text in parts is gathered.
  bool gather(Text part) {
    if (!in_parts) pending = body->unescaped_.size();
    in_parts = true;
    body->unescaped_.append(part.data(), part.size());
    return true;
  }
  std::string_view whole(Text last) {
    if (!in_parts) return {last.data(), last.size()};
    gather(last);
    in_parts = false;
    return std::string_view(body->unescaped_).substr(pending);
  }
  // The parser may give a string that had escapes from a buffer of its own: everything outside the request is copied.
  const char* begin = nullptr;
  const char* end = nullptr;
  std::string_view keep(Text last) {
    if (!in_parts && (last.data() < begin || last.data() >= end) && !last.empty()) gather({});
    return whole(last);
  }

  bool on_document_begin(Error&) { return true; }
  bool on_document_end(Error&) { return true; }
  bool on_object_begin(Error& error) { return open(JsonKind::object, error); }
  bool on_object_end(std::size_t, Error&) { return --depth, true; }
  bool on_array_begin(Error& error) { return open(JsonKind::array, error); }
  bool on_array_end(std::size_t, Error&) { return --depth, true; }
  bool on_key_part(Text part, std::size_t, Error&) { return gather(part); }
  bool on_key(Text last, std::size_t, Error& error) {
    name = keep(last);
    // An empty name is of no member of ours; it must not pass for an array's element either.
    if (name.empty()) name = "\"\"";
    return name.size() <= 256 || stop(error, Fault::too_many);
  }
  bool on_string_part(Text part, std::size_t, Error&) { return gather(part); }
  bool on_string(Text last, std::size_t, Error& error) { return add(JsonKind::string, error, keep(last)); }
  bool on_number_part(Text, Error&) { return true; }
  bool on_int64(std::int64_t value, Text, Error& error) {
    const std::size_t at = body->unescaped_.size();
    base::append_number(body->unescaped_, value);
    return add(JsonKind::integer, error, std::string_view(body->unescaped_).substr(at), value);
  }
  bool on_uint64(std::uint64_t, Text, Error& error) { return add(JsonKind::number, error); }
  bool on_double(double, Text, Error& error) { return add(JsonKind::number, error); }
  bool on_bool(bool value, Error& error) { return add(JsonKind::boolean, error, {}, 0, value); }
  bool on_null(Error& error) { return add(JsonKind::null, error); }
  bool on_comment_part(Text, Error&) { return true; }
  bool on_comment(Text, Error&) { return true; }
};

namespace {

base::Problem describe_fault(const JsonEvents& events, const boost::json::error_code& error) {
  const std::string name(events.fault_name);
  switch (events.fault) {
    case Fault::not_an_object:
      return {"", "the body must be a JSON object"};
    case Fault::duplicate:
      return {name, "is there twice"};
    case Fault::too_many:
      return {name, "too many members, or a name that is too long"};
    case Fault::too_deep:
      return {name, "the body is nested too deeply; allowed: " + std::to_string(JsonBody::kMaxDepth) + " levels"};
    default:
      break;
  }
  if (error == boost::json::error::too_deep)
    return {"", "the body is nested too deeply; allowed: " + std::to_string(JsonBody::kMaxDepth) + " levels"};
  return {"", "the body is not valid JSON: " + error.message()};
}

}  // namespace

std::string_view describe(JsonKind kind) noexcept {
  constexpr std::string_view kNames[] = {"null",     "a boolean", "an integer", "a number",
                                         "a string", "an array",  "an object"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::string_view text_of(JsonName name) noexcept {
  static constexpr std::array<std::string_view, kJsonNames> kTexts{"",
                                                                   "client_id",
                                                                   "client_version",
                                                                   "features",
                                                                   "hardware_fingerprint",
                                                                   "idempotency_key",
                                                                   "license_id",
                                                                   "license_key",
                                                                   "metric",
                                                                   "nonce",
                                                                   "quantity",
                                                                   "signature",
                                                                   "timestamp"};
  return kTexts[static_cast<std::size_t>(name)];
}

JsonName json_name_of(std::string_view text) noexcept {
  const auto either = [text](auto... names) {
    JsonName found = JsonName::other;
    ((text == text_of(names) ? void(found = names) : void()), ...);
    return found;
  };
  using enum JsonName;
  switch (text.size()) {
    case 5:
      return either(nonce);
    case 6:
      return either(metric);
    case 8:
      return either(features, quantity);
    case 9:
      return either(client_id, signature, timestamp);
    case 10:
      return either(license_id);
    case 11:
      return either(license_key);
    case 14:
      return either(client_version);
    case 15:
      return either(idempotency_key);
    case 20:
      return either(hardware_fingerprint);
    default:
      return other;
  }
}

const JsonMember* JsonBody::find(std::string_view name) const noexcept {
  for (std::size_t i = 0; i < nodes_.size(); i += 1 + nodes_[i].children) {
    if (nodes_[i].name == name) return &nodes_[i];
  }
  return nullptr;
}

std::optional<base::Problem> JsonBody::parse(std::string_view text) {
  nodes_.clear();
  places_ = {};
  unescaped_.clear();
  unescaped_.reserve(text.size());  // what is copied is never longer than it stood
  boost::json::parse_options options;
  options.max_depth = kMaxDepth;
  thread_local boost::json::basic_parser<JsonEvents> parser(options);
  parser.reset();
  JsonEvents& events = parser.handler();
  events = {};
  events.body = this;
  events.begin = text.data();
  events.end = text.data() + text.size();
  boost::json::error_code error;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), error);
  if (!error && used < text.size()) error = boost::json::error::extra_data;
  if (!error) return std::nullopt;
  return describe_fault(events, error);
}

}  // namespace lictor::api
