#include "service/write_path.h"

#include <pthread.h>

#include <exception>
#include <stdexcept>
#include <utility>

namespace lictor::service {
namespace {

// Errors that concern the database as a whole: trying the jobs one by one would only fail as often.
bool concerns_all(store::StoreError::Kind kind) noexcept {
  using Kind = store::StoreError::Kind;
  return kind != Kind::unique_violation && kind != Kind::in_use && kind != Kind::other;
}

constexpr int kTries = 5;

struct Refused {};  // rolls the transaction back

}  // namespace

WritePath::WritePath(store::Store& store, Catalog& catalog, Cache& cache, const base::Clock& clock,
                     WriteOptions options, CatalogSync* sync)
    : store_(store),
      cache_(cache),
      clock_(clock),
      options_(std::move(options)),
      sync_(sync),
      batch_(catalog, clock, sync) {
  thread_ = std::thread([this] { loop(); });
  pthread_setname_np(thread_.native_handle(), "lictor-write");
}

WritePath::~WritePath() { stop(); }

// What administers takes no place of license jobs, or it would shed renewals.
bool WritePath::enqueue(Waiting&& job, std::size_t limit) {
  const bool is_license = std::holds_alternative<std::unique_ptr<LicenseJob>>(job);
  bool was_empty = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || (is_license ? license_jobs_ : queue_.size()) >= limit) return false;
    was_empty = queue_.empty();
    queue_.push_back(std::move(job));
    license_jobs_ += is_license ? 1 : 0;
    waiting_.store(queue_.size(), std::memory_order_relaxed);
  }
  if (was_empty) wake_.notify_one();
  return true;
}

bool WritePath::submit(std::unique_ptr<LicenseJob>& job, Urgency urgency) {
  // A quarter of the queue is kept for renewals.
  const std::size_t limit =
      urgency == Urgency::renewal ? options_.queue_max : options_.queue_max - options_.queue_max / 4;
  Waiting waiting(std::move(job));
  if (enqueue(std::move(waiting), limit)) return true;
  job = std::move(std::get<std::unique_ptr<LicenseJob>>(waiting));
  return false;
}

bool WritePath::submit(std::unique_ptr<AdminJob>& job) {
  Waiting waiting(std::move(job));
  if (enqueue(std::move(waiting), options_.queue_max)) return true;
  job = std::move(std::get<std::unique_ptr<AdminJob>>(waiting));
  return false;
}

bool WritePath::interpose(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    interposed_.push_back(std::move(work));
  }
  wake_.notify_one();
  return true;
}

void WritePath::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

// What was interposed, or the next batch: license jobs in the order they came, up to an administrative one, which runs
// alone.
bool WritePath::take(std::vector<std::unique_ptr<LicenseJob>>& licenses, std::unique_ptr<AdminJob>& admin) {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return stopping_ || !queue_.empty() || !interposed_.empty(); });
  if (!interposed_.empty()) {
    const auto works = std::exchange(interposed_, {});
    lock.unlock();
    for (const auto& work : works) work();
    return true;
  }
  if (queue_.empty()) return false;
  while (!queue_.empty() && licenses.size() < options_.batch_max) {
    if (auto* job = std::get_if<std::unique_ptr<LicenseJob>>(&queue_.front())) {
      licenses.push_back(std::move(*job));
      --license_jobs_;
    } else if (licenses.empty()) {
      admin = std::move(std::get<std::unique_ptr<AdminJob>>(queue_.front()));
    } else {
      break;
    }
    queue_.pop_front();
    if (admin) break;
  }
  waiting_.store(queue_.size(), std::memory_order_relaxed);
  return true;
}

void WritePath::loop() {
  std::vector<std::unique_ptr<LicenseJob>> licenses;
  std::unique_ptr<AdminJob> admin;
  while (take(licenses, admin)) {
    if (admin) {
      run(std::move(admin));
    } else if (!licenses.empty()) {
      run(licenses);
    }
    licenses.clear();
  }
}

void WritePath::report(std::string_view what) const {
  if (options_.on_error) options_.on_error(what);
}

void WritePath::failed(const store::StoreError& error) {
  failing_ = failing_ || concerns_all(error.kind());
  report(error.what());
}

