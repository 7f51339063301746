// The draft of a file that is to be there as a whole or not at all.
#pragma once

#include <string>
#include <string_view>

namespace lictor::base {

// A new file beside `path`, PATH.XXXXXX.partial with six random characters, for its owner alone (mode 0600): in a
// directory that others may write to, nobody has made it before or knows its name, and no file of the user's is hit.
// Removed by the destructor unless it was renamed. Throws std::system_error that names the path.
class DraftFile {
 public:
  explicit DraftFile(const std::string& path);
  ~DraftFile();
  DraftFile(const DraftFile&) = delete;
  DraftFile& operator=(const DraftFile&) = delete;

  const std::string& name() const noexcept { return name_; }
  int descriptor() const noexcept { return descriptor_; }  // for reading and writing, open as long as this lives
  void write(std::string_view bytes);
  // Gives it the path's name, whatever had that, once its bytes are durable.
  void publish();
  void sync_name() const;                       // afterwards: the name is durable, too
  void renamed() noexcept { renamed_ = true; }  // by the caller, in a way of its own

 private:
  [[noreturn]] void fail() const;

  std::string path_;
  std::string name_;
  int descriptor_ = -1;
  bool renamed_ = false;
};

}  // namespace lictor::base
