// What an identity may do. A route names the one scope it needs; `admin:*` grants all.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace lictor::auth {

enum class Scope : std::uint8_t {
  none = 0,  // for routes that need no identity
  license_validate = 1,
  license_activate = 2,
  license_read = 4,
  usage_write = 8,
  admin_read = 16,
  admin_write = 32,
};

using ScopeSet = std::uint8_t;  // bits of Scope

struct ScopeName {
  std::string_view name;
  ScopeSet grants;
};
inline constexpr std::array<ScopeName, 7> kScopes{{
    {"license:validate", 1},
    {"license:activate", 2},
    {"license:read", 4},
    {"usage:write", 8},
    {"admin:read", 16},
    {"admin:write", 32},
    {"admin:*", 63},
}};

constexpr bool grants(ScopeSet set, Scope scope) noexcept {
  return (set & static_cast<ScopeSet>(scope)) == static_cast<ScopeSet>(scope);
}

// Names separated by single spaces; a Problem names the unknown one and lists what is allowed.
base::Result<ScopeSet> parse_scopes(std::string_view names);

}  // namespace lictor::auth
