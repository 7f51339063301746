#include "service/statistics.h"

#include <pthread.h>

#include <algorithm>
#include <future>
#include <utility>

namespace lictor::service {
namespace {

using namespace std::chrono_literals;
using SteadyTime = std::chrono::steady_clock::time_point;

constexpr auto kBeat = 1s;
constexpr auto kDropInterval = 60s;
constexpr auto kDropTime = 200ms;    // of one beat
constexpr auto kNoticeTime = 200ms;  // likewise
constexpr auto kQueueWait = 10ms;    // when the write path takes nothing now
constexpr int kQueueTries = 100;
constexpr auto kLastRollUpTime = 2s;  // at the end; what is left is rolled up after the next start
constexpr std::size_t kDroppedAtOnce = 300;

std::chrono::seconds steady_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now().time_since_epoch());
}

struct InternalJob final : AdminJob {
  std::promise<bool> done;
  void finish(std::unique_ptr<Job> self, End end) noexcept override {
    std::promise<bool> promise = std::move(done);
    self.reset();
    promise.set_value(end == End::committed);
  }
};

}  // namespace

Statistics::Statistics(store::Store& store, WritePath& writes, const base::Clock& clock, unsigned io_threads,
                       StatisticsOptions options, std::function<void(std::string_view)> on_error,
                       std::function<void(std::string_view)> on_moved)
    : is_shared_(store.is_shared()),
      writes_(writes),
      clock_(clock),
      on_error_(std::move(on_error)),
      on_moved_(std::move(on_moved)),
      reader_(store.open_reader()),
      buffer_(io_threads),
      keeper_(*reader_, [this](const auto& work) { return write(work); }),
      sweeper_(reader_->statistics(), writes),
      seats_(reader_->statistics(), [this](const auto& work) { return write_leading(work); }),
      notices_(*reader_, [this](const auto& work) { return write_leading(work); }),
      retention_(clock.now(), steady_seconds()),
      options_(options) {
  rolled_up_ = reader_->statistics().state().license_sequence;
  thread_ = std::thread([this] { loop(); });
  pthread_setname_np(thread_.native_handle(), "lictor-stats");
}

Statistics::~Statistics() { stop(); }

void Statistics::set_options(const StatisticsOptions& options) {
  {
    const std::lock_guard lock(mutex_);
    options_ = options;
    drop_now_ = true;
  }
  wake_.notify_one();
}

StatisticsOptions Statistics::options() const {
  const std::lock_guard lock(mutex_);
  return options_;
}

void Statistics::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

bool Statistics::write_refusals(std::chrono::milliseconds limit) {
  return (buffer_.empty() && !refusals_wait_) || wait_for(kRefusals, limit);
}

bool Statistics::roll_up(std::chrono::milliseconds limit) { return wait_for(kSeats, limit); }

bool Statistics::wait_for(Task task, std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  Progress& progress = progress_[task];
  const std::uint64_t ticket = ++progress.asked;
  wake_.notify_one();
  progressed_.wait_for(lock, limit, [&] { return progress.done >= ticket || stopping_; });
  return progress.succeeded >= ticket;
}

// Whoever asks while the work runs is served by the next run: this one may have looked too early.
void Statistics::run(Task task, const std::function<bool()>& work) {
  std::uint64_t ticket = 0;
  {
    const std::lock_guard lock(mutex_);
    ticket = progress_[task].asked;
  }
  const bool succeeded = guarded(work);
  {
    const std::lock_guard lock(mutex_);
    progress_[task].done = ticket;
    if (succeeded) progress_[task].succeeded = ticket;
  }
  progressed_.notify_all();
}

bool Statistics::guarded(const std::function<bool()>& work) {
  try {
    return work();
  } catch (const std::exception& error) {
    if (on_error_) on_error_(error.what());
    return false;
  }
}

bool Statistics::write(const std::function<void(store::Tx&)>& work) {
  auto job = std::make_unique<InternalJob>();
  auto done = job->done.get_future();
  job->work = [&work](store::Tx& tx, base::UnixSeconds, std::vector<store::Event>&) {
    work(tx);
    return true;
  };
  std::unique_ptr<AdminJob> handed = std::move(job);
  for (int tries = 0; !writes_.submit(handed); ++tries) {
    if (tries == kQueueTries) return false;
    std::this_thread::sleep_for(kQueueWait);
  }
  return done.get();
}

// Whether the work that one process does is this one's now. Costs a transaction when there may be others.
bool Statistics::ask_for_lead() {
  std::uint64_t lead = 1;
  if (is_shared_ && !write([&lead](store::Tx& tx) { lead = tx.lead(); })) lead = 0;
  lead_ = lead;
  return lead != 0;
}

// As write(); also false when this process does not lead any more, or not since the same time: another may have done
// since then what this work goes on with.
bool Statistics::write_leading(const std::function<void(store::Tx&)>& work) {
  bool leads = false;
  const bool committed = write([&](store::Tx& tx) {
    leads = tx.lead() == lead_;
    if (leads) work(tx);
  });
  return committed && leads;
}

