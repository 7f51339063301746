// The JSON documents of policies, license overrides and product settings: read strictly, applied onto Terms.
// The members are listed in docs/http-api.md and, as a table, in policy_document.cpp.
#pragma once

#include <boost/json/fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "licensing/terms.h"

namespace lictor::service {

// Applies each member of `document` onto `terms`; what the document does not name stays. The first member at fault is
// named as "terms.lease" when `where` is "terms".
std::optional<base::Problem> apply_terms(const boost::json::object& document, std::string_view where,
                                         licensing::Terms& terms);
// Whether the terms have a member of this name, and all names, separated by ", ".
bool is_term(std::string_view name) noexcept;
std::string term_names();
// What is allowed but likely a mistake, for people; empty when there is nothing to say.
std::vector<std::string> warn_of_terms(const licensing::Terms& terms);
// As apply_terms(), from stored text (an empty text changes nothing); throws std::runtime_error when it does not parse,
// because only checked documents are stored.
void apply_stored_terms(std::string_view text, licensing::Terms& terms);

struct ProductSettings {
  bool license_auth = false;       // client_auth: license
  bool require_signature = false;  // guide signature and timestamp on every data-plane request
  std::vector<licensing::Release> releases;
  std::vector<std::pair<std::string, base::UnixSeconds>> release_names;  // as written, for answers
};
std::optional<base::Problem> apply_settings(const boost::json::object& document, ProductSettings& settings);
ProductSettings parse_stored_settings(std::string_view text);

// Names of products and policies: [a-z0-9][a-z0-9._-]{0,62}.
bool is_resource_name(std::string_view name) noexcept;
// Names of features and metrics: [A-Za-z0-9][A-Za-z0-9_.:-]{0,63}.
bool is_item_name(std::string_view name) noexcept;

std::string_view name_of(licensing::LicenseType type) noexcept;
// `"features":[…],"entitlements":{…}` with what is licensed at `now`.
void append_features(std::string& out, const licensing::Terms& terms, base::UnixSeconds now);

}  // namespace lictor::service
