// Where an export goes: stdout, or a file that is there as a whole or not at all.
#pragma once

#include <cstdio>
#include <optional>
#include <string>

#include "base/draft_file.h"

namespace lictor::cli {

// A file is for its owner alone (mode 0600): exports hold license keys and names of customers. It gets its name with
// finish(); without it nothing is left. What is there and no regular file, such as /dev/null or a pipe, is written
// into. Throws CommandError.
class OutputFile {
 public:
  // Empty or `-` is stdout.
  explicit OutputFile(const std::string& path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  bool is_stdout() const noexcept { return file_ == stdout; }
  void write(std::string& text);  // and empties it
  void finish();

 private:
  template <class Work>
  void or_fail(const Work& work) const;
  [[noreturn]] void fail() const;

  std::string path_;  // a link's target, if it was one
  std::optional<base::DraftFile> draft_;
  std::FILE* file_ = stdout;
};

}  // namespace lictor::cli
