#include "store/database_url.h"

#include <libpq-fe.h>

#include <algorithm>
#include <memory>

#include "base/encoding.h"

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

// The first parameter of the URI that libpq does not have; empty: none, or a text that may be no name.
std::string unknown_parameter(std::string_view uri) {
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> known(PQconndefaults(), &PQconninfoFree);
  const std::size_t begin = uri.find('?');
  if (known == nullptr || begin == std::string_view::npos) return {};
  for (std::string_view rest = uri.substr(begin + 1); !rest.empty();) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string name(rest.substr(0, std::min(rest.find('='), end)));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const PQconninfoOption* option = known.get();
    while (option->keyword != nullptr && name != option->keyword) ++option;
    const bool is_name = name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string::npos;
    if (option->keyword == nullptr && name != "ssl") return is_name ? name : "";
  }
  return {};
}

base::Result<DatabaseUrl> parse_path(std::string_view path) {
  if (path.empty()) return Problem{"", "no path follows sqlite:"};
  if (path == ":memory:") return Problem{"", "a database in memory would not outlive the program"};
  if (path.find('\0') != path.npos) return Problem{"", "a path has no NUL byte"};
  if (path.starts_with("//") && !path.starts_with("///")) return Problem{"", "a path follows sqlite:, no host"};
  return DatabaseUrl{Engine::sqlite, std::string(path)};
}

// "a,b" and "1,2" as a:1,b:2. A port may stand for all of them.
std::string hosts_and_ports(std::string_view hosts, std::string_view ports) {
  const auto next = [](std::string_view& list) {
    const std::size_t end = std::min(list.find(','), list.size());
    const std::string_view first = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    return first;
  };
  const bool one_port = ports.find(',') == std::string_view::npos;
  std::string text;
  do {
    const std::string_view host = next(hosts), port = one_port ? ports : next(ports);
    text.append(text.empty() ? "" : ",").append(host);
    if (!port.empty()) text.append(":").append(port);
  } while (!hosts.empty());
  return text;
}

}  // namespace

base::Result<DatabaseUrl> parse_database_url(std::string_view text) {
  const std::string_view scheme = text.substr(0, text.find(':'));
  if (scheme.size() == text.size())
    return Problem{"", "it has no scheme: sqlite:PATH or postgresql://USER@HOST/DATABASE"};
  const std::string_view rest = text.substr(scheme.size() + 1);
  if (scheme == "sqlite") return parse_path(rest);
  if (scheme == "mysql" || scheme == "mariadb")
    return Problem{"", "MySQL and MariaDB can't be moved to or from; sqlite: and postgresql: can"};
  if (scheme != "postgresql" && scheme != "postgres") {
    return Problem{"", "no engine is called " + std::string(scheme.substr(0, kMaxShownScheme)) +
                           "; there are sqlite: and postgresql:"};
  }
  if (!rest.starts_with("//")) return Problem{"", std::string(scheme) + ": is followed by //USER@HOST/DATABASE"};
  if (base::has_stray_at(text)) return Problem{"", "it has " + std::string(base::kStrayAt)};
  std::string uri(text);
  if (uri.find('\0') != uri.npos || !is_understood(uri)) {
    if (const std::string name = unknown_parameter(text); !name.empty())
      return Problem{"", "PostgreSQL knows no parameter '" + name + "' of a connection URI"};
    return Problem{"",
                   "it is no connection URI of PostgreSQL, postgresql://USER@HOST:PORT/DATABASE?PARAMETER=VALUE, in "
                   "which special characters are written as %XX"};
  }
  return DatabaseUrl{Engine::postgresql, std::move(uri)};
}

std::string without_password(const std::string& url) {
  char* error = nullptr;
  PQconninfoOption* const parsed = PQconninfoParse(url.c_str(), &error);
  PQfreemem(error);
  if (parsed == nullptr) return "postgresql:";
  std::string user, hosts, port, database;
  for (const PQconninfoOption* option = parsed; option->keyword != nullptr; ++option) {
    const std::string_view keyword = option->keyword;
    const char* const value = option->val == nullptr ? "" : option->val;
    if (keyword == "user") user = value;
    if (keyword == "host") hosts = value;
    if (keyword == "port") port = value;
    if (keyword == "dbname") database = value;
  }
  PQconninfoFree(parsed);
  return "postgresql://" + (user.empty() ? "" : user + "@") + hosts_and_ports(hosts, port) + "/" + database;
}

std::string shown(const DatabaseUrl& url) {
  return url.engine == Engine::sqlite ? "sqlite:" + url.location : without_password(url.location);
}

}  // namespace lictor::store
