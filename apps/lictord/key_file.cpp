#include "lictord/key_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "base/draft_file.h"
#include "base/encoding.h"
#include "store/lock_file.h"

namespace lictor::daemon {
namespace {

[[noreturn]] void fail(const std::string& path) { throw std::system_error(errno, std::generic_category(), path); }

void write_file(const std::string& path, std::string_view text) {
  base::DraftFile draft(path);
  draft.write(text);
  draft.write("\n");
  draft.publish();
  draft.sync_name();
}

}  // namespace

void write_key_file(const std::string& path, std::string_view secret) { write_file(path, secret); }

void write_profile_file(const std::string& path, std::string_view url, std::string_view key_file) {
  if (std::filesystem::exists(std::filesystem::symlink_status(path))) return;
  const std::string text = fmt::format(
      "# For the lictor command: where this server is and which API key to use.\n"
      "# Written when it is not there; yours to change. The key stays in its own file.\n"
      "url = {}\n"
      "api_key_file = {}  # relative to this file",
      base::json_string(url), base::json_string(key_file));
  write_file(path, text);
}

UrlFile::UrlFile(std::string path, std::string_view url) : path_(std::move(path)) {
  write_file(path_, url);
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0 || ::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) fail(path_);
}

UrlFile::~UrlFile() {
  ::unlink(path_.c_str());
  ::close(descriptor_);
}

std::string running_url(const std::string& path) {
  std::ifstream file(path);
  std::string url;
  std::getline(file, url);
  return store::is_locked(path) ? url : std::string();
}

}  // namespace lictor::daemon
