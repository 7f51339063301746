#include "base/draft_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace lictor::base {

DraftFile::DraftFile(const std::string& path) : path_(path) {
  constexpr std::string_view kSuffix = ".partial";
  name_ = path + ".XXXXXX" + std::string(kSuffix);
  // With O_EXCL, which follows no link either, and mode 0600.
  descriptor_ = ::mkostemps(name_.data(), static_cast<int>(kSuffix.size()), O_CLOEXEC);
  if (descriptor_ < 0) fail();
}

DraftFile::~DraftFile() {
  if (!renamed_) ::unlink(name_.c_str());
  ::close(descriptor_);
}

void DraftFile::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(descriptor_, bytes.data(), bytes.size());
    if (put < 0) fail();
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
}

void DraftFile::publish() {
  if (::fsync(descriptor_) != 0 || std::rename(name_.c_str(), path_.c_str()) != 0) fail();
  renamed_ = true;
}

void DraftFile::sync_name() const {
  const std::string parent = std::filesystem::path(path_).parent_path().string();
  const int directory = ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) fail();
  ::fsync(directory);
  ::close(directory);
}

void DraftFile::fail() const { throw std::system_error(errno, std::generic_category(), path_); }

}  // namespace lictor::base
