#include "lictor/connection.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>

#include "config/data_files.h"
#include "lictor/error.h"
#include "lictor/profile.h"
#include "lictor/text.h"
#include "store/lock_file.h"

namespace lictor::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDefaultUrl = "http://127.0.0.1:8000";
constexpr std::size_t kMaxFileBytes = 4096;  // of admin.key and lictord.url

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::string trimmed(std::string text) {
  const char* const space = " \t\r\n";
  text.erase(text.find_last_not_of(space) + 1);
  text.erase(0, text.find_first_not_of(space));
  return text;
}

// The text of a small file; nothing, and errno, when it can't be read.
std::optional<std::string> read_small_file(const fs::path& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxFileBytes, '\0');
  if (!file.read(text.data(), static_cast<std::streamsize>(text.size())) && file.gcount() == 0) return std::nullopt;
  text.resize(static_cast<std::size_t>(file.gcount()));
  return trimmed(std::move(text));
}

// lictord holds its lictord.url locked as long as it lives: an address that a crash left behind must not get the key.
// The lock of a file that others may open can be anybody's.
bool is_served(const fs::path& data) {
  const fs::path file = data / config::kUrlFile;
  if (data.empty() || !store::is_locked(file)) return false;
  struct stat status {};
  if (::stat(file.c_str(), &status) == 0 && (status.st_mode & 077) == 0 && is_trusted_owner(status.st_uid)) return true;
  throw CommandError(
      ExitCode::unauthenticated,
      fmt::format("{}: others may open it, so that it does not prove that a lictord runs", printable(file.string())),
      "restart lictord, which makes it anew for its own user (mode 0600), or name the server with --url");
}

// Nobody else made it, or can put another thing in its place.
bool is_own(const fs::path& path, mode_t type) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 && (status.st_mode & S_IFMT) == type && status.st_uid == ::geteuid() &&
         (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

// A directory that nobody named must be wholly one's own, or whoever made it would be told the key.
bool is_own_data(const fs::path& directory) {
  if (!is_own(directory.parent_path(), S_IFDIR) || !is_own(directory, S_IFDIR)) return false;
  if (!is_own(directory / config::kAdminKeyFile, S_IFREG)) return false;
  for (const char* const name : {config::kUrlFile, config::kProfileFile}) {
    std::error_code error;
    const auto status = fs::symlink_status(directory / name, error);
    if (status.type() != fs::file_type::not_found && !is_own(directory / name, S_IFREG)) return false;
  }
  return true;
}

fs::path guess_data() {
  fs::path found;
  for (const char* const place : {"var/demo", "var/lictor"}) {
    if (!is_own_data(place)) continue;
    if (!found.empty()) return {};
    found = place;
  }
  return found;
}

bool is_loopback(const std::string& host) {
  in_addr address{};  // 127.0.0.0/8, RFC 1122, section 3.2.1.3; a name that begins like it is none
  const bool in_net = ::inet_pton(AF_INET, host.c_str(), &address) == 1 && ntohl(address.s_addr) >> 24U == 127;
  return host == "localhost" || host.ends_with(".localhost") || host == "[::1]" || in_net;
}

std::string part(CURLU* url, CURLUPart which) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, 0) != CURLUE_OK || text == nullptr) return {};
  const std::unique_ptr<char, decltype(&curl_free)> owner(text, &curl_free);
  return text;
}

void set_url(Connection& connection, const std::string& text, const std::string& source) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> url(curl_url(), &curl_url_cleanup);
  const CURLUcode code = curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0);
  const std::string scheme = part(url.get(), CURLUPART_SCHEME);
  const bool bare = part(url.get(), CURLUPART_USER).empty() && part(url.get(), CURLUPART_QUERY).empty() &&
                    part(url.get(), CURLUPART_FRAGMENT).empty();
  if (code != CURLUE_OK || (scheme != "http" && scheme != "https") || !bare) {
    throw CommandError(
        ExitCode::usage,
        fmt::format("{}: not the address of a server; give http:// or https://, a host and a port", source),
        "for example --url http://127.0.0.1:8000");
  }
  std::string host = part(url.get(), CURLUPART_HOST);
  std::transform(host.begin(), host.end(), host.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  connection.loopback = is_loopback(host);
  connection.url_source = source;
  connection.encrypted = scheme == "https";
  connection.url = part(url.get(), CURLUPART_URL);
  while (connection.url.ends_with('/')) connection.url.pop_back();
}

void set_key(Connection& connection, std::string key, std::string source) {
  const bool plain = std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (key.empty() || !plain) {
    throw CommandError(ExitCode::unauthenticated, fmt::format("{} holds no API key", source),
                       fmt::format("an API key begins with lk_live_; {}", kKeyPlaces));
  }
  connection.api_key = crypto::Secret(std::move(key));
  connection.key_source = std::move(source);
}

void read_key_file(Connection& connection, const fs::path& path) {
  require_private(path);
  auto key = read_small_file(path);
  if (!key) {
    const std::string reason = errno == 0 ? "it is empty" : std::strerror(errno);
    throw CommandError(
        ExitCode::unauthenticated, fmt::format("{}: {}", printable(path.string()), reason),
        "lictord writes it when it makes its database; for another server of the same one give --url, and "
        "the key of the first in LICTOR_API_KEY, or make a key: lictord admin-key --data " +
            (connection.data.empty() ? "DIR" : printable(connection.data.string())));
  }
  set_key(connection, *std::move(key), printable(path.string()));
  connection.key_file = path;
}

// Who said where the server is, in the order of precedence.
enum class Origin { none, flag, environment, own_profile, guess };

struct Place {
  Origin origin = Origin::none;
  Profile profile;  // empty when there is none
  fs::path data;    // empty when there is none
};

