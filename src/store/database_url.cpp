#include "store/database_url.h"

#include <libpq-fe.h>

#include "store/postgres_connection.h"

namespace lictor::store {
namespace {

using base::Problem;
using Engine = DatabaseUrl::Engine;

constexpr std::size_t kMaxShownScheme = 20;

bool is_understood(const std::string& uri) {
  char* error = nullptr;  // repeats the URI, password and all
  PQconninfoOption* const parsed = PQconninfoParse(uri.c_str(), &error);
  PQfreemem(error);
  PQconninfoFree(parsed);
  return parsed != nullptr;
}

base::Result<DatabaseUrl> parse_path(std::string_view path) {
  if (path.empty()) return Problem{"", "no path follows sqlite:"};
  if (path == ":memory:") return Problem{"", "a database in memory would not outlive the program"};
  if (path.find('\0') != path.npos) return Problem{"", "a path has no NUL byte"};
  if (path.starts_with("//") && !path.starts_with("///")) return Problem{"", "a path follows sqlite:, no host"};
  return DatabaseUrl{Engine::sqlite, std::string(path)};
}

}  // namespace

base::Result<DatabaseUrl> parse_database_url(std::string_view text) {
  const std::string_view scheme = text.substr(0, text.find(':'));
  if (scheme.size() == text.size())
    return Problem{"", "it has no scheme: sqlite:PATH or postgresql://USER@HOST/DATABASE"};
  const std::string_view rest = text.substr(scheme.size() + 1);
  if (scheme == "sqlite") return parse_path(rest);
  if (scheme != "postgresql" && scheme != "postgres") {
    return Problem{"", "no engine is called " + std::string(scheme.substr(0, kMaxShownScheme)) +
                           "; there are sqlite: and postgresql:"};
  }
  if (!rest.starts_with("//")) return Problem{"", std::string(scheme) + ": is followed by //USER@HOST/DATABASE"};
  std::string uri(text);
  if (uri.find('\0') != uri.npos || !is_understood(uri)) {
    return Problem{"",
                   "it is no connection URI of PostgreSQL, postgresql://USER@HOST:PORT/DATABASE?PARAMETER=VALUE, in "
                   "which special characters are written as %XX"};
  }
  return DatabaseUrl{Engine::postgresql, std::move(uri)};
}

std::string shown(const DatabaseUrl& url) {
  return url.engine == Engine::sqlite ? "sqlite:" + url.location : without_password(url.location);
}

}  // namespace lictor::store
