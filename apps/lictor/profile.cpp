#include "lictor/profile.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <system_error>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "base/draft_file.h"
#include "base/suggest.h"
#include "config/data_files.h"
#include "lictor/error.h"
#include "lictor/text.h"

namespace lictor::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 4> kMembers = {"url", "api_key", "api_key_file", "data"};

[[noreturn]] void refuse(const fs::path& path, const std::string& what, const std::string& hint = {}) {
  throw CommandError(ExitCode::usage, fmt::format("{}: {}", printable(path.string()), what), hint);
}

std::string member(const fs::path& path, const toml::table& table, std::string_view name) {
  const toml::node* const node = table.get(name);
  if (node == nullptr) return {};
  const auto* const text = node->as_string();
  if (text == nullptr || text->get().empty()) refuse(path, fmt::format("{}: not a text in quotes", name));
  return text->get();
}

std::string quoted(const std::string& text) {
  std::ostringstream out;
  out << toml::value<std::string>(text);
  return out.str();
}

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace

bool is_trusted_owner(uid_t owner) noexcept { return owner == ::geteuid() || owner == 0; }

void require_private(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return;  // reading it says why
  if (!is_trusted_owner(status.st_uid)) {
    throw CommandError(ExitCode::unauthenticated,
                       fmt::format("{}: it belongs to another user", printable(path.string())),
                       "a file that says where your API key goes must be your own");
  }
  if ((status.st_mode & 077) == 0) return;
  throw CommandError(ExitCode::unauthenticated, fmt::format("{}: others may read it", printable(path.string())),
                     fmt::format("chmod 600 {}", printable(path.string())));
}

Profile read_profile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  errno = 0;
  if (!file || !(text << file.rdbuf())) refuse(path, errno == 0 ? "it is empty" : std::strerror(errno));
  require_private(path);
  const toml::parse_result parsed = toml::parse(text.str());
  if (!parsed) {
    refuse(path, fmt::format("line {}: {}", parsed.error().source().begin.line,
                             printable(std::string(parsed.error().description()))));
  }
  const toml::table& table = parsed.table();
  for (const auto& [key, node] : table) {
    const std::string_view name = key.str();
    if (std::find(kMembers.begin(), kMembers.end(), name) != kMembers.end()) continue;
    refuse(path, fmt::format("{}: not a member of a profile{}; url, api_key, api_key_file and data are",
                             printable(std::string(name)), base::suggestion(name, kMembers)));
  }
  Profile profile{path, member(path, table, "url"), member(path, table, "api_key"), {}, {}};
  const fs::path directory = path.parent_path();
  if (const std::string name = member(path, table, "api_key_file"); !name.empty())
    profile.api_key_file = directory / name;
  if (const std::string name = member(path, table, "data"); !name.empty()) profile.data = directory / name;
  if (!profile.api_key.empty() && !profile.api_key_file.empty()) refuse(path, "give api_key or api_key_file, not both");
  return profile;
}

void write_profile(const Profile& profile, const fs::path& path) {
  std::string text = "# Where lictor finds a server, and the API key that goes to it.\n";
  const auto add = [&text](const char* name, const std::string& value) {
    if (!value.empty()) text += fmt::format("{} = {}\n", name, quoted(value));
  };
  add("url", profile.url);
  add("api_key", profile.api_key);
  add("api_key_file", profile.api_key_file.string());
  add("data", profile.data.string());

  const mode_t mask = ::umask(077);
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  ::umask(mask);
  try {
    base::DraftFile draft(path.string());
    draft.write(text);
    draft.publish();
  } catch (const std::system_error& failure) {
    throw CommandError(ExitCode::refused, fmt::format("{}: it can't be written: {}", printable(path.string()),
                                                      std::strerror(failure.code().value())));
  }
}

fs::path own_profile_path() {
  // The base directory must be absolute; others are to be ignored.
  const std::string config = environment("XDG_CONFIG_HOME");
  if (config.starts_with('/')) return fs::path(config) / "lictor" / config::kProfileFile;
  const std::string home = environment("HOME");
  return home.starts_with('/') ? fs::path(home) / ".config" / "lictor" / config::kProfileFile : fs::path();
}

}  // namespace lictor::cli
