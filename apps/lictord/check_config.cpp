#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "lictord/commands.h"
#include "lictord/data_directory.h"
#include "store/database_url.h"
#include "store/mysql_address.h"
#include "store/store.h"

namespace lictor::daemon {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

struct Findings {
  std::vector<std::string> problems, warnings;
};

// Port 0 of the address: whether it is one of this machine, not whether the port is free (lictord may be running).
std::string address_warning(const config::Options& options) {
  const std::string& host = options.server.listen_address;
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  const bool is_v6 = host.find(':') != std::string::npos;
  v4.sin_family = AF_INET;
  v6.sin6_family = AF_INET6;
  if (is_v6 ? inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) != 1
            : inet_pton(AF_INET, host.c_str(), &v4.sin_addr) != 1) {
    return {};  // refused before
  }
  const int probe = ::socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto* const address = is_v6 ? reinterpret_cast<const sockaddr*>(&v6) : reinterpret_cast<const sockaddr*>(&v4);
  const bool bound = probe >= 0 && ::bind(probe, address, is_v6 ? sizeof v6 : sizeof v4) == 0;
  const int error = errno;
  if (probe >= 0) ::close(probe);
  if (bound) return {};
  return fmt::format("option listen: {} can't be listened on now: {}", host, std::strerror(error));
}

void check_directory_of(const fs::path& file, const fs::path& data, const std::string& what, Findings& findings) {
  if (file.empty()) return;
  std::error_code error;
  const fs::path directory = fs::absolute(file, error).parent_path();
  // Below the data directory it is as good as that one.
  const fs::path relative = directory.lexically_relative(fs::absolute(data, error));
  if (!relative.empty() && *relative.begin() != "..") return;
  if (auto problem = directory_problem(directory, what)) findings.problems.push_back(std::move(*problem));
}

// The database's directory is not made, but for the data directory.
void check_database(const fs::path& database, const fs::path& data, Findings& findings) {
  std::error_code error;
  const fs::path path = fs::absolute(database, error);
  if (path.parent_path() == fs::absolute(data, error) || fs::exists(path.parent_path(), error)) {
    return check_directory_of(database, data, "the database's directory", findings);
  }
  findings.problems.push_back(
      fmt::format("database {}: its directory is not there; create it for the user who runs lictord", path.string()));
}

// Where a database server is, without the password; no server is asked. Or what is wrong with its address.
base::Result<std::string> shown_address(const config::Options::Database& database) {
  if (database.engine == config::Options::Database::Engine::postgresql) {
    const auto url = store::parse_database_url(database.url);
    return url ? base::Result<std::string>(store::shown(*url)) : url.problem();
  }
  try {
    return store::parse_mysql_address(database.url).shown();
  } catch (const store::StoreError& error) {
    return base::Problem{"database_url", error.what()};
  }
}

Findings check(const config::ParseOutcome& outcome) {
  Findings findings{outcome.problems, outcome.warnings};
  if (!outcome.options) return findings;
  const config::Options& options = *outcome.options;
  if (auto problem = data_directory_problem(options.server.data)) findings.problems.push_back(std::move(*problem));
  if (options.database.engine == config::Options::Database::Engine::sqlite) {
    check_database(options.database.sqlite_path, options.server.data, findings);
  } else {
    if (const auto shown = shown_address(options.database); !shown)
      findings.problems.push_back("option database_url: " + shown.problem().message);
  }
  check_directory_of(options.log.file, options.server.data, "the log's directory", findings);
  if (std::string warning = address_warning(options); !warning.empty()) findings.warnings.push_back(warning);
  return findings;
}

// A database server's address without its password, where it can be read.
std::string shown_value(const config::EffectiveOption& effective, const config::ParseOutcome& outcome) {
  const bool is_server =
      outcome.options && outcome.options->database.engine != config::Options::Database::Engine::sqlite;
  if (effective.option->name == "database_url" && is_server) {
    if (const auto shown = shown_address(outcome.options->database)) return *shown;  // else told as a problem
  }
  return config::printable_text(effective);
}

void print_json(const config::ParseOutcome& outcome, const Findings& findings) {
  json::array options;
  for (const config::EffectiveOption& effective : outcome.values) {
    const std::string shown = shown_value(effective, outcome);
    options.push_back(json::object{{"name", effective.option->name},
                                   {"value", effective.text.empty() ? json::value() : json::value(shown)},
                                   {"source", config::source_name(effective.source)},
                                   {"origin", effective.origin},
                                   {"changeable", effective.option->changeable}});
  }
  const json::object result{{"valid", findings.problems.empty()},
                            {"options", std::move(options)},
                            {"warnings", json::array(findings.warnings.begin(), findings.warnings.end())},
                            {"problems", json::array(findings.problems.begin(), findings.problems.end())}};
  std::puts(json::serialize(result).c_str());
}

std::string where_from(const config::EffectiveOption& effective) {
  return effective.source == config::Source::flag ? fmt::format("flag {}", effective.origin) : effective.origin;
}

void print_table(const config::ParseOutcome& outcome) {
  std::size_t width = 5;
  for (const auto& effective : outcome.values) width = std::max(width, shown_value(effective, outcome).size());
  std::string text = fmt::format("{:<19} {:<{}} {}\n", "OPTION", "VALUE", width, "FROM");
  for (const config::EffectiveOption& effective : outcome.values) {
    const std::string value = effective.text.empty() ? "-" : shown_value(effective, outcome);
    text += fmt::format("{:<19} {:<{}} {}\n", effective.option->name, value, width, where_from(effective));
  }
  std::fputs(text.c_str(), stdout);
}

}  // namespace

int run_check_config(const config::CommandLine& line) {
  const Findings findings = check(line.outcome);
  const int code = findings.problems.empty() ? 0 : 2;
  if (line.has("--json")) {
    print_json(line.outcome, findings);
    return code;
  }
  for (const std::string& warning : findings.warnings) std::fprintf(stderr, "lictord: warning: %s\n", warning.c_str());
  if (!line.outcome.options) {
    std::fputs(line.outcome.text.c_str(), stderr);
    return code;
  }
  print_table(line.outcome);
  for (const std::string& problem : findings.problems) {
    std::fprintf(stderr, "lictord: can't start: %s\n", problem.c_str());
  }
  return code;
}

}  // namespace lictor::daemon
