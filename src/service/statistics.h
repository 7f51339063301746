// What happens beside the answers, on a thread of its own: refusals are written down, leases that have ended are taken
// out, seats are rolled up into the figures of days, licenses that expire are told of in the audit trail, and what is
// old goes. Everything is written through the write path in small transactions. It also notices when the database was
// moved elsewhere. Of the processes on one database each writes its own refusals down, and one, the first that asks for
// it as long as it lives, does the rest (store.h, Tx::lead()). Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>

#include "base/retention_clock.h"
#include "service/expiry_notices.h"
#include "service/lease_sweeper.h"
#include "service/refusal_buffer.h"
#include "service/refusal_keeper.h"
#include "service/seat_roll_up.h"
#include "service/write_path.h"

namespace lictor::service {

struct StatisticsOptions {
  std::chrono::seconds interval{60};                // between two roll-ups of seats
  std::chrono::seconds refusals_age{30 * 86'400};   // how long a refusal is kept
  std::int64_t refusals_max = 100'000;              // how many are
  std::chrono::seconds reports_age{400 * 86'400};   // how long the figures of days are kept
  std::chrono::seconds expiry_notice{14 * 86'400};  // ahead of a license's end; 0: none
};

class Statistics {
 public:
  // Everything must outlive stop().
  Statistics(store::Store& store, WritePath& writes, const base::Clock& clock, unsigned io_threads,
             StatisticsOptions options, std::function<void(std::string_view what)> on_error,
             std::function<void(std::string_view why)> on_moved = {});  // once, on the thread
  ~Statistics();                                                        // stop()

  void set_options(const StatisticsOptions& options);  // takes effect at once
  StatisticsOptions options() const;

  // On the I/O thread of that number, when it gives the answer.
  void note_refusal(unsigned io_thread, const RefusalNote& note) { buffer_.add(io_thread, note); }
  // Until what was noted before the call is in the database; false: not within that time.
  bool write_refusals(std::chrono::milliseconds limit);
  // Until what happened before the call is in the figures of seats; false: not within that time, or another process
  // does that, once in an interval.
  bool roll_up(std::chrono::milliseconds limit);

  // Writes what there is, then ends the thread. The write path must run until then. Idempotent.
  void stop();

  const RefusalBuffer& buffer() const noexcept { return buffer_; }
  std::uint64_t dropped_refusals() const noexcept { return buffer_.not_kept() + keeper_.lost(); }  // counted only
  bool leads() const noexcept { return lead_.load(std::memory_order_relaxed) != 0; }               // when it last asked
  std::int64_t rolled_up() const noexcept { return rolled_up_.load(std::memory_order_relaxed); }   // sequence
  std::uint64_t expiry_notices() const noexcept { return notices_.recorded(); }

 private:
  enum Task : std::size_t { kRefusals, kSeats, kTasks };
  struct Progress {
    std::uint64_t asked = 0, done = 0, succeeded = 0;
  };

  void loop();
  bool wait_for(Task task, std::chrono::milliseconds limit);
  void run(Task task, const std::function<bool()>& work);
  bool guarded(const std::function<bool()>& work);
  bool write(const std::function<void(store::Tx&)>& work);
  bool ask_for_lead();
  bool write_leading(const std::function<void(store::Tx&)>& work);
  bool take_seats();
  bool notify_of_expiry();
  bool drop_old();
  void notice_move();

  const bool is_shared_;
  WritePath& writes_;
  const base::Clock& clock_;
  const std::function<void(std::string_view)> on_error_, on_moved_;
  const std::unique_ptr<store::Reader> reader_;
  RefusalBuffer buffer_;
  RefusalKeeper keeper_;
  LeaseSweeper sweeper_;
  SeatRollUp seats_;
  ExpiryNotices notices_;
  std::atomic<std::int64_t> rolled_up_{0};
  std::atomic<bool> refusals_wait_{false};  // taken out of the buffer, and not written yet
  std::atomic<std::uint64_t> lead_{0};      // as Tx::lead() gave it
  base::RetentionClock retention_;          // for what can't be undone
  std::size_t drop_step_ = 0;               // where drop_old() goes on

  mutable std::mutex mutex_;
  std::condition_variable wake_, progressed_;
  StatisticsOptions options_;
  Progress progress_[kTasks];
  bool stopping_ = false;
  bool drop_now_ = false;
  bool moved_ = false;  // of the thread alone
  std::thread thread_;
};

}  // namespace lictor::service