Place place_of_data(Origin origin, const fs::path& data) {
  Place place{origin, {}, data};
  std::error_code error;
  if (fs::exists(data / config::kProfileFile, error)) place.profile = read_profile(data / config::kProfileFile);
  return place;
}

// `text`: the file, or a directory that holds one.
Place place_of_profile(Origin origin, const fs::path& text) {
  std::error_code error;
  Place place{origin, read_profile(fs::is_directory(text, error) ? text / config::kProfileFile : text), {}};
  const fs::path directory = place.profile.path.parent_path();
  place.data = place.profile.data;
  // One that lies in a data directory, where lictord put it, need not say so.
  const bool beside =
      fs::exists(directory / config::kUrlFile, error) || fs::exists(directory / config::kAdminKeyFile, error);
  if (place.data.empty() && beside) place.data = directory.empty() ? "." : directory;
  return place;
}

Place find_place(const std::string& data, const std::string& profile, bool otherwise_given) {
  if (!profile.empty() && !data.empty())
    throw CommandError(ExitCode::usage, "--data and --profile can't be given together");
  if (!profile.empty()) return place_of_profile(Origin::flag, profile);
  if (!data.empty()) return place_of_data(Origin::flag, data);
  if (const std::string path = environment("LICTOR_PROFILE"); !path.empty())
    return place_of_profile(Origin::environment, path);
  if (const std::string path = environment("LICTOR_DATA"); !path.empty())
    return place_of_data(Origin::environment, path);
  std::error_code error;
  const fs::path own = own_profile_path();
  if (!own.empty() && fs::exists(own, error)) return place_of_profile(Origin::own_profile, own);
  const fs::path guess = otherwise_given ? fs::path() : guess_data();
  return guess.empty() ? Place() : place_of_data(Origin::guess, guess);
}

// The server that the place names; none when it is one of this machine and no lictord lives there.
std::optional<Connection> server_of_place(const Place& place) {
  Connection server;
  if (is_served(place.data)) {
    const fs::path file = place.data / config::kUrlFile;
    const auto text = read_small_file(file);
    if (text && !text->empty()) {
      set_url(server, *text, printable(file.string()));
      return server;
    }
  }
  if (place.profile.url.empty()) return std::nullopt;
  set_url(server, place.profile.url, printable(place.profile.path.string()) + ": url");
  if (server.loopback && !place.data.empty()) return std::nullopt;
  return server;
}

void set_url_of_place(Connection& connection, const Place& place) {
  if (auto server = server_of_place(place)) {
    server->data = place.data;
    connection = *std::move(server);
  } else if (!place.data.empty()) {
    throw CommandError(ExitCode::unreachable, fmt::format("no lictord runs on {}", printable(place.data.string())),
                       "start it with lictord --data DIR, or name the server with --url");
  } else {
    set_url(connection, kDefaultUrl, "the default address");
  }
}

bool names_url(const Place& place) { return !place.profile.url.empty() || is_served(place.data); }

void set_key_of_place(Connection& connection, const Place& place) {
  if (!place.profile.api_key.empty())
    return set_key(connection, place.profile.api_key, printable(place.profile.path.string()));
  if (!place.profile.api_key_file.empty()) return read_key_file(connection, place.profile.api_key_file);
  if (!place.data.empty()) return read_key_file(connection, place.data / config::kAdminKeyFile);
  throw CommandError(ExitCode::unauthenticated,
                     fmt::format("{} names no API key", printable(place.profile.path.string())),
                     "give it a member api_key_file or api_key, or set LICTOR_API_KEY");
}

std::string name_of(const Place& place) {
  return printable(place.data.empty() ? place.profile.path.string() : place.data.string());
}

// Whether a key that lies in this place may go where the connection goes: to the place's own server; elsewhere only
// when one command line names both.
void require_own_server(const Connection& connection, const Place& place, bool url_flag) {
  if (place.origin == Origin::flag && url_flag) return;
  if (const auto own = server_of_place(place); own && own->url == connection.url) return;
  throw CommandError(
      ExitCode::unauthenticated,
      fmt::format("the API key of {} does not go to {}, which is from {}", name_of(place), connection.url,
                  connection.url_source),
      fmt::format("give both on the command line ({} {} --url {}) to send it there, or another key in LICTOR_API_KEY",
                  place.data.empty() ? "--profile" : "--data", name_of(place), connection.url));
}

}  // namespace

Connection find_connection(const std::string& url, const std::string& data, const std::string& profile) {
  const std::string url_variable = environment("LICTOR_URL");
  std::string key_variable = trimmed(environment("LICTOR_API_KEY"));
  const bool url_given = !url.empty() || !url_variable.empty();
  const Place place = find_place(data, profile, url_given || !key_variable.empty());

  Connection connection;
  connection.data = place.data;
  if (!url.empty()) {
    set_url(connection, url, "--url");
  } else if (!url_variable.empty() && !(place.origin == Origin::flag && names_url(place))) {
    set_url(connection, url_variable, "LICTOR_URL");
  } else {
    set_url_of_place(connection, place);
  }

  const bool by_place = place.origin == Origin::flag || (place.origin != Origin::none && key_variable.empty());
  const bool trusted = place.origin == Origin::flag || place.origin == Origin::environment ||
                       (place.origin == Origin::own_profile && !url_given) ||
                       (place.origin == Origin::guess && connection.loopback);
  if (by_place && trusted) {
    if (url_given) require_own_server(connection, place, !url.empty());
    set_key_of_place(connection, place);
  } else if (!key_variable.empty()) {
    set_key(connection, std::move(key_variable), "LICTOR_API_KEY");
  } else {
    throw CommandError(ExitCode::unauthenticated, "no API key", kKeyPlaces);
  }
  return connection;
}

}  // namespace lictor::cli
