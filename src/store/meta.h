// Records of the table `meta`, each a text under a name.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "store/sql_connection.h"

namespace lictor::store {

std::optional<std::string> read_meta(Connection& connection, std::string_view name);
// In place of what may be there.
void write_meta(Connection& connection, std::string_view name, std::string_view value);
// False, and nothing is changed: it is not `from`.
bool change_meta(Connection& connection, std::string_view name, std::string_view from, std::string_view to);
void erase_meta(Connection& connection, std::string_view name);

}  // namespace lictor::store
