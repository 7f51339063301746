// Writes refusals down and lets old ones go. Used by one thread.
#pragma once

#include <deque>
#include <unordered_map>

#include "service/refusal_buffer.h"
#include "service/write_function.h"

namespace lictor::service {

class RefusalKeeper {
 public:
  // Of all that is kept, one license may have this part, and refusals without one four times as much: their oldest go
  // before anybody else's.
  static constexpr std::int64_t kShareOfOne = 50;
  static constexpr std::size_t kRowsAtOnce = 300;        // in one transaction
  static constexpr std::size_t kMostUnwritten = 50'000;  // while the database can't be written

  RefusalKeeper(store::Reader& reader, WriteFunction write) : reader_(reader), write_(std::move(write)) {}

  // What could not be written now, or not be looked up, is kept and written the next time; then false, or StoreError.
  bool write(RefusalBuffer::Taken&& taken, std::int64_t keep);
  bool empty() const noexcept;  // nothing waits to be written

  // Refusals given up, because they could not be written for too long.
  std::uint64_t lost() const noexcept { return lost_.load(std::memory_order_relaxed); }

 private:
  struct Owner {
    store::Row product = 0, license = 0;
  };
  using Owners = std::unordered_map<base::Bytes16, Owner, base::Bytes16Hash>;

  void take(RefusalBuffer::Taken&& taken);
  void resolve();
  Owner owner_of(const RefusalBuffer::Subject& subject, Owners& known);
  Owner find_owner(const store::LicenseRef& ref);
  bool write_counts();
  bool write_refusals(std::int64_t keep);
  void note_added(std::span<const store::Refusal> refusals);
  void trim(store::StatisticsTx& tx, std::int64_t keep, std::span<const store::Row> licenses) const;

  store::Reader& reader_;
  const WriteFunction write_;
  std::deque<RefusalBuffer::Detailed> detailed_;  // whose owners were not looked up yet
  std::deque<RefusalBuffer::Counted> counted_;
  std::vector<store::Refusal> refusals_;  // to be written
  std::vector<store::DayCount> counts_;
  std::unordered_map<store::Row, std::uint32_t> added_;  // since the license's share was looked at
  std::atomic<std::uint64_t> lost_{0};
};

}  // namespace lictor::service
