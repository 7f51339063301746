#include "api/admin_list.h"

#include <charconv>

#include "api/signed_request.h"
#include "base/encoding.h"

namespace lictor::api {
namespace {

bool take_number(std::string_view& text, std::int64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

}  // namespace

std::optional<RequestFault> read_license_id(const Arguments& arguments, std::optional<store::LicenseRef>& license) {
  const auto text = arguments.text("license_id");
  if (!text) return std::nullopt;
  license = ref_of_id(*text);
  if (license) return std::nullopt;
  return RequestFault{licensing::Code::bad_request, "license_id", "must be lic_ and 26 characters"};
}

std::string format_position(const store::Position& position) {
  std::string text = std::to_string(position.number) + "." + std::to_string(position.row);
  if (position.text.empty()) return text;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(position.text.data());
  return text + "." + base::to_hex({bytes, position.text.size()});
}

std::optional<store::Position> parse_position(std::string_view text) {
  store::Position position;
  if (!take_number(text, position.number) || !text.starts_with('.')) return std::nullopt;
  text.remove_prefix(1);
  if (!take_number(text, position.row) || position.row < 1) return std::nullopt;
  if (text.empty()) return position;
  if (!text.starts_with('.')) return std::nullopt;
  const auto bytes = base::from_hex(text.substr(1));
  if (!bytes || bytes->empty()) return std::nullopt;
  position.text.assign(bytes->begin(), bytes->end());
  return position;
}

RequestFault cursor_fault() {
  return {licensing::Code::bad_request, "cursor", "must be the next_cursor of an earlier answer to the same call"};
}

std::optional<RequestFault> read_position(const Arguments& arguments, std::optional<store::Position>& after) {
  const auto text = arguments.text("cursor");
  if (!text) return std::nullopt;
  after = parse_position(*text);
  if (after) return std::nullopt;
  return cursor_fault();
}

void append_next(std::string& out, const std::optional<std::string>& next) {
  out += ",\"next_cursor\":";
  next ? base::append_json_string(out, *next) : void(out += "null");
  out += '}';
}

void append_next(std::string& out, const std::optional<store::Position>& next) {
  append_next(out, next ? std::optional(format_position(*next)) : std::nullopt);
}

}  // namespace lictor::api
