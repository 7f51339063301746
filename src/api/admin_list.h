// What lists of administrative calls share.
#pragma once

#include <optional>
#include <string>

#include "api/call.h"
#include "api/fields.h"
#include "store/store.h"

namespace lictor::api {

// The argument `license_id`.
std::optional<RequestFault> read_license_id(const Arguments& arguments, std::optional<store::LicenseRef>& license);

// A cursor is a Position as text: `number.row` or `number.row.hexadecimal text`. Callers must not look into it.
std::string format_position(const store::Position& position);
std::optional<store::Position> parse_position(std::string_view text);
// A `cursor` that is none.
RequestFault cursor_fault();
// The argument `cursor`.
std::optional<RequestFault> read_position(const Arguments& arguments, std::optional<store::Position>& after);

// `,"next_cursor":…}`
void append_next(std::string& out, const std::optional<store::Position>& next);
void append_next(std::string& out, const std::optional<std::string>& next);

}  // namespace lictor::api
