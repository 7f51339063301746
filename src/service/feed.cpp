#include "service/feed.h"

#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <future>

#include "base/encoding.h"
#include "base/id.h"

namespace lictor::service {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kNotesAtOnce = 2'000;
constexpr int kMostPages = 50;  // of one read; whoever is further behind forgets everything instead
constexpr milliseconds kRetry{100};
constexpr milliseconds kLookInterval{20};  // on average, with so many at once:
constexpr int kLooksAtOnce = 32;
constexpr milliseconds kReadBackPause{1};
constexpr milliseconds kClockInterval{1'000};
constexpr milliseconds kClockStep{200};

store::ChangePlace newest(store::Reader& reader) {
  const store::StoredEvent head = reader.audit_head();
  if (head.sequence == 0) return {};
  const auto hash = base::from_hex(head.hash).value();
  return {head.sequence, std::string(hash.begin(), hash.end())};
}

// One change that another process made, to what is cached of a license.
void apply_note(Cache& cache, const store::ChangeNote& note) {
  const auto license = base::parse_id(base::kLicensePrefix, note.subject);
  if (!license || store::is_remark(note.action)) return;
  if (!note.client.empty()) cache.publish(*license, note.client, {});
  if (note.action == "seat.rebound") return;
  const bool is_seat = note.action == "seat.granted" || note.action == "seat.released";
  // With the first seat a license may begin to run.
  if (is_seat && note.seats_held && !(note.action == "seat.granted" && *note.seats_held <= 1)) {
    cache.note_seats(*license, *note.seats_held);
  } else {
    cache.forget(*license);
  }
}

// It is in memory already; only the number of seats may have been set by an older one of others since.
void apply_own(Cache& cache, const store::ChangeNote& note) {
  if (!note.seats_held) return;
  const auto license = base::parse_id(base::kLicensePrefix, note.subject);
  if (license) cache.note_seats(*license, *note.seats_held);
}

}  // namespace

std::int64_t Feed::now() noexcept {
  timespec time{};
  clock_gettime(CLOCK_BOOTTIME, &time);
  return std::int64_t{time.tv_sec} * 1000 + time.tv_nsec / 1'000'000;
}

Feed::Feed(store::Store& store, WritePath& writes, Cache& cache, CatalogSync& catalog, FeedOptions options)
    : store_(store), writes_(writes), cache_(cache), catalog_(catalog), options_(std::move(options)) {
  thread_ = std::thread([this] { loop(); });
  pthread_setname_np(thread_.native_handle(), "lictor-feed");
}

Feed::~Feed() { stop(); }

void Feed::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  applied_.notify_all();
  if (thread_.joinable()) thread_.join();
}

milliseconds Feed::age() const noexcept { return milliseconds(now() - read_at_.load(std::memory_order_relaxed)); }

FeedCounts Feed::counts() const noexcept {
  const std::int64_t ahead = options_.clock == nullptr ? 0 : options_.clock->difference();
  return {notes_.load(), resets_.load(), lost_.load(), sequence_.load(), milliseconds(ahead)};
}

bool Feed::catch_up(milliseconds limit) {
  std::unique_lock lock(mutex_);
  const std::uint64_t mine = ++asked_;
  wake_.notify_all();
  return applied_.wait_for(lock, limit, [&] { return stopping_ || answered_ >= mine; }) && answered_ >= mine;
}

bool Feed::catch_up_catalog(store::Reader& reader, milliseconds limit) {
  return reader.catalog_version() == catalog_.version() || catch_up(limit);
}

// The generic cell rate algorithm (ITU-T I.371, annex A): each look moves on the time until which all are spent.
bool Feed::may_look() noexcept {
  const std::int64_t time = now();
  std::int64_t before = looks_until_.load(std::memory_order_relaxed);
  std::int64_t after = 0;
  do {
    after = std::max(before, time - kLooksAtOnce * kLookInterval.count()) + kLookInterval.count();
    if (after > time) return false;
  } while (!looks_until_.compare_exchange_weak(before, after));
  return true;
}

// False when the write path is stopping.
bool Feed::on_write_path(std::function<void()> work) {
  auto done = std::make_shared<std::promise<void>>();
  auto future = done->get_future();
  const bool taken = writes_.interpose([done, work = std::move(work)] {
    try {
      work();
      done->set_value();
    } catch (...) {
      done->set_exception(std::current_exception());
    }
  });
  if (taken) future.get();
  return taken;
}

// What is in memory is of another history, or so far behind that reading all of it again is less work.
bool Feed::reset() {
  if (options_.history != nullptr) options_.history->forget();
  store::ChangePlace place = newest(*reader_);
  const bool done = on_write_path([this] {
    store_.forget_written();
    cache_.begin_publish();
    cache_.clear();
    catalog_.run();
  });
  if (!done) return false;
  if (options_.history != nullptr) options_.history->begin(place);
  reads_back_ = options_.history != nullptr;
  place_ = std::move(place);
  if (started_) ++resets_;
  started_ = true;
  return true;
}

