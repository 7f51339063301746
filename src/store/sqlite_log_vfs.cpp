#include "store/sqlite_log_vfs.h"

#include <sqlite3.h>

#include <cstddef>
#include <memory>
#include <new>
#include <vector>

namespace lictor::store {
namespace {

constexpr std::size_t kMaxWaitingBytes = 120 * 1024;  // SQLite's default takes less than 128 KiB in one call

// SQLite gives the memory: this, and the real file right behind it.
struct LogFile {
  sqlite3_file base;
  std::vector<std::byte>* waiting;
  sqlite3_int64 start;  // of `waiting` in the file

  sqlite3_file* real() noexcept { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

LogFile& log_of(sqlite3_file* file) noexcept { return *reinterpret_cast<LogFile*>(file); }

// What can't be written is dropped: SQLite rolls the transaction back.
int flush(LogFile& log) noexcept {
  if (log.waiting->empty()) return SQLITE_OK;
  sqlite3_file* const real = log.real();
  const int code = real->pMethods->xWrite(real, log.waiting->data(), static_cast<int>(log.waiting->size()), log.start);
  log.waiting->clear();
  return code;
}

int write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) noexcept {
  LogFile& log = log_of(file);
  const auto bytes = static_cast<std::size_t>(size);
  const bool continues = offset == log.start + static_cast<sqlite3_int64>(log.waiting->size());
  if (!continues || log.waiting->size() + bytes > kMaxWaitingBytes) {
    if (const int code = flush(log); code != SQLITE_OK) return code;
  }
  if (log.waiting->empty()) log.start = offset;
  const auto* first = static_cast<const std::byte*>(data);
  if (bytes > kMaxWaitingBytes) return log.real()->pMethods->xWrite(log.real(), data, size, offset);
  log.waiting->insert(log.waiting->end(), first, first + bytes);  // within the reserved capacity
  return SQLITE_OK;
}

// Runs `call` on the real file after what waits was written.
template <class Call>
int after_flush(sqlite3_file* file, Call call) noexcept {
  LogFile& log = log_of(file);
  const int code = flush(log);
  return code == SQLITE_OK ? call(log.real()) : code;
}

int read(sqlite3_file* file, void* out, int size, sqlite3_int64 offset) noexcept {
  return after_flush(file, [=](sqlite3_file* real) { return real->pMethods->xRead(real, out, size, offset); });
}
int truncate(sqlite3_file* file, sqlite3_int64 size) noexcept {
  return after_flush(file, [=](sqlite3_file* real) { return real->pMethods->xTruncate(real, size); });
}
int sync(sqlite3_file* file, int flags) noexcept {
  return after_flush(file, [=](sqlite3_file* real) { return real->pMethods->xSync(real, flags); });
}
int file_size(sqlite3_file* file, sqlite3_int64* size) noexcept {
  return after_flush(file, [=](sqlite3_file* real) { return real->pMethods->xFileSize(real, size); });
}
int file_control(sqlite3_file* file, int operation, void* argument) noexcept {
  return after_flush(file, [=](sqlite3_file* real) { return real->pMethods->xFileControl(real, operation, argument); });
}
int close(sqlite3_file* file) noexcept {
  LogFile& log = log_of(file);
  const int flushed = flush(log);
  const int closed = log.real()->pMethods->xClose(log.real());
  delete log.waiting;
  return flushed == SQLITE_OK ? closed : flushed;
}

int lock(sqlite3_file* file, int level) noexcept {
  return log_of(file).real()->pMethods->xLock(log_of(file).real(), level);
}
int unlock(sqlite3_file* file, int level) noexcept {
  return log_of(file).real()->pMethods->xUnlock(log_of(file).real(), level);
}
int check_lock(sqlite3_file* file, int* reserved) noexcept {
  return log_of(file).real()->pMethods->xCheckReservedLock(log_of(file).real(), reserved);
}
int sector_size(sqlite3_file* file) noexcept { return log_of(file).real()->pMethods->xSectorSize(log_of(file).real()); }
int characteristics(sqlite3_file* file) noexcept {
  return log_of(file).real()->pMethods->xDeviceCharacteristics(log_of(file).real());
}

// Version 1: a log is neither mapped nor shared memory.
constexpr sqlite3_io_methods kLogMethods{
    1,       close,      read,         write,       truncate,        sync,    file_size, lock,
    unlock,  check_lock, file_control, sector_size, characteristics, nullptr, nullptr,   nullptr,
    nullptr, nullptr,    nullptr};

int open_log(sqlite3_vfs* real_vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) noexcept {
  LogFile& log = log_of(file);
  file->pMethods = nullptr;  // tells SQLite not to close it when opening fails
  const int code = real_vfs->xOpen(real_vfs, name, log.real(), flags, out_flags);
  if (code != SQLITE_OK) return code;
  log.start = 0;
  try {
    auto waiting = std::make_unique<std::vector<std::byte>>();
    waiting->reserve(kMaxWaitingBytes);
    log.waiting = waiting.release();  // until close()
  } catch (const std::bad_alloc&) {
    log.real()->pMethods->xClose(log.real());
    return SQLITE_NOMEM;
  }
  file->pMethods = &kLogMethods;
  return SQLITE_OK;
}

int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) noexcept {
  auto* const real_vfs = static_cast<sqlite3_vfs*>(vfs->pAppData);
  if ((flags & SQLITE_OPEN_WAL) != 0) return open_log(real_vfs, name, file, flags, out_flags);
  return real_vfs->xOpen(real_vfs, name, file, flags, out_flags);
}

// All but open() is the default's own; on Unix none of those look at the vfs they are called with.
sqlite3_vfs make_vfs() {
  sqlite3_initialize();
  sqlite3_vfs* const real_vfs = sqlite3_vfs_find(nullptr);
  sqlite3_vfs vfs = *real_vfs;
  vfs.zName = "lictor-joined-log";
  vfs.szOsFile = real_vfs->szOsFile + static_cast<int>(sizeof(LogFile));
  vfs.pNext = nullptr;
  vfs.pAppData = real_vfs;
  vfs.xOpen = open;
  return vfs;
}

}  // namespace

const char* joined_log_vfs() {
  static sqlite3_vfs vfs = make_vfs();
  static const int registered = sqlite3_vfs_register(&vfs, 0);
  return registered == SQLITE_OK ? vfs.zName : nullptr;  // nullptr: SQLite's default, slower and as safe
}

}  // namespace lictor::store
