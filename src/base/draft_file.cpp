#include "base/draft_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <system_error>

namespace lictor::base {

DraftFile::DraftFile(const std::string& path) {
  constexpr std::string_view kSuffix = ".partial";
  name_ = path + ".XXXXXX" + std::string(kSuffix);
  // With O_EXCL, which follows no link either, and mode 0600.
  descriptor_ = ::mkostemps(name_.data(), static_cast<int>(kSuffix.size()), O_CLOEXEC);
  if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), path);
}

DraftFile::~DraftFile() {
  if (!renamed_) ::unlink(name_.c_str());
  ::close(descriptor_);
}

}  // namespace lictor::base
