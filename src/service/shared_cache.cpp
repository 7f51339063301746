#include "service/shared_cache.h"

#include <pthread.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace lictor::service {
namespace {

using namespace std::chrono_literals;
using redis::Reply;

constexpr std::size_t kReaders = 8;       // more would not be faster, and who finds none asks the database
constexpr std::size_t kMostAtOnce = 512;  // of entries, and of invalidations
constexpr std::size_t kLongestEntry = 16 * 1024;
constexpr auto kPause = 20ms;                // until the feed was read again
constexpr auto kProbe = 1s;                  // whether Redis is there: between two looks
constexpr auto kBackground = 1s;             // for what nobody waits for
constexpr std::string_view kKeyField = "k";  // the name of the license's other hash, without what all begin with
constexpr std::string_view kCommonName = "lictor:";

store::LicenseRef by_id(const base::Id& license) { return {store::LicenseRef::By::id, license}; }

}  // namespace

SharedCache::SharedCache(const crypto::Prf::Key& database_secret, const base::Clock& clock, const Catalog& catalog,
                         ChangeHistory& history, SharedCacheOptions options)
    : clock_(clock),
      catalog_(catalog),
      history_(history),
      options_(std::move(options)),
      codec_(database_secret),
      readers_(kReaders) {
  thread_ = std::thread([this] { loop(); });
  pthread_setname_np(thread_.native_handle(), "lictor-redis");
}

SharedCache::~SharedCache() { stop(); }

void SharedCache::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

SharedCacheCounts SharedCache::counts() const noexcept {
  return {hits_, misses_, untrusted_, errors_, skipped_, dropped_, is_up_};
}

// ---- asking ----

std::optional<store::LicenseView> SharedCache::find(const store::LicenseRef& ref,
                                                    std::optional<std::string_view> client_id) {
  auto loan = is_up_ ? readers_.borrow() : redis::ConnectionPool::Loan{};
  if (!loan.connection) return ++skipped_, std::nullopt;
  const SharedPlace place{codec_.name(ref), codec_.field(client_id)};
  Reply reply;
  try {
    reply = loan.connection->ask({"HGET", place.name, place.field}, options_.timeout);
  } catch (const std::exception& error) {
    lose(error.what());
    return ++errors_, std::nullopt;
  }
  readers_.give_back(std::move(loan));
  if (reply.kind == Reply::Kind::nothing) return ++misses_, std::nullopt;
  if (reply.kind != Reply::Kind::text) return ++errors_, std::nullopt;
  auto view = judge(place, reply.text, ref, client_id.has_value());
  ++(view ? hits_ : untrusted_);
  return view;
}

// Looked at after Redis answered: a change that was acknowledged before the question is in the history by now.
std::optional<store::LicenseView> SharedCache::judge(const SharedPlace& place, std::string_view bytes,
                                                     const store::LicenseRef& ref, bool names_client) const {
  auto entry = codec_.open(place, bytes);
  if (!entry) return std::nullopt;
  store::LicenseRow& license = entry->view.license;
  const base::UnixSeconds now = clock_.now();
  if (std::abs(now - entry->written_at) > options_.ttl.count()) return std::nullopt;
  if (ref.value != (ref.by == store::LicenseRef::By::id ? license.id : license.key_digest)) return std::nullopt;
  if (!history_.is_unchanged_since(entry->mark, license.id)) return std::nullopt;
  // Leases are extended without an event, so one that has ended by this entry may have not.
  if (now >= license.state.next_lease_end) return std::nullopt;
  if (names_client && (!entry->view.activation || !licensing::holds_seat(*entry->view.activation, now)))
    return std::nullopt;
  const auto policy = catalog_.policy(entry->policy);
  if (!policy) return std::nullopt;
  license.policy = policy->stored.row;
  return std::move(entry->view);
}

// ---- telling ----

void SharedCache::offer(const store::LicenseView& view, const base::Id& policy,
                        std::optional<std::string_view> client_id, bool by_key, const HistoryMark& mark) {
  // Only what may let somebody in is worth keeping.
  if (mark.sequence < 0 || view.license.state.status != licensing::LicenseStatus::active) return;
  if (client_id && (!view.activation || !view.activation->held)) return;
  if (!is_up_) return count_dropped(1);
  Offer offer{view.license.id,
              view.license.key_digest,
              by_key,
              codec_.field(client_id),
              SharedEntryCodec::encode(view, policy, mark),
              mark,
              0};
  if (offer.encoded.size() > kLongestEntry) return count_dropped(1);
  const std::lock_guard lock(mutex_);
  if (offers_.size() >= options_.queue_max) return count_dropped(1);
  offer.read = history_.next_read();
  offers_.push_back(std::move(offer));
  if (offers_.size() == 1) wake_.notify_one();
}

void SharedCache::committed(std::span<const store::Event> events, std::int64_t last_sequence) {
  std::vector<base::Id> licenses;
  licenses.reserve(events.size());
  for (const store::Event& event : events) {
    if (store::is_remark(event.action)) continue;
    if (const auto license = base::parse_id(base::kLicensePrefix, event.subject)) licenses.push_back(*license);
  }
  history_.note(licenses, last_sequence);
  if (licenses.empty()) return;
  const std::lock_guard lock(mutex_);
  const std::size_t room = is_up_ ? options_.queue_max - std::min(options_.queue_max, changed_.size()) : 0;
  const std::size_t taken = std::min(room, licenses.size());
  count_dropped(licenses.size() - taken);
  const bool was_empty = changed_.empty();
  changed_.insert(changed_.end(), licenses.begin(), licenses.begin() + static_cast<std::ptrdiff_t>(taken));
  if (was_empty && taken > 0) wake_.notify_one();
}

