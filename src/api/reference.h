// docs/http-api.md's generated parts, from the tables of routes and codes.
#pragma once

#include <string>

namespace lictor::api {

std::string render_codes_markdown();           // the table of codes
std::string render_administration_markdown();  // one section for each administrative call
std::string render_import_rows_markdown();     // the members of import rows

}  // namespace lictor::api