// One page of what happened before; the next comes with the next poll.
void Feed::read_back() {
  store::EventFilter filter;
  filter.before = options_.history->first() + 1;
  filter.newest_first = true;
  const store::EventPage page = reader_->events(filter, kNotesAtOnce);
  reads_back_ = options_.history->prepend(page.events) && page.next;
  timespec time{};
  clock_gettime(CLOCK_REALTIME, &time);  // as events are dated
  if (reads_back_ && page.events.back().event.at < time.tv_sec - options_.history_age.count()) reads_back_ = false;
}

Feed::Applied Feed::apply(store::ChangePage&& page) {
  using store::EventAuthor;
  bool others = notes_ > 0;
  for (const store::ChangeNote& note : page.notes) {
    const EventAuthor author = store_.author_of(note);
    if (author == EventAuthor::other_instead) return Applied::another_history;
    others = others || author != EventAuthor::own;
  }
  if (options_.history != nullptr) options_.history->append(page.notes);
  if (others && !page.notes.empty()) {
    const bool done = on_write_path([&] {
      cache_.begin_publish();
      std::int64_t catalog = 0;
      for (const store::ChangeNote& note : page.notes) {
        // Between two transactions: one that was read between its commit and the note of it is known by now.
        if (store_.author_of(note) == EventAuthor::own) {
          apply_own(cache_, note);
          continue;
        }
        ++notes_;
        apply_note(cache_, note);
        if (store::concerns_catalog(note.action)) catalog = note.sequence;
      }
      if (catalog > catalog_.version()) catalog_.run();
    });
    if (!done) return Applied::stopping;
  }
  place_ = std::move(page.last);
  store_.has_read(place_.sequence);
  return Applied::yes;
}

// As long as nobody else was there: what this process wrote is in its memory, in the order in which it was written. The
// hash of the last event tells whether the database still has it all.
void Feed::pass_over_own() {
  if (notes_ > 0 || options_.history != nullptr) return;
  auto place = store_.end_of_own(place_.sequence);
  if (!place) return;
  place_ = std::move(*place);
  store_.has_read(place_.sequence);
}

// A history that ends before what this process wrote, or that has others' events in place of those, was set back, too,
// though what was read of it is as it was.
Feed::Applied Feed::apply_pages() {
  const std::int64_t written = store_.newest_written();
  pass_over_own();
  for (int pages = 0; pages < kMostPages; ++pages) {
    store::ChangePage page = reader_->changes(place_, kNotesAtOnce);
    if (page.is_another) return Applied::another_history;
    const bool more = page.more;
    const Applied applied = apply(std::move(page));
    if (applied != Applied::yes) return applied;
    if (more) continue;
    return place_.sequence < written || store_.was_set_back() ? Applied::another_history : Applied::yes;
  }
  return Applied::too_much;
}

// What lies within the time that the answer took is no difference, and small ones are not worth a step.
void Feed::read_clock() {
  if (options_.clock == nullptr || now() < clock_read_at_ + kClockInterval.count()) return;
  const std::int64_t asked = base::CorrectedClock::machine_milliseconds();
  const std::int64_t began = now();
  const auto time = reader_->server_milliseconds();
  if (!time) return;
  clock_read_at_ = now();
  const std::int64_t took = clock_read_at_ - began;
  const std::int64_t difference = *time - (asked + took / 2);
  const std::int64_t known = options_.clock->difference();
  if (std::abs(difference - known) <= took / 2 + kClockStep.count()) return;
  options_.clock->set_difference(difference);
  if (options_.on_clock) options_.on_clock(milliseconds(difference));
}

void Feed::poll() {
  const std::int64_t started = now();
  if (options_.history != nullptr) options_.history->read_begins();
  if (!reader_) reader_ = store_.open_feed_reader(options_.trust);
  read_clock();
  const Applied applied = started_ ? apply_pages() : Applied::too_much;
  if (applied == Applied::stopping) return;
  if (applied != Applied::yes) {
    const std::int64_t known = std::max(place_.sequence, store_.newest_written());
    if (!reset()) return;
    if (applied == Applied::another_history && options_.on_another) options_.on_another(known, place_.sequence);
  }
  if (options_.history != nullptr) options_.history->read_ends();
  sequence_ = place_.sequence;
  read_at_ = started;
  usable_until_ = started + options_.staleness.count();
  current_until_ = started + options_.trust.count();
}

void Feed::loop() {
  bool lost = false;
  std::int64_t lost_at = 0;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const std::uint64_t asked = asked_;
    lock.unlock();
    std::string why;
    try {
      poll();
      if (reads_back_) read_back();
    } catch (const std::exception& error) {
      why = error.what();
      reader_.reset();
      clock_read_at_ = 0;  // it may be another server's
    }
    if (why.empty() && lost && options_.on_back) options_.on_back(milliseconds(now() - lost_at));
    if (!why.empty() && !lost) {
      lost_at = now();
      ++lost_;
      if (options_.on_lost) options_.on_lost(why);
    }
    lost = !why.empty();
    lock.lock();
    if (!lost) {
      answered_ = asked;
      applied_.notify_all();
    }
    const milliseconds pause = lost ? kRetry : reads_back_ ? kReadBackPause : options_.interval;
    wake_.wait_for(lock, pause, [&] { return stopping_ || (!lost && asked_ > asked); });
  }
}

}  // namespace lictor::service
