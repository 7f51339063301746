// The small files of the data directory: replaced as a whole, durable before the function returns.
#pragma once

#include <string>
#include <string_view>

namespace lictor::daemon {

// One secret, mode 0600. Throws std::system_error naming the path, as all here.
void write_key_file(const std::string& path, std::string_view secret);

// Where `lictor` finds this server and its administrator's key, for the first administrator to copy or to name; mode
// 0600. A file that is there is left as it is. `key_file` is relative to the profile's own directory; the key itself is
// not in it.
void write_profile_file(const std::string& path, std::string_view url, std::string_view key_file);

// Where this server listens, for `lictor --data`: a file that is locked (flock) as long as the server lives, so that an
// address a crash left behind is not believed. Mode 0600: whoever may open it could hold that lock. Removed at the end.
class UrlFile {
 public:
  UrlFile(std::string path, std::string_view url);
  ~UrlFile();
  UrlFile(const UrlFile&) = delete;
  UrlFile& operator=(const UrlFile&) = delete;

 private:
  const std::string path_;
  int descriptor_ = -1;
};
// What the file says while a server that lives holds it; empty otherwise.
std::string running_url(const std::string& path);

}  // namespace lictor::daemon
