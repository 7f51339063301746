#include "store/sqlite_backup.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "base/draft_file.h"
#include "base/encoding.h"
#include "store/lock_file.h"
#include "store/migrations.h"
#include "store/queries.h"
#include "store/sqlite_connection.h"

namespace lictor::store {
namespace {

namespace fs = std::filesystem;
using Kind = StoreError::Kind;

constexpr int kPagesAStep = 4096;
constexpr std::size_t kCopyBytes = 1024 * 1024;

[[noreturn]] void fail(const std::string& path, const char* doing, int error) {
  Kind kind = Kind::other;
  if (error == EACCES || error == EPERM || error == EROFS) kind = Kind::read_only;
  if (error == ENOSPC || error == EDQUOT) kind = Kind::disk_full;
  throw StoreError(kind, path + ": " + doing + " failed: " + std::strerror(error));
}

base::DraftFile draft_of(const std::string& path) {
  try {
    return base::DraftFile(path);
  } catch (const std::system_error& error) {
    fail(path, "making a draft beside it", error.code().value());
  }
}

void sync(const base::DraftFile& draft) {
  if (::fsync(draft.descriptor()) != 0) fail(draft.name(), "syncing", errno);
}

bool exists(const std::string& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

bool is_same_file(const std::string& a, const std::string& b) {
  std::error_code error;
  return fs::equivalent(a, b, error) && !error;
}

struct Head {
  std::int64_t sequence = 0;
  std::string hash;
  bool operator==(const Head&) const = default;
};

Head read_head(SqliteConnection& connection, std::string_view query) {
  Statement statement(connection, query);
  auto rows = statement.rows();
  if (!rows.next()) return {0, std::string(64, '0')};  // before the first event
  return {rows.number(0), base::to_hex(rows.blob(1))};
}

std::int64_t require_known_version(SqliteConnection& connection, const std::string& path) {
  const std::int64_t found = schema_version(connection);
  if (found == 0) connection.fail_corrupt("it has no schema");
  const std::int64_t newest = migrations().back().version;
  if (found <= newest) return found;
  throw StoreError(Kind::newer_schema, "database " + path + " has schema version " + std::to_string(found) +
                                           ", this program knows versions up to " + std::to_string(newest) +
                                           ": use a newer program");
}

void quick_check(SqliteConnection& connection) {
  Statement statement(connection, "PRAGMA quick_check(1)");
  auto rows = statement.rows();
  if (!rows.next()) connection.fail_corrupt("it can't be checked");
  if (rows.text(0) != "ok") connection.fail_corrupt(rows.text(0));
}

// A copy goes to a new file, or with `replace` in the place of another one, but of nothing else: not of a device, and
// of no file that a server works with, whose place or name it would take.
void require_free_target(const std::string& database, const std::string& file, bool replace) {
  struct stat status {};
  const bool is_there = ::lstat(file.c_str(), &status) == 0;
  std::error_code error;
  const fs::path own = fs::weakly_canonical(database, error), given = fs::weakly_canonical(file, error);
  for (const char* const suffix : {"", "-wal", "-shm", "-journal", ".lock"}) {
    const std::string part = own.string() + suffix;
    if (given != part && !is_same_file(file, part)) continue;
    throw StoreError(Kind::other, file + (*suffix == '\0' ? " is the database itself" : " belongs to the database"));
  }
  if (is_there && S_ISLNK(status.st_mode)) {
    throw StoreError(Kind::other, file + " is a symbolic link: give the file itself");
  }
  if (is_there && !S_ISREG(status.st_mode)) throw StoreError(Kind::other, file + " exists and is no regular file");
  if (is_there && !replace) throw StoreError(Kind::other, file + " exists: --force replaces it");
}

void require_plain_file(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) fail(path, "opening", errno);
  if (!S_ISREG(status.st_mode)) throw StoreError(Kind::other, path + " is no regular file");
  if (status.st_size == 0) throw StoreError(Kind::corrupt, path + " is empty, no database");
}

// Pages of `from`, in the read transaction it holds.
void copy_pages(SqliteConnection& from, SqliteConnection& to, const CopyOptions& options) {
  sqlite3_backup* const backup = sqlite3_backup_init(to.handle(), "main", from.handle(), "main");
  if (backup == nullptr) to.fail(sqlite3_errcode(to.handle()));
  int code = SQLITE_OK;
  while (code == SQLITE_OK) {
    code = sqlite3_backup_step(backup, kPagesAStep);
    const std::int64_t all = sqlite3_backup_pagecount(backup);
    if (options.on_progress) options.on_progress(all - sqlite3_backup_remaining(backup), all);
  }
  const int finished = sqlite3_backup_finish(backup);
  if (code == SQLITE_DONE) code = finished;
  if (code == SQLITE_OK) return;
  const int kind = code & 0xff;
  (kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB ? from : to).fail(code);
}

// A file that stands alone: without a write-ahead log beside it, which a copy taken elsewhere would leave behind.
void leave_write_ahead_log(const std::string& path) {
  SqliteConnection connection(path, SqliteConnection::Mode::read_write);
  Statement statement(connection, "PRAGMA journal_mode = DELETE");
  auto rows = statement.rows();
  if (!rows.next() || rows.text(0) != "delete") throw StoreError(Kind::other, path + ": its log can't be closed");
}

// Gives the draft the name `to`; without `replace` only when nothing has it.
void give_name(base::DraftFile& draft, const std::string& to, bool replace) {
  const std::string& from = draft.name();
  const unsigned flags = replace ? 0 : RENAME_NOREPLACE;
  int result = ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags);
  if (result != 0 && errno == EINVAL && !exists(to)) result = std::rename(from.c_str(), to.c_str());
  if (result == 0) {
    draft.renamed();
    return sync_directory_of(to);
  }
  if (errno == EEXIST) throw StoreError(Kind::other, to + " exists");
  fail(to, "naming", errno);
}

// A name of its own for what is there: when the other name goes, the file stays.
void keep_as(const std::string& path, const std::string& name) {
  if (!exists(path) || is_same_file(path, name)) return;
  if (::link(path.c_str(), name.c_str()) != 0) fail(name, "keeping the old file", errno);
}

void remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) fail(path, "removing", errno);
}

