// What several commands do with one license.
#pragma once

#include <optional>
#include <string>

#include "lictor/session.h"
#include "lictor/values.h"

namespace lictor::cli {

// The id, and what the server said of it if it was asked.
struct FoundLicense {
  std::string id;
  std::optional<boost::json::object> license;
};

// `name`: its id (lic_…) or its license key. Throws CommandError when there is none.
FoundLicense find_license(Session& session, const std::string& name);
boost::json::object get_license(Session& session, const std::string& name);
void print_license(Session& session, const boost::json::object& license);

// active, over limit, released, lease ended or blocked.
std::string client_state(const boost::json::object& client);
Table clients_table(const boost::json::array& clients);

// The members of --set MEMBER=JSON.
boost::json::object read_assignments(const std::vector<std::string>& texts);

inline constexpr const char* kLicenseArgument = "Its id (lic_…) or its key";

}  // namespace lictor::cli
