// A file beside the database that one process at a time holds locked (flock(2)), with that process's id in it.
#pragma once

#include <string>

namespace lictor::store {

// Released when it goes, also by a crash. The file itself stays: to remove it would race with the next holder.
class LockFile {
 public:
  // Throws StoreError: locked (naming the process that holds it), read_only, disk_full or other.
  explicit LockFile(const std::string& database_path)
      : LockFile("database " + database_path, database_path + ".lock") {}
  LockFile(const std::string& what, const std::string& path);  // `what` is locked, for people
  ~LockFile();
  LockFile(const LockFile&) = delete;
  LockFile& operator=(const LockFile&) = delete;

 private:
  int descriptor_ = -1;
};

// Whether a process, this one or another, holds the file locked; false when it can't be opened.
bool is_locked(const std::string& path) noexcept;

// The path behind symbolic links, so that one database has one lock. Throws StoreError for a file with several names.
std::string resolve_database_path(const std::string& path);

// Makes the file with mode 0600 unless it exists, and its name durable. Throws StoreError.
void create_database_file(const std::string& path);

// Run by root, for a server that isn't: what was made belongs to the owner of its directory. Throws StoreError.
void give_to_owner_of_directory(const std::string& path);

// Makes what was created, renamed or removed beside `path` durable. Throws StoreError.
void sync_directory_of(const std::string& path);

}  // namespace lictor::store