void copy_file(const std::string& from, const base::DraftFile& to) {
  const int source = ::open(from.c_str(), O_RDONLY | O_CLOEXEC);
  if (source < 0) fail(from, "opening", errno);
  ssize_t copied = 0;
  do {
    copied = ::sendfile(to.descriptor(), source, nullptr, kCopyBytes);
  } while (copied > 0);
  const int error = errno;
  ::close(source);
  if (copied < 0) fail(to.name(), "copying to it", error);
  sync(to);
}

// The database at `path` goes to PATH.previous with its log. Each step leaves something that no server starts on (a
// file with two names) or that is complete, so a restore that was interrupted loses nothing.
void put_aside(const std::string& path, bool replace) {
  const std::string previous = path + ".previous";
  if (!exists(path)) return;
  if (!replace) {
    throw StoreError(Kind::other,
                     "there is a database at " + path + ": --force replaces it and keeps it as " + previous);
  }
  const bool resumed = is_same_file(path, previous);
  if (exists(previous) && !resumed) {
    throw StoreError(Kind::other, previous + " exists, from an earlier restore: move it away first");
  }
  keep_as(path, previous);
  keep_as(path + "-wal", previous + "-wal");
  sync_directory_of(path);
  remove(path + "-wal");
  remove(path + "-shm");
  sync_directory_of(path);
}

}  // namespace

CopyFacts check_copy(const std::string& file) {
  require_plain_file(file);
  std::error_code error;
  if (const std::string log = file + "-wal"; fs::file_size(log, error) > 0 && !error) {
    throw StoreError(Kind::other,
                     log + " stands beside it: " + file +
                         " is a database in use or was copied while it was, not what lictord backup wrote");
  }
  SqliteConnection connection(file, SqliteConnection::Mode::immutable);
  connection.execute("PRAGMA cell_size_check = ON");
  if (check_application(connection, file)) throw StoreError(Kind::corrupt, file + " is an empty database");
  CopyFacts facts;
  facts.schema_version = require_known_version(connection, file);
  quick_check(connection);
  const Head head = read_head(connection, sql::kAuditHead);
  if (read_head(connection, sql::kNewestEvent) != head) {
    connection.fail_corrupt("the newest event is not the one of the audit head");
  }
  facts.bytes = static_cast<std::int64_t>(fs::file_size(file));
  facts.licenses = connection.number(sql::kTotals);
  facts.events = head.sequence;
  facts.head_hash = head.hash;
  return facts;
}

CopyFacts back_up(const std::string& database, const std::string& file, const CopyOptions& options) {
  require_plain_file(database);
  require_free_target(database, file, options.replace);
  SqliteConnection source(database, SqliteConnection::Mode::read_only);
  if (check_application(source, database)) throw StoreError(Kind::other, "database " + database + " is empty");
  require_known_version(source, database);

  base::DraftFile draft = draft_of(file);  // open until the end: see fcntl(2) about closing
  const std::string& partial = draft.name();
  source.execute("BEGIN");
  const Head head = read_head(source, sql::kAuditHead);  // the transaction's snapshot is taken here
  {
    SqliteConnection copy(partial, SqliteConnection::Mode::read_write);
    copy.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
    copy_pages(source, copy, options);
  }
  source.execute("COMMIT");
  leave_write_ahead_log(partial);
  const CopyFacts facts = check_copy(partial);
  if (facts.events != head.sequence || facts.head_hash != head.hash) {
    throw StoreError(Kind::corrupt, partial + ": the copy's audit head is not the one of " + database);
  }
  sync(draft);
  give_name(draft, file, options.replace);
  return facts;
}

CopyFacts restore(const std::string& file, const std::string& database, const CopyOptions& options) {
  const CopyFacts facts = check_copy(file);
  std::error_code error;
  // Not resolve_database_path(): what an interrupted restore left has two names.
  const std::string path = fs::weakly_canonical(database, error).string();
  if (error) fail(database, "resolving", error.value());
  const LockFile lock(path);
  if (is_same_file(file, path)) throw StoreError(Kind::other, file + " is the database itself");
  if (!options.replace && exists(path)) put_aside(path, false);  // refuses, before the work
  base::DraftFile draft = draft_of(path);
  const std::string& restoring = draft.name();
  copy_file(file, draft);
  const CopyFacts copied = check_copy(restoring);
  if (copied.head_hash != facts.head_hash || copied.bytes != facts.bytes) {
    throw StoreError(Kind::corrupt, restoring + ": the copy is not what " + file + " holds");
  }
  give_to_owner_of_directory(restoring);
  give_to_owner_of_directory(path + ".lock");
  put_aside(path, options.replace);
  remove(path + "-wal");  // of a database that was deleted: it must not be taken for the new one's
  remove(path + "-shm");
  give_name(draft, path, true);
  return facts;
}

}  // namespace lictor::store
