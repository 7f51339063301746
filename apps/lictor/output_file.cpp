#include "lictor/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "lictor/error.h"
#include "lictor/text.h"

namespace lictor::cli {
namespace {

namespace fs = std::filesystem;

// /dev/stdout, /dev/fd/1 and the like, which lead to what is open: never to be replaced.
bool is_link_to_descriptor(const std::string& path) {
  struct stat link {};
  return (path.starts_with("/dev/") || path.starts_with("/proc/")) && ::lstat(path.c_str(), &link) == 0 &&
         S_ISLNK(link.st_mode);
}

bool is_open_as_stdout(const struct stat& target) {
  struct stat out {};
  return ::fstat(STDOUT_FILENO, &out) == 0 && target.st_dev == out.st_dev && target.st_ino == out.st_ino;
}

}  // namespace

template <class Work>
void OutputFile::or_fail(const Work& work) const {
  try {
    work();
  } catch (const std::system_error& error) {
    errno = error.code().value();
    fail();
  }
}

OutputFile::OutputFile(const std::string& path) : path_(path) {
  if (path.empty() || path == "-") return;
  struct stat target {};
  const bool is_there = ::stat(path.c_str(), &target) == 0;
  const bool is_link = is_link_to_descriptor(path);
  if (is_there && is_link && is_open_as_stdout(target)) return;
  if (is_there && (is_link || !S_ISREG(target.st_mode))) {
    const int descriptor = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY);
    file_ = descriptor < 0 ? nullptr : ::fdopen(descriptor, "wb");
    if (file_ == nullptr) fail();
    return;
  }
  if (is_there) path_ = fs::canonical(path).string();
  or_fail([this] { draft_.emplace(path_); });
  const int descriptor = ::fcntl(draft_->descriptor(), F_DUPFD_CLOEXEC, 0);
  file_ = descriptor < 0 ? nullptr : ::fdopen(descriptor, "wb");
  if (file_ == nullptr) fail();
}

OutputFile::~OutputFile() {
  if (file_ != nullptr && !is_stdout()) std::fclose(file_);
}

// Stdout is flushed, and its errors found, at the end of main().
void OutputFile::write(std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), file_) != text.size() && !is_stdout()) fail();
  text.clear();
}

void OutputFile::finish() {
  if (is_stdout()) return;
  if (std::fflush(file_) != 0) fail();
  if (draft_) or_fail([this] { draft_->publish(); });
}

void OutputFile::fail() const {
  throw CommandError(ExitCode::refused,
                     fmt::format("{}: it can't be written: {}", printable(path_), std::strerror(errno)));
}

}  // namespace lictor::cli
