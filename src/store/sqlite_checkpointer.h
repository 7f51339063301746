// Copies the write-ahead log back into the database file (https://www.sqlite.org/wal.html), beside the writer, so that
// no commit waits for it.
//
// The log starts over only when all of it was copied while nobody read or wrote it. Under steady writing the thread
// here never gets that far by itself, so the writer copies the rest between two transactions: when little is left, or
// when the log has become kMaxLogFactor times as long as it should be.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "store/sqlite_connection.h"

namespace lictor::store {

class Checkpointer {
 public:
  static constexpr int kMaxLogFactor = 8;

  // Starts the thread. `writer` must outlive this object and be used by the thread that calls between_transactions().
  Checkpointer(const std::string& path, SqliteConnection& writer, int pages);
  ~Checkpointer();  // stops the thread, after a checkpoint that runs
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;

  // The writer's part. Never throws: a log that can't be copied now is copied later, and loses nothing.
  void between_transactions() noexcept;

 private:
  static int on_commit(void* self, sqlite3* handle, const char* database, int log_pages);
  void run();
  void copy_passively();

  SqliteConnection connection_;  // the thread's
  SqliteConnection& writer_;
  const int pages_;
  std::atomic<bool> rest_is_small_{false};
  int log_pages_ = 0;   // the writer's: length of the log after the last commit
  int next_force_ = 0;  // the writer's: length at which it tries again to start over

  std::mutex copying_;  // one copies at a time; a writer that must start the log over waits for the thread
  std::mutex mutex_;    // guards stop_ and due_
  std::condition_variable wake_;
  bool stop_ = false;
  bool due_ = false;
  std::thread thread_;
};

}  // namespace lictor::store
