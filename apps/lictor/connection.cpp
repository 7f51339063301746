#include "lictor/connection.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
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

#include "lictor/error.h"
#include "lictor/text.h"

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

// lictord holds this file locked as long as it lives: an address that a crash left behind must not get the key.
bool is_locked(const fs::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool locked = ::flock(file, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(file);
  return locked;
}

bool is_own_file(const fs::path& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == ::geteuid();
}

fs::path guess_data() {
  fs::path found;
  for (const char* const place : {"var/demo", "var/lictor"}) {
    if (!is_own_file(fs::path(place) / "admin.key")) continue;
    if (!found.empty()) return {};
    found = place;
  }
  return found;
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host.ends_with(".localhost") || host == "[::1]" || host.starts_with("127.");
}

std::string part(CURLU* url, CURLUPart which) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, 0) != CURLUE_OK || text == nullptr) return {};
  const std::unique_ptr<char, decltype(&curl_free)> owner(text, &curl_free);
  return text;
}

void set_url(Connection& connection, const std::string& text, std::string_view source) {
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

void read_admin_key(Connection& connection) {
  const fs::path path = connection.data / "admin.key";
  auto key = read_small_file(path);
  if (!key) {
    const std::string reason = errno == 0 ? "it is empty" : std::strerror(errno);
    throw CommandError(ExitCode::unauthenticated, fmt::format("{}: {}", printable(path.string()), reason),
                       "lictord writes it at its first start: lictord --data " + printable(connection.data.string()));
  }
  set_key(connection, *std::move(key), printable(path.string()));
}

}  // namespace

Connection find_connection(const std::string& url, const std::string& data) {
  const std::string url_variable = environment("LICTOR_URL");
  const std::string data_variable = environment("LICTOR_DATA");
  std::string key_variable = trimmed(environment("LICTOR_API_KEY"));
  Connection connection;
  connection.data = !data.empty() ? data : data_variable;
  const bool guessed = url.empty() && url_variable.empty() && connection.data.empty() && key_variable.empty();
  if (guessed) connection.data = guess_data();

  const auto url_file = connection.data.empty() ? std::nullopt : read_small_file(connection.data / "lictord.url");
  if (!url.empty()) {
    set_url(connection, url, "--url");
  } else if (!url_variable.empty()) {
    set_url(connection, url_variable, "LICTOR_URL");
  } else if (!connection.data.empty() && !is_locked(connection.data / "lictord.url")) {
    throw CommandError(ExitCode::unreachable, fmt::format("no lictord runs on {}", printable(connection.data.string())),
                       "start it with lictord --data DIR, or name the server with --url or LICTOR_URL");
  } else if (url_file && !url_file->empty()) {
    set_url(connection, *url_file, printable((connection.data / "lictord.url").string()));
  } else {
    set_url(connection, kDefaultUrl, "the default address");
  }

  if (data.empty() && !key_variable.empty()) {
    set_key(connection, std::move(key_variable), "LICTOR_API_KEY");
  } else if (!connection.data.empty() && (!guessed || connection.loopback)) {
    read_admin_key(connection);
  } else {
    throw CommandError(ExitCode::unauthenticated, "no API key", kKeyPlaces);
  }
  return connection;
}

}  // namespace lictor::cli
