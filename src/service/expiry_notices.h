// Records in the audit trail which licenses expire soon (license.expiring) and which have expired (license.expired),
// each once. How far that has come is a place among the licenses by their expiry; it is kept in the transaction of the
// events, so that an interruption anywhere, or another process that leads from then on, neither loses nor repeats one.
//
// A license whose end is set to what lies before that place, a trial for a few days above all, is not told of.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <span>

#include "service/write_function.h"
#include "store/statistics.h"

namespace lictor::service {

// Not thread-safe, but for recorded(); reads with a reader of its own.
class ExpiryNotices {
 public:
  static constexpr std::size_t kAtOnce = 128;  // licenses in a transaction, so that clients wait for few
  static constexpr int kMostGoes = 40;         // transactions of one run
  // A change of a license's end may still be under way, and other machines' clocks differ.
  static constexpr base::UnixSeconds kLateSeconds = 2;
  // Where nothing expires, the place is written down so often: after a restart licenses are not told of that were given
  // an end before it.
  static constexpr base::UnixSeconds kKeepSeconds = 3600;
  static constexpr base::UnixSeconds kClockStepSeconds = 60;  // by which a clock was set back, rather than corrected

  ExpiryNotices(store::Reader& reader, WriteFunction write) : reader_(reader), write_(std::move(write)) {}

  // Of the licenses that expire within `ahead`; with 0, of those that have expired. `lead`: of Tx::lead(); with another
  // number, others may have written meanwhile. False: there are more, or nothing can be written now.
  bool run(base::UnixSeconds now, std::chrono::seconds ahead, std::uint64_t lead);
  std::uint64_t recorded() const noexcept { return recorded_.load(std::memory_order_relaxed); }  // events

 private:
  struct Progress {
    store::Position place;
    base::UnixSeconds written = 0;  // of the place in the database
  };

  Progress begin(std::chrono::seconds ahead, base::UnixSeconds until) const;
  std::size_t record(store::Tx& tx, std::span<const store::LicenseDetails> licenses, base::UnixSeconds now,
                     bool expired) const;

  store::Reader& reader_;
  const WriteFunction write_;
  std::uint64_t lead_ = 0;
  std::map<std::chrono::seconds, Progress> progress_;  // by how long ahead; what is not known any more is read again
  std::atomic<std::uint64_t> recorded_{0};
};

}  // namespace lictor::service
