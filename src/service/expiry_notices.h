// Records in the audit trail which licenses expire soon (license.expiring) and which have expired (license.expired),
// each once. How far that has come is a place among the licenses by their expiry. It is moved in the transaction of the
// events, from where it was believed to be, so that neither an interruption anywhere nor another process that leads
// from then on loses or repeats one.
//
// A license whose end is set to what lies before that place, a trial for a few days above all, is not told of.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <span>

#include "service/write_function.h"
#include "store/statistics.h"

namespace lictor::service {

// Not thread-safe, but for recorded(); reads with a reader of its own.
class ExpiryNotices {
 public:
  static constexpr std::size_t kAtOnce = 128;  // licenses in a transaction, so that clients wait for few
  // By how much the place of those that have expired is late, and that of the others early. A change of a license's end
  // may still be under way and clocks differ; and a trial for just as long as notices are ahead is no news.
  static constexpr base::UnixSeconds kMarginSeconds = 10;
  // Where nothing expires, the place is written down so often: after a restart licenses are told of that were given an
  // end behind it.
  static constexpr base::UnixSeconds kKeepSeconds = 3600;
  static constexpr base::UnixSeconds kClockStepSeconds = 60;  // by which a clock was set back, rather than corrected

  ExpiryNotices(store::Reader& reader, WriteFunction write) : reader_(reader), write_(std::move(write)) {}

  // Of the licenses that have expired, or that expire within `ahead`, as long as `go_on` says so, which is asked before
  // each transaction. `lead`: of Tx::lead(); with another number, others may have written meanwhile. False: there are
  // more, or nothing can be written now.
  bool run_expired(base::UnixSeconds now, std::uint64_t lead, const std::function<bool()>& go_on);
  bool run_expiring(base::UnixSeconds now, std::chrono::seconds ahead, std::uint64_t lead,
                    const std::function<bool()>& go_on);
  std::uint64_t recorded() const noexcept { return recorded_.load(std::memory_order_relaxed); }  // events

 private:
  struct Progress {
    store::ExpiryPlace place;
    std::optional<store::ExpiryPlace> stored;  // in the database
  };

  bool run(store::ExpiryNotice notice, base::UnixSeconds now, const store::ExpiryPlace& until, std::uint64_t lead,
           const std::function<bool()>& go_on);
  Progress begin(store::ExpiryNotice notice, base::UnixSeconds now) const;
  static store::Changes still_true(store::Tx& tx, std::span<const store::LicenseDetails> licenses,
                                   store::ExpiryNotice notice, base::UnixSeconds now);

  store::Reader& reader_;
  const WriteFunction write_;
  std::uint64_t lead_ = 0;
  std::array<std::optional<Progress>, 2> progress_;  // by ExpiryNotice; what is not known is read
  std::atomic<std::uint64_t> recorded_{0};
};

}  // namespace lictor::service
