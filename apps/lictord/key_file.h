// Files that hold one secret: mode 0600, replaced as a whole, durable before the function returns.
#pragma once

#include <string>
#include <string_view>

namespace lictor::daemon {

// Throws std::system_error naming the path.
void write_key_file(const std::string& path, std::string_view secret);

// Where this server listens, for `lictor --data`: a file that is locked (flock) as long as the server lives, so that an
// address a crash left behind is not believed. Removed at the end.
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

}  // namespace lictor::daemon