// Behind the head that is read here comes no event of a second before `now`: every lease that had ended by then is out,
// and what was decided before is committed. Others' transactions may be under way, and their clocks differ.
bool Statistics::take_seats() {
  if (!ask_for_lead()) {
    rolled_up_ = reader_->statistics().state().license_sequence;
    return false;
  }
  const base::UnixSeconds now = clock_.now();
  const bool all_out = sweeper_.sweep(now);
  const bool committed = !is_shared_ && write([](store::Tx&) {});
  const std::int64_t head = reader_->audit_head().sequence;
  const base::UnixSeconds settled = all_out && committed ? now : now - SeatRollUp::kLateSeconds;
  const SteadyTime start = std::chrono::steady_clock::now();
  const bool written = seats_.run(head, settled, [&] {
    const std::lock_guard lock(mutex_);
    return !stopping_ || std::chrono::steady_clock::now() - start < kLastRollUpTime;
  });
  rolled_up_ = reader_->statistics().state().license_sequence;
  return written && rolled_up_ >= head;
}

// By a clock that must be right for a while: what is told can't be taken back. False: as ExpiryNotices::run_…().
bool Statistics::notify_of_expiry() {
  const base::UnixSeconds now = retention_.observe(clock_.now(), steady_seconds());
  const std::chrono::seconds ahead = options().expiry_notice;
  const SteadyTime end = std::chrono::steady_clock::now() + kNoticeTime;
  const auto go_on = [&] {
    const std::lock_guard lock(mutex_);
    return !stopping_ && std::chrono::steady_clock::now() < end;
  };
  return notices_.run_expired(now, lead_, go_on) && (ahead == 0s || notices_.run_expiring(now, ahead, lead_, go_on));
}

// False: there is more to drop, or nothing can be written now.
bool Statistics::drop_old() {
  if (!ask_for_lead()) return true;
  const StatisticsOptions options = this->options();
  const base::UnixSeconds now = retention_.observe(clock_.now(), steady_seconds());
  const licensing::Day day = licensing::day_of(now - options.reports_age.count());
  const std::function<std::size_t(store::StatisticsTx&)> steps[] = {
      [&](auto& tx) {
        return tx.drop_refusals(now - options.refusals_age.count(), options.refusals_max, kDroppedAtOnce);
      },
      [&](auto& tx) { return tx.drop_usage_days(day, kDroppedAtOnce); },
      [&](auto& tx) { return tx.drop_refusal_days(day, kDroppedAtOnce); },
      [&](auto& tx) { return tx.drop_seat_days(day, kDroppedAtOnce); },
  };
  const SteadyTime end = std::chrono::steady_clock::now() + kDropTime;
  for (std::size_t done = 0; done < std::size(steps); ++done, ++drop_step_) {
    std::size_t dropped = kDroppedAtOnce;
    while (dropped == kDroppedAtOnce) {
      if (std::chrono::steady_clock::now() >= end) return false;
      if (!write_leading([&](store::Tx& tx) { dropped = steps[drop_step_ % std::size(steps)](tx.statistics()); }))
        return false;
    }
  }
  return true;
}

// What was moved away keeps its licenses as they were: nothing else there tells of it while nothing is written.
void Statistics::notice_move() {
  try {
    reader_->ping();
  } catch (const store::StoreError& error) {
    if (error.kind() != store::StoreError::Kind::moved || std::exchange(moved_, true)) return;
    if (on_moved_) on_moved_(error.what());
  }
}

void Statistics::loop() {
  SteadyTime next_beat = std::chrono::steady_clock::now() + kBeat;
  SteadyTime last_seats = std::chrono::steady_clock::now();
  SteadyTime next_drop = last_seats + kBeat;
  const auto refusals = [this] {
    if (buffer_.empty() && keeper_.empty()) return true;
    refusals_wait_ = true;
    const bool written = keeper_.write(buffer_.take(), options().refusals_max);
    refusals_wait_ = !written;
    return written;
  };
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto asked = [this](Task task) { return progress_[task].asked > progress_[task].done; };
    wake_.wait_until(lock, next_beat, [&] { return stopping_ || drop_now_ || asked(kRefusals) || asked(kSeats); });
    if (stopping_) break;
    const SteadyTime now = std::chrono::steady_clock::now();
    const bool beat = now >= next_beat;
    const bool drop_due = std::exchange(drop_now_, false) || now >= next_drop;
    const bool seats_due = asked(kSeats) || now >= last_seats + options_.interval;
    lock.unlock();
    if (beat) notice_move();
    run(kRefusals, refusals);
    if (seats_due) {
      last_seats = now;
      run(kSeats, [this] { return take_seats(); });
    } else if (beat) {
      guarded([this] { return ask_for_lead() && sweeper_.sweep(clock_.now()); });
    }
    if (beat && leads()) guarded([this] { return notify_of_expiry(); });
    if (beat) next_beat = now + kBeat;
    if (drop_due) {
      next_drop = guarded([this] { return drop_old(); }) ? now + kDropInterval : next_beat;
    }
    lock.lock();
  }
  lock.unlock();
  run(kRefusals, refusals);
  run(kSeats, [this] { return take_seats(); });
}

}  // namespace lictor::service