// ---- the thread ----

// What can be done now; false: it is time to end.
bool SharedCache::take(Work& work) {
  const auto is_due = [this] { return !offers_.empty() && history_.has_ended(offers_.front().read); };
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, offers_.empty() ? kProbe : kPause, [&] { return stopping_ || !changed_.empty() || is_due(); });
  if (stopping_ && changed_.empty()) return false;
  const auto end = changed_.begin() + static_cast<std::ptrdiff_t>(std::min(changed_.size(), kMostAtOnce));
  work.changed.assign(changed_.begin(), end);
  changed_.erase(changed_.begin(), end);
  while (work.offers.size() < kMostAtOnce && is_due()) {
    work.offers.push_back(std::move(offers_.front()));
    offers_.pop_front();
  }
  return true;
}

void SharedCache::loop() {
  auto probed_at = std::chrono::steady_clock::now();
  connect();
  for (Work work; take(work); work = {}) {
    const auto now = std::chrono::steady_clock::now();
    const bool probes = now - probed_at >= kProbe;
    if (probes) probed_at = now;
    if (!is_up_ && !(probes && connect())) {
      count_dropped(work.size());
      if (std::unique_lock lock(mutex_); wake_.wait_for(lock, kPause, [this] { return stopping_; })) return;
      continue;
    }
    try {
      if (work.size() > 0) write(work);
      if (probes) writer_->ask({"PING"}, kBackground);
      if (probes) readers_.probe(kBackground);
      readers_.fill(options_.url, kBackground);
    } catch (const std::exception& error) {
      count_dropped(work.size());
      lose(error.what());
    }
  }
}

bool SharedCache::connect() {
  readers_.close();
  writer_.reset();
  try {
    writer_ = std::make_unique<redis::Connection>(options_.url, kBackground);
    readers_.fill(options_.url, kBackground);
  } catch (const std::exception& error) {
    lose(error.what());
    return false;
  }
  is_up_ = true;
  if (was_lost_.exchange(false) && options_.on_back) options_.on_back();
  return true;
}

// Until a probe of the thread finds it again, nobody asks.
void SharedCache::lose(std::string_view why) {
  is_up_ = false;
  readers_.close();
  if (!was_lost_.exchange(true) && options_.on_lost) options_.on_lost(why);
}

void SharedCache::write(Work& work) {
  if (!work.changed.empty()) invalidate(work.changed);
  for (const Offer& offer : work.offers) {
    // Known to be what the database had at that place of its history, now that all that may have come between the
    // place and the reading is in.
    if (history_.is_unchanged_since(offer.mark, offer.license)) put(offer);
  }
  const auto replies = writer_->run(kBackground);
  // Only what takes memory tells that there is some again: a full server goes on deleting.
  if (!note_refused(replies) && !replies.empty()) was_refused_ = false;
}

// Both of a license's hashes; what the other one is called, the first one has.
void SharedCache::invalidate(const std::vector<base::Id>& changed) {
  std::vector<std::string> names;
  for (const base::Id& license : changed) {
    names.push_back(codec_.name(by_id(license)));
    writer_->put({"HGET", names.back(), kKeyField});
  }
  const auto others = writer_->run(kBackground);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (others[i].kind == Reply::Kind::text && others[i].text.size() == names[i].size() - kCommonName.size()) {
      writer_->put({"UNLINK", names[i], std::string(kCommonName) + others[i].text});
    } else {
      writer_->put({"UNLINK", names[i]});
    }
  }
  note_refused(writer_->run(kBackground));
}

void SharedCache::put(const Offer& offer) {
  const base::UnixSeconds now = clock_.now();
  const std::string ttl = std::to_string(options_.ttl.count());
  const SharedPlace own{codec_.name(by_id(offer.license)), offer.field};
  const std::string sealed = codec_.seal(own, now, offer.encoded);
  if (!offer.by_key) {
    writer_->put({"HSET", own.name, own.field, sealed});
    writer_->put({"EXPIRE", own.name, ttl});
    return;
  }
  const SharedPlace other{codec_.name({store::LicenseRef::By::key_digest, offer.key_digest}), offer.field};
  // First where the other one is noted, so that it is never there and not known.
  writer_->put(
      {"HSET", own.name, kKeyField, std::string_view(other.name).substr(kCommonName.size()), own.field, sealed});
  writer_->put({"EXPIRE", own.name, ttl});
  writer_->put({"HSET", other.name, other.field, codec_.seal(other, now, offer.encoded)});
  writer_->put({"EXPIRE", other.name, ttl});
}

// A server that is full, or read-only, answers each command with an error and is there all the same. Told once.
bool SharedCache::note_refused(const std::vector<Reply>& replies) {
  const auto refused = std::ranges::find(replies, Reply::Kind::error, &Reply::kind);
  if (refused == replies.end()) return false;
  count_dropped(static_cast<std::size_t>(std::ranges::count(replies, Reply::Kind::error, &Reply::kind)));
  if (!std::exchange(was_refused_, true) && options_.on_refused) options_.on_refused(refused->text);
  return true;
}

}  // namespace lictor::service
