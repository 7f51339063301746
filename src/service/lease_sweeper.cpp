#include "service/lease_sweeper.h"

#include <latch>

namespace lictor::service {
namespace {

struct SweepJob final : LicenseJob {
  std::shared_ptr<std::latch> done;
  std::shared_ptr<std::atomic<bool>> failed;
  void finish(std::unique_ptr<Job> self, End end) noexcept override {
    if (end != End::committed) *failed = true;
    const auto latch = done;
    self.reset();
    latch->count_down();
  }
};

}  // namespace

bool LeaseSweeper::sweep(base::UnixSeconds now) {
  for (int go = 0; go < kMostGoes; ++go) {
    const auto licenses = reader_.due_licenses(now, kAtOnce);
    if (licenses.empty()) return true;
    if (!release(licenses)) return false;
  }
  return false;
}

bool LeaseSweeper::release(std::span<const base::Id> licenses) {
  const auto done = std::make_shared<std::latch>(static_cast<std::ptrdiff_t>(licenses.size()));
  const auto failed = std::make_shared<std::atomic<bool>>(false);
  for (const base::Id& license : licenses) {
    auto job = std::make_unique<SweepJob>();
    job->ref = {store::LicenseRef::By::id, license};
    job->access.is_signed = true;  // it is nobody's request
    job->command = SweepInput{};
    job->actor = "system";
    job->done = done;
    job->failed = failed;
    std::unique_ptr<LicenseJob> handed = std::move(job);
    if (writes_.submit(handed, Urgency::new_work)) continue;
    *failed = true;
    done->count_down();
  }
  done->wait();
  return !*failed;
}

}  // namespace lictor::service
