#include "store/sqlite_checkpointer.h"

#include "store/sqlite_settings.h"

namespace lictor::store {
namespace {

constexpr int kSmallRest = 8;               // of the length at which copying starts: what the writer may be kept with
constexpr int kForceWaitMilliseconds = 50;  // for readers to leave the log; they are short

}  // namespace

Checkpointer::Checkpointer(const std::string& path, SqliteConnection& writer, int pages)
    : connection_(path, SqliteConnection::Mode::read_write),
      writer_(writer),
      pages_(pages),
      next_force_(pages * kMaxLogFactor) {
  connection_.execute(kCheckpointerSettings);
  sqlite3_wal_hook(writer_.handle(), &Checkpointer::on_commit, this);
  thread_ = std::thread([this] { run(); });
}

Checkpointer::~Checkpointer() {
  sqlite3_wal_hook(writer_.handle(), nullptr, nullptr);
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

int Checkpointer::on_commit(void* self, sqlite3* /*handle*/, const char* /*database*/, int log_pages) {
  auto& checkpointer = *static_cast<Checkpointer*>(self);
  checkpointer.log_pages_ = log_pages;
  if (log_pages < checkpointer.pages_) return SQLITE_OK;
  {
    const std::lock_guard lock(checkpointer.mutex_);
    if (checkpointer.due_) return SQLITE_OK;
    checkpointer.due_ = true;
  }
  checkpointer.wake_.notify_one();
  return SQLITE_OK;
}

void Checkpointer::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || due_; });
    if (stop_) return;
    lock.unlock();
    copy_passively();
    lock.lock();
    due_ = false;  // the next commit wakes us again if the log is still long
  }
}

void Checkpointer::copy_passively() {
  const std::lock_guard copying(copying_);
  int in_log = 0;
  int copied = 0;
  const int code = sqlite3_wal_checkpoint_v2(connection_.handle(), "main", SQLITE_CHECKPOINT_PASSIVE, &in_log, &copied);
  if (code == SQLITE_OK) rest_is_small_.store(in_log - copied <= pages_ / kSmallRest, std::memory_order_relaxed);
}

void Checkpointer::between_transactions() noexcept {
  if (log_pages_ < pages_) {
    next_force_ = pages_ * kMaxLogFactor;
    return;
  }
  if (log_pages_ >= next_force_) {
    next_force_ = log_pages_ + pages_;  // a reader that stays must not cost every transaction the wait
    const std::lock_guard copying(copying_);
    sqlite3_busy_timeout(writer_.handle(), kForceWaitMilliseconds);
    sqlite3_wal_checkpoint_v2(writer_.handle(), "main", SQLITE_CHECKPOINT_RESTART, nullptr, nullptr);
    sqlite3_busy_timeout(writer_.handle(), SqliteConnection::kBusyTimeoutMilliseconds);
  } else if (rest_is_small_.exchange(false, std::memory_order_relaxed)) {
    const std::lock_guard copying(copying_);
    sqlite3_wal_checkpoint_v2(writer_.handle(), "main", SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  }
}

}  // namespace lictor::store
