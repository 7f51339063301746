// Moves a whole database to another place or engine. No interruption, at whatever point, leaves two databases that
// both serve; docs/decisions/0009-moving.md has the argument, placement.h the records.
//
//   1. the target gets its schema and the mark "copying", by which a server refuses it
//   2. in one transaction on the source that keeps every other writer out: the fence and the record of the move, then
//      all rows are copied and compared; its COMMIT is the moment from which on the source serves no more
//   3. the target is marked "ready"
//
// Until 2 has ended nothing has changed on the source; between 2 and 3 the same call again does 3.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "store/database_url.h"
#include "store/store.h"

namespace lictor::store {

struct MoveProgress {
  enum class Step : std::uint8_t { copying, checking, fenced };
  Step step = Step::copying;
  std::string_view table;
  std::int64_t done = 0, all = 0;  // rows of all tables
};

struct MoveOptions {
  DatabaseUrl from, to;
  bool take_over = false;  // although servers have it open
  bool force = false;  // move: a damaged audit trail as it is; undo: although the target has served or can't be asked
  std::string id;      // of this move, which nobody can guess
  UnixSeconds now = 0;
  std::function<void(const MoveProgress&)> on_progress;  // may be empty
};

struct MoveFacts {
  std::string from, to;  // without passwords
  struct Table {
    std::string name;
    std::int64_t rows = 0;
  };
  std::vector<Table> tables;  // as they are on the target
  std::int64_t licenses = 0;
  std::int64_t events = 0;         // the newest one's sequence on the source
  std::string head_hash;           // its hash, 64 hex digits
  std::int64_t copied_events = 0;  // by this call
  bool audit_trail_is_whole = true;
  bool was_moved_before = false;  // an earlier call did it, or all but the last step
};

// Copies the audit trail alone, from a database that a server may be writing to, so that move_database() has less to
// do. May be called any number of times. Throws StoreError.
MoveFacts prepare_move(const MoveOptions& options);

// Throws StoreError, which names the database and what to do: locked, moved, corrupt, newer_schema, other, …
MoveFacts move_database(const MoveOptions& options);

// Lets the source serve again. Throws StoreError moved when the target has served or can't be asked, unless forced:
// then the target is fenced, when it can be reached.
struct UndoFacts {
  std::string from, to;
  bool target_was_reached = false;
  bool target_had_served = false;
};
UndoFacts undo_move(const MoveOptions& options);

}  // namespace lictor::store
