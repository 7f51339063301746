// One end of a move (copy_database.h): what an engine does in its own way. A new engine joins with a class of this kind
// and a case in open_end().
#pragma once

#include <memory>
#include <string>

#include "store/copy_rows.h"
#include "store/copy_tables.h"
#include "store/database_url.h"
#include "store/sql_connection.h"

namespace lictor::store {

class MoveEnd {
 public:
  MoveEnd() = default;
  virtual ~MoveEnd() = default;
  MoveEnd(const MoveEnd&) = delete;
  MoveEnd& operator=(const MoveEnd&) = delete;

  virtual Connection& connection() = 0;
  virtual std::string name() const = 0;  // its URL, without a password

  // Throws StoreError locked, which names them, when servers have it open, or another move is under way. Keeps others
  // from doing so where the engine can.
  virtual void require_unused() = 0;

  // False: it is empty. Throws StoreError other when it is the database of another program.
  virtual bool has_schema() = 0;
  virtual void make_schema() = 0;  // of this program's version, in a database that has none
  virtual std::int64_t newest_schema() const = 0;

  // Begins a transaction in which nobody else can write any of the tables, whether they heed a lock or not. Ended by
  // commit(), by roll_back() of the connection, or by the end of this process.
  virtual void hold() = 0;
  // From the commit on, each write to any table fails with StoreError moved and this text. In a transaction that
  // holds; an engine whose schema is not part of transactions does it in commit().
  virtual void raise_fence(const std::string& text) = 0;
  virtual void lower_fence() = 0;
  virtual void commit() { connection().commit(); }

  virtual void clear(bool with_events) = 0;  // all tables of copied_tables(), events only when asked for
  virtual std::unique_ptr<RowSink> sink(const CopiedTable& table) = 0;
  virtual void finish_copy() = 0;  // new rows get numbers behind those that came
};

enum class EndUse : std::uint8_t {
  read,    // of a database that is there, also while a server writes to it
  write,   // of a database that is there
  create,  // of one that may not be there
};
std::unique_ptr<MoveEnd> open_end(const DatabaseUrl& url, EndUse use);
std::unique_ptr<MoveEnd> open_sqlite_end(const std::string& path, EndUse use);
std::unique_ptr<MoveEnd> open_postgres_end(const std::string& url, EndUse use);

}  // namespace lictor::store
