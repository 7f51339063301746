#include "service/change_history.h"

#include <algorithm>
#include <array>

#include "base/encoding.h"

namespace lictor::service {
namespace {

// The license that an event changed, if any.
std::optional<base::Id> changed_license(std::string_view action, std::string_view subject) {
  if (store::is_remark(action)) return std::nullopt;
  return base::parse_id(base::kLicensePrefix, subject);
}

std::uint64_t head_of_hex(std::string_view hash) {
  std::array<std::uint8_t, 8> bytes{};
  if (!base::decode_hex(hash.substr(0, 2 * bytes.size()), bytes)) return 0;
  return store::hash_head({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace

void ChangeHistory::forget() {
  const std::lock_guard lock(mutex_);
  hash_heads_.clear();
  last_changes_.clear();
}

void ChangeHistory::begin(const store::ChangePlace& place) {
  const std::lock_guard lock(mutex_);
  first_ = place.sequence;
  hash_heads_.assign(1, store::hash_head(place.hash));
}

void ChangeHistory::note_change(const base::Id& license, std::int64_t sequence) {
  std::int64_t& last = last_changes_[license];
  last = std::max(last, sequence);
}

// Changes that are no younger than the first place say nothing any more.
void ChangeHistory::trim() {
  while (hash_heads_.size() > most_) {
    hash_heads_.pop_front();
    ++first_;
  }
  if (last_changes_.size() > 2 * most_)
    erase_if(last_changes_, [this](const auto& item) { return item.second <= first_; });
}

void ChangeHistory::append(std::span<const store::ChangeNote> notes) {
  const std::lock_guard lock(mutex_);
  for (const store::ChangeNote& note : notes) {
    const auto place = static_cast<std::uint64_t>(note.sequence - first_);
    if (place < hash_heads_.size() && hash_heads_[place] == note.hash_head) continue;  // read again after a failure
    // Sequences have no gaps. Were there one, what is before it would be worth nothing.
    if (hash_heads_.empty() || place != hash_heads_.size()) {
      hash_heads_.clear();
      first_ = note.sequence;
    }
    hash_heads_.push_back(note.hash_head);
    if (const auto license = changed_license(note.action, note.subject)) note_change(*license, note.sequence);
  }
  trim();
}

bool ChangeHistory::prepend(std::span<const store::StoredEvent> events) {
  const std::lock_guard lock(mutex_);
  for (const store::StoredEvent& stored : events) {
    if (hash_heads_.empty() || hash_heads_.size() >= most_) return false;
    const std::uint64_t head = head_of_hex(stored.hash);
    if (stored.sequence == first_ - 1) {
      hash_heads_.push_front(head);
      --first_;
    } else if (stored.sequence != first_ || hash_heads_.front() != head) {
      return false;  // of another history
    }
    const auto license = changed_license(stored.event.action, stored.event.subject);
    if (license) note_change(*license, stored.sequence);
  }
  return !events.empty() && hash_heads_.size() < most_;
}

std::int64_t ChangeHistory::first() const {
  const std::lock_guard lock(mutex_);
  return first_;
}

void ChangeHistory::read_begins() {
  const std::lock_guard lock(mutex_);
  ++begun_;
}

void ChangeHistory::read_ends() {
  const std::lock_guard lock(mutex_);
  ended_ = begun_;
}

std::uint64_t ChangeHistory::next_read() const {
  const std::lock_guard lock(mutex_);
  return begun_ + 1;
}

bool ChangeHistory::has_ended(std::uint64_t read) const {
  const std::lock_guard lock(mutex_);
  return ended_ >= read;
}

void ChangeHistory::note(std::span<const base::Id> licenses, std::int64_t sequence) {
  const std::lock_guard lock(mutex_);
  for (const base::Id& license : licenses) note_change(license, sequence);
  trim();
}

HistoryMark ChangeHistory::mark() const {
  const std::lock_guard lock(mutex_);
  if (hash_heads_.empty()) return {-1, 0};
  return {first_ + static_cast<std::int64_t>(hash_heads_.size()) - 1, hash_heads_.back()};
}

bool ChangeHistory::is_unchanged_since(const HistoryMark& mark, const base::Id& license) const {
  const std::lock_guard lock(mutex_);
  if (mark.sequence < first_ || hash_heads_.empty()) return false;
  const auto place = static_cast<std::uint64_t>(mark.sequence - first_);
  if (place >= hash_heads_.size() || hash_heads_[place] != mark.hash_head) return false;
  const auto found = last_changes_.find(license);
  return found == last_changes_.end() || found->second <= mark.sequence;
}

}  // namespace lictor::service
