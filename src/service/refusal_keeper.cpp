#include "service/refusal_keeper.h"

#include <algorithm>

namespace lictor::service {
namespace {

constexpr std::uint32_t kLookAfter = 100;      // refusals of a license between two looks at its share
constexpr std::size_t kMostWatched = 100'000;  // licenses
constexpr std::size_t kMostTrimmed = 4 * 100;  // refusals of a license in one transaction; more than come in
constexpr std::int64_t kSharesOfNobody = 4;

}  // namespace

bool RefusalKeeper::write(RefusalBuffer::Taken&& taken, std::int64_t keep) {
  take(std::move(taken));
  resolve();
  return write_counts() && write_refusals(keep);
}

bool RefusalKeeper::empty() const noexcept {
  return detailed_.empty() && counted_.empty() && refusals_.empty() && counts_.empty();
}

RefusalKeeper::Owner RefusalKeeper::owner_of(const RefusalBuffer::Subject& subject, Owners& known) {
  using By = store::LicenseRef::By;
  if (!subject.license && !subject.claimed) return {};
  const store::LicenseRef ref = subject.license ? store::LicenseRef{By::id, subject.license} : *subject.claimed;
  const auto [place, is_new] = known.try_emplace(ref.value);
  if (is_new) place->second = find_owner(ref);
  const bool may_know = subject.only_of == 0 || place->second.product == subject.only_of;
  return may_know ? place->second : Owner{subject.only_of, 0};
}

RefusalKeeper::Owner RefusalKeeper::find_owner(const store::LicenseRef& ref) {
  std::optional<base::Id> license = ref.value;
  if (ref.by == store::LicenseRef::By::key_digest) {
    const auto view = reader_.license(ref, std::nullopt, 0);
    license = view ? std::optional(view->license.id) : std::nullopt;
  }
  const auto seats = license ? reader_.statistics().seats_of(*license) : std::nullopt;
  return seats ? Owner{seats->product, seats->license} : Owner{};
}

void RefusalKeeper::take(RefusalBuffer::Taken&& taken) {
  for (auto& detailed : taken.detailed) {
    if (detailed_.size() + refusals_.size() < kMostUnwritten) {
      detailed_.push_back(std::move(detailed));
    } else {
      lost_.fetch_add(1, std::memory_order_relaxed);
    }
  }
  for (auto& counted : taken.counted) {
    counted_.push_back(std::move(counted));
    if (counted_.size() + counts_.size() <= kMostUnwritten) continue;
    RefusalBuffer::Subject nobody;
    nobody.only_of = counted_.back().subject.only_of;
    counted_.back().subject = nobody;
  }
}

// One by one, so that what comes behind a failure of the database is there the next time.
void RefusalKeeper::resolve() {
  Owners known;
  for (; !detailed_.empty(); detailed_.pop_front()) {
    detailed_.front().refusal.license = owner_of(detailed_.front().subject, known).license;
    refusals_.push_back(std::move(detailed_.front().refusal));
  }
  for (; !counted_.empty(); counted_.pop_front()) {
    const auto& counted = counted_.front();
    const Owner owner = owner_of(counted.subject, known);
    counts_.push_back({.day = counted.day,
                       .product = owner.product,
                       .license = owner.license,
                       .name = std::string(licensing::wire_name(counted.code)),
                       .amount = counted.amount});
  }
}

bool RefusalKeeper::write_counts() {
  while (!counts_.empty()) {
    const std::size_t first = counts_.size() - std::min(counts_.size(), kRowsAtOnce);
    const auto some = std::span(counts_).subspan(first);
    if (!write_([some](store::Tx& tx) { tx.statistics().count_refusals(some); })) return false;
    counts_.resize(first);
  }
  return true;
}

void RefusalKeeper::note_added(std::span<const store::Refusal> refusals) {
  for (const auto& refusal : refusals) ++added_[refusal.license];
}

bool RefusalKeeper::write_refusals(std::int64_t keep) {
  std::size_t done = 0;
  bool written = true;
  while (done < refusals_.size() && written) {
    const auto some = std::span(refusals_).subspan(done, std::min(refusals_.size() - done, kRowsAtOnce));
    note_added(some);
    std::vector<store::Row> to_trim;
    for (const auto& [license, added] : added_) {
      if (added >= kLookAfter) to_trim.push_back(license);
    }
    written = write_([&](store::Tx& tx) {
      tx.statistics().add_refusals(some);
      trim(tx.statistics(), keep, to_trim);
    });
    if (!written) break;
    for (const store::Row license : to_trim) added_.erase(license);
    done += some.size();
  }
  if (added_.size() > kMostWatched) added_.clear();
  refusals_.erase(refusals_.begin(), refusals_.begin() + static_cast<std::ptrdiff_t>(done));
  return written;
}

void RefusalKeeper::trim(store::StatisticsTx& tx, std::int64_t keep, std::span<const store::Row> licenses) const {
  const std::int64_t share = std::max<std::int64_t>(keep / kShareOfOne, 1);
  for (const store::Row license : licenses) {
    tx.drop_refusals_of(license, license == 0 ? kSharesOfNobody * share : share, kMostTrimmed);
  }
  tx.drop_refusals(0, keep, 2 * kRowsAtOnce);
}

}  // namespace lictor::service
