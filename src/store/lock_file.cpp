#include "store/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "store/store.h"

namespace lictor::store {
namespace {

using Kind = StoreError::Kind;

[[noreturn]] void fail(const std::string& path, const char* doing, int error) {
  Kind kind = Kind::other;
  if (error == EACCES || error == EPERM || error == EROFS) kind = Kind::read_only;
  if (error == ENOSPC || error == EDQUOT) kind = Kind::disk_full;
  throw StoreError(kind, path + ": " + doing + " failed: " + std::strerror(error));
}

// The process id in the file, or nothing that helps.
std::string holder(int descriptor) {
  std::array<char, 16> text{};
  const ssize_t size = pread(descriptor, text.data(), text.size(), 0);
  std::string pid;
  for (ssize_t i = 0; i < size && text[static_cast<std::size_t>(i)] >= '0' && text[static_cast<std::size_t>(i)] <= '9';
       ++i) {
    pid += text[static_cast<std::size_t>(i)];
  }
  return pid.empty() ? std::string("another process") : "process " + pid;
}

}  // namespace

LockFile::LockFile(const std::string& what, const std::string& path) {
  descriptor_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor_ < 0 && errno == ENOENT) {
    throw StoreError(Kind::other, what + ": its directory is not there; create it for the user who runs lictord");
  }
  if (descriptor_ < 0) fail(path, "opening", errno);
  if (flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    const std::string other = holder(descriptor_);
    close(descriptor_);
    if (error != EWOULDBLOCK) fail(path, "locking", error);
    throw StoreError(Kind::locked, what + " is in use by " + other + " (lock file " + path + ")");
  }
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(descriptor_, 0) != 0 || pwrite(descriptor_, pid.data(), pid.size(), 0) < 0) {
    const int error = errno;
    close(descriptor_);
    fail(path, "writing", error);
  }
}

LockFile::~LockFile() { close(descriptor_); }

bool is_locked(const std::string& path) noexcept {
  const int file = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) return false;
  const bool locked = flock(file, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  close(file);
  return locked;
}

std::string resolve_database_path(const std::string& path) {
  std::error_code error;
  const std::filesystem::path resolved = std::filesystem::weakly_canonical(path, error);
  if (error) fail(path, "resolving", error.value());
  const auto names = std::filesystem::hard_link_count(resolved, error);
  if (!error && names > 1) {
    throw StoreError(Kind::locked, "database " + path + " has " + std::to_string(names) +
                                       " names (hard links): two servers could open it at once");
  }
  return resolved.string();
}

void create_database_file(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0 && errno == EEXIST) return;
  if (descriptor < 0) fail(path, "creating", errno);
  const int result = fsync(descriptor);
  const int error = errno;
  close(descriptor);
  if (result != 0) fail(path, "syncing", error);
  sync_directory_of(path);
}

void give_to_owner_of_directory(const std::string& path) {
  struct stat directory {};
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  if (geteuid() != 0 || stat(parent.empty() ? "." : parent.c_str(), &directory) != 0) return;
  if (lchown(path.c_str(), directory.st_uid, directory.st_gid) != 0) fail(path, "giving to its owner", errno);
}

void sync_directory_of(const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  const std::string directory = parent.empty() ? std::string(".") : parent.string();
  const int descriptor = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) fail(directory, "opening", errno);
  const int result = fsync(descriptor);
  const int error = errno;
  close(descriptor);
  if (result != 0) fail(directory, "syncing", error);
}

}  // namespace lictor::store