// Every change has its events; a transaction without any proves nothing, as it may have written nothing.
void WritePath::succeeded(std::span<const store::Event> events) {
  if (!events.empty() && std::exchange(failing_, false) && options_.on_recovered) options_.on_recovered();
}

// With the products and policies that the database has, in whichever process they were changed.
void WritePath::write_current(const std::function<void(store::Tx&)>& work) {
  std::optional<std::int64_t> version;
  for (int tries = 1;; ++tries) {
    try {
      store_.write([&](store::Tx& tx) {
        // At last nobody else may change them until this is done.
        if (tries == kTries && tx.lock_catalog() != sync_->version()) sync_->run();
        work(tx);
        version = tx.catalog_version();
      });
      break;
    } catch (const CatalogChanged&) {
      if (tries == kTries) throw;
      sync_->run();
    }
  }
  if (sync_ != nullptr && version) sync_->note(*version);
}

// Before the cache, whose fills tell by its counter whether they come too late: see SharedCache::find().
void WritePath::tell_shared(std::span<const store::Event> events) {
  if (options_.shared != nullptr && !events.empty()) options_.shared->committed(events, store_.last_written().sequence);
}

// What one job can't do must not be the others' refusal: `isolate` asks for each to be tried by itself.
WritePath::Commit WritePath::commit(std::span<LicenseJob* const> jobs) {
  try {
    write_current([&](store::Tx& tx) { batch_.run(tx, jobs); });
    tell_shared(batch_.events());
    batch_.publish(cache_);
    if (options_.shared != nullptr) batch_.offer(*options_.shared, mark_of(store_.last_written()));
    succeeded(batch_.events());
    return Commit::done;
  } catch (const store::StoreError& error) {
    failed(error);
    if (error.kind() == store::StoreError::Kind::commit_unknown) return Commit::unknown;
    return concerns_all(error.kind()) ? Commit::failed : Commit::isolate;
  } catch (const std::exception& error) {
    report(error.what());
    return Commit::isolate;
  }
}

Job::End WritePath::end_of(Commit commit) noexcept {
  if (commit == Commit::done) return Job::End::committed;
  return commit == Commit::unknown ? Job::End::unknown : Job::End::unavailable;
}

void WritePath::run(std::vector<std::unique_ptr<LicenseJob>>& jobs) {
  std::vector<LicenseJob*> pointers;
  pointers.reserve(jobs.size());
  for (const auto& job : jobs) pointers.push_back(job.get());
  if (options_.on_batch) options_.on_batch(jobs.size());
  const Commit whole = commit(pointers);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    Commit own = whole;
    if (whole == Commit::isolate && jobs.size() > 1) own = commit(std::span(pointers).subspan(i, 1));
    LicenseJob& job = *pointers[i];
    job.finish(std::move(jobs[i]), end_of(own));
  }
}

void WritePath::run(std::unique_ptr<AdminJob> job) {
  AdminJob& itself = *job;
  Job::End end = Job::End::unavailable;
  store::Changes changes;
  try {
    write_current([&](store::Tx& tx) {
      changes = {};
      if (sync_ != nullptr && tx.lock_catalog() != sync_->version()) throw CatalogChanged();
      if (!itself.work(tx, clock_.now(), changes.events)) throw Refused();
      for (store::Event& event : changes.events) {
        if (event.actor.empty()) event.actor = itself.actor;
        event.request_id = itself.request_id;
      }
      if (!changes.events.empty()) tx.apply(changes);
    });
    end = Job::End::committed;
    succeeded(changes.events);
    tell_shared(changes.events);
    if (itself.committed) itself.committed();
  } catch (const Refused&) {
    end = Job::End::refused;
  } catch (const store::StoreError& error) {
    using Kind = store::StoreError::Kind;
    itself.error = error.kind();
    if (error.kind() == Kind::commit_unknown) end = Job::End::unknown;
    if (error.kind() != Kind::unique_violation && error.kind() != Kind::in_use) failed(error);
  } catch (const std::exception& error) {
    itself.error = store::StoreError::Kind::other;
    report(error.what());
  }
  itself.finish(std::move(job), end);
}

}  // namespace lictor::service
