#include "auth/scope.h"

#include <algorithm>

#include "base/encoding.h"

namespace lictor::auth {

base::Result<ScopeSet> parse_scopes(std::string_view names) {
  ScopeSet set = 0;
  if (names.ends_with(' ')) return base::Problem{"scopes", "must be separated by single spaces"};
  while (!names.empty()) {
    const std::string_view name = names.substr(0, names.find(' '));
    names.remove_prefix(std::min(names.size(), name.size() + 1));
    const auto* known = std::ranges::find(kScopes, name, &ScopeName::name);
    if (known == kScopes.end()) {
      std::string allowed;
      for (const auto& scope : kScopes) allowed += (allowed.empty() ? "" : ", ") + std::string(scope.name);
      return base::Problem{"scopes",
                           "'" + std::string(base::clip_utf8(name, 64)) + "' is no scope; allowed: " + allowed};
    }
    set = static_cast<ScopeSet>(set | known->grants);
  }
  if (set == 0) return base::Problem{"scopes", "must name at least one scope"};
  return set;
}

}  // namespace lictor::auth
