#include "lictor/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "lictor/error.h"
#include "lictor/text.h"

namespace lictor::cli {

OutputFile::OutputFile(const std::string& path) : path_(path) {
  if (path.empty() || path == "-") return;
  draft_ = path + ".part";
  ::unlink(draft_.c_str());
  const int descriptor = ::open(draft_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  file_ = descriptor < 0 ? nullptr : ::fdopen(descriptor, "wb");
  if (file_ == nullptr) fail();
}

OutputFile::~OutputFile() {
  if (file_ == nullptr) return;
  std::fclose(file_);
  ::unlink(draft_.c_str());
}

// Stdout is flushed, and its errors found, at the end of main().
void OutputFile::write(std::string& text) {
  std::FILE* const target = is_stdout() ? stdout : file_;
  if (std::fwrite(text.data(), 1, text.size(), target) != text.size() && !is_stdout()) fail();
  text.clear();
}

void OutputFile::finish() {
  if (is_stdout()) return;
  const bool written = std::fflush(file_) == 0 && ::fsync(::fileno(file_)) == 0;
  if (!written || std::rename(draft_.c_str(), path_.c_str()) != 0) fail();
  std::fclose(file_);
  file_ = nullptr;
}

void OutputFile::fail() const {
  throw CommandError(ExitCode::refused,
                     fmt::format("{}: it can't be written: {}", printable(path_), std::strerror(errno)));
}

}  // namespace lictor::cli
