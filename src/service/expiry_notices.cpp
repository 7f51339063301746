#include "service/expiry_notices.h"

#include <fmt/format.h>

#include <limits>
#include <vector>

#include "base/id.h"

namespace lictor::service {
namespace {

constexpr store::Row kBehindAll = std::numeric_limits<store::Row>::max();

}  // namespace

// A database that is new to this has many licenses that expired long ago: they are no news. Those that will expire are.
ExpiryNotices::Progress ExpiryNotices::begin(std::chrono::seconds ahead, base::UnixSeconds until) const {
  if (auto place = reader_.statistics().noticed(ahead)) return {*place, place->number};
  return {{.number = until - ahead.count(), .row = kBehindAll}, 0};
}

// Of the licenses that are still as they were read.
std::size_t ExpiryNotices::record(store::Tx& tx, std::span<const store::LicenseDetails> licenses, base::UnixSeconds now,
                                  bool expired) const {
  std::vector<store::LicenseRef> refs;
  for (const store::LicenseDetails& details : licenses) refs.push_back({store::LicenseRef::By::id, details.license.id});
  const auto found = tx.lock(refs);
  store::Changes changes;
  for (std::size_t i = 0; i < licenses.size(); ++i) {
    const base::UnixSeconds end = licenses[i].license.state.expires_at;
    if (!found[i] || found[i]->state.expires_at != end) continue;
    if (found[i]->state.status == licensing::LicenseStatus::revoked) continue;
    if (!expired && end <= now) continue;  // it is told that it has
    changes.events.push_back({.at = now,
                              .actor = "system",
                              .action = expired ? "license.expired" : "license.expiring",
                              .subject = base::format_id(base::kLicensePrefix, licenses[i].license.id),
                              .client = {},
                              .code = {},
                              .request_id = {},
                              .detail = fmt::format(R"({{"expires_at":{}}})", end)});
  }
  if (!changes.events.empty()) tx.apply(changes);
  return changes.events.size();
}

bool ExpiryNotices::run(base::UnixSeconds now, std::chrono::seconds ahead, std::uint64_t lead) {
  if (std::exchange(lead_, lead) != lead) progress_.clear();
  const base::UnixSeconds until = now + ahead.count() - kLateSeconds;
  auto known = progress_.find(ahead);
  if (known == progress_.end()) known = progress_.emplace(ahead, begin(ahead, until)).first;
  auto& [place, written] = known->second;
  if (place.number > until + kClockStepSeconds) place = {.number = until, .row = kBehindAll};
  store::LicenseFilter filter;
  filter.expires_before = until + 1;
  for (int go = 0; go < kMostGoes; ++go) {
    store::LicensePage page = reader_.licenses(filter, store::LicenseOrder::expires, place, kAtOnce, now);
    store::Position next = page.next ? *std::move(page.next) : store::Position{.number = until, .row = kBehindAll};
    if (next.number < place.number) next = place;  // no license, and a clock that was corrected
    if (!page.licenses.empty() || next.number >= written + kKeepSeconds) {
      std::size_t events = 0;
      const bool committed = write_([&](store::Tx& tx) {
        events = record(tx, page.licenses, now, ahead.count() == 0);
        tx.statistics().set_noticed(ahead, next);
      });
      if (!committed) {
        progress_.erase(known);  // it may have been, all the same
        return false;
      }
      recorded_ += events;
      written = next.number;
    }
    place = next;
    if (!page.next) return true;
  }
  return false;
}

}  // namespace lictor::service
