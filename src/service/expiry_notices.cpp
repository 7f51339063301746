#include "service/expiry_notices.h"

#include <fmt/format.h>

#include <limits>
#include <utility>
#include <vector>

#include "base/id.h"

namespace lictor::service {
namespace {

using store::ExpiryNotice;
using store::ExpiryPlace;

constexpr store::Row kBehindAll = std::numeric_limits<store::Row>::max();

// The clock was set back since.
bool is_of_the_future(const ExpiryPlace& place, base::UnixSeconds now) {
  return place.expires_at - place.ahead.count() > now + ExpiryNotices::kClockStepSeconds;
}

}  // namespace

// A database that is new to this has many licenses that expired long ago: they are no news. Those that will expire are.
ExpiryNotices::Progress ExpiryNotices::begin(ExpiryNotice notice, base::UnixSeconds now) const {
  const auto stored = reader_.statistics().noticed(notice);
  return {stored.value_or(ExpiryPlace{now - kMarginSeconds, kBehindAll}), stored};
}

// The events, of licenses that are as they were read and stay so until the transaction ends.
store::Changes ExpiryNotices::still_true(store::Tx& tx, std::span<const store::LicenseDetails> licenses,
                                         ExpiryNotice notice, base::UnixSeconds now) {
  store::Changes changes;
  if (licenses.empty()) return changes;
  std::vector<store::LicenseRef> refs;
  for (const store::LicenseDetails& details : licenses) refs.push_back({store::LicenseRef::By::id, details.license.id});
  const auto found = tx.lock(refs);
  for (std::size_t i = 0; i < licenses.size(); ++i) {
    const base::UnixSeconds end = licenses[i].license.state.expires_at;
    if (!found[i] || found[i]->state.expires_at != end) continue;
    if (found[i]->state.status == licensing::LicenseStatus::revoked) continue;
    if (notice == ExpiryNotice::expiring && end <= now) continue;  // that it has expired is told
    store::Event event;
    event.at = now;
    event.actor = "system";
    event.action = notice == ExpiryNotice::expired ? "license.expired" : "license.expiring";
    event.subject = base::format_id(base::kLicensePrefix, licenses[i].license.id);
    event.detail = fmt::format(R"({{"expires_at":{}}})", end);
    changes.events.push_back(std::move(event));
  }
  return changes;
}

bool ExpiryNotices::run_expired(base::UnixSeconds now, std::uint64_t lead, const std::function<bool()>& go_on) {
  return run(ExpiryNotice::expired, now, {now - kMarginSeconds, kBehindAll}, lead, go_on);
}

bool ExpiryNotices::run_expiring(base::UnixSeconds now, std::chrono::seconds ahead, std::uint64_t lead,
                                 const std::function<bool()>& go_on) {
  return run(ExpiryNotice::expiring, now, {now + ahead.count() + kMarginSeconds, kBehindAll, ahead}, lead, go_on);
}

bool ExpiryNotices::run(ExpiryNotice notice, base::UnixSeconds now, const ExpiryPlace& until, std::uint64_t lead,
                        const std::function<bool()>& go_on) {
  if (std::exchange(lead_, lead) != lead) progress_ = {};
  auto& progress = progress_[static_cast<std::size_t>(notice)];
  if (!progress) progress = begin(notice, now);
  ExpiryPlace& place = progress->place;
  std::optional<ExpiryPlace>& stored = progress->stored;
  if (is_of_the_future(place, now)) place = until;
  store::LicenseFilter filter;
  filter.expires_before = until.expires_at + 1;
  while (go_on()) {
    const store::Position after{.number = place.expires_at, .row = place.row};
    const auto page = reader_.licenses(filter, store::LicenseOrder::expires, after, kAtOnce, now);
    ExpiryPlace next = page.next ? ExpiryPlace{page.next->number, page.next->row, until.ahead} : until;
    if (next.expires_at < place.expires_at) next = place;  // a shorter time ahead, or a clock that was corrected
    const bool keeps =
        !stored || is_of_the_future(*stored, now) || next.expires_at >= stored->expires_at + kKeepSeconds;
    if (keeps || !page.licenses.empty()) {
      std::size_t events = 0;
      bool moved = false;
      const bool committed = write_([&](store::Tx& tx) {
        const store::Changes changes = still_true(tx, page.licenses, notice, now);
        moved = tx.statistics().move_noticed(notice, stored, next);
        if (moved && !changes.events.empty()) tx.apply(changes);
        events = moved ? changes.events.size() : 0;
      });
      if (!committed || !moved) {
        progress.reset();  // it may be elsewhere now
        return false;
      }
      recorded_ += events;
      stored = next;
    }
    place = next;
    if (!page.next) return true;
  }
  return false;
}

}  // namespace lictor::service
