// Copies of a whole database: made while a server writes to it, checked, and put back. All three run in a process of
// their own, never in the server.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "store/store.h"

namespace lictor::store {

// What a copy holds, for people and scripts.
struct CopyFacts {
  std::int64_t bytes = 0;
  std::int64_t schema_version = 0;
  std::int64_t licenses = 0;
  std::int64_t events = 0;  // the sequence of the newest
  std::string head_hash;    // of the newest event, 64 hex digits: to be kept elsewhere, see audit_chain.h
};

struct CopyOptions {
  bool replace = false;                                                  // what stands in the way
  std::function<void(std::int64_t done, std::int64_t all)> on_progress;  // pages; may be empty
};

// Checks a file that is in use by nobody: that SQLite finds it whole (PRAGMA quick_check), that it is a database of
// this program and not newer than it, and that the newest event is the one of the audit head. Throws StoreError that
// names the file: corrupt, newer_schema or other.
CopyFacts check_copy(const std::string& file);

// Copies `database` to `file`, mode 0600, as it is at one moment: under one read transaction, so that a server may
// write meanwhile (its write-ahead log can't start over until the copy is done, and grows). Writes a draft beside
// FILE (base/draft_file.h), checks it, makes it durable and gives it its name. Throws StoreError; then FILE is as it
// was and the draft is gone. FILE is never what belongs to the database, a link, or anything but a regular file.
CopyFacts back_up(const std::string& database, const std::string& file, const CopyOptions& options);

// Checks `file` and puts a copy of it in the place of `database`, durably. Throws StoreError: locked when a server runs
// on `database`, other when there is one and `options.replace` is not set. A replaced database stays, whole and with
// its log, as DATABASE.previous, which must not exist before. Interrupted, it may be run again.
CopyFacts restore(const std::string& file, const std::string& database, const CopyOptions& options);

}  // namespace lictor::store
