// Takes leases out that have ended on licenses that nobody visits, so that counts, events and statistics are true
// without a visitor. Used by one thread, which waits for the write path.
#pragma once

#include "service/write_path.h"
#include "store/statistics.h"

namespace lictor::service {

class LeaseSweeper {
 public:
  static constexpr std::size_t kAtOnce = 128;  // licenses in one go, so that clients wait for few
  static constexpr int kMostGoes = 40;         // of one sweep

  LeaseSweeper(store::StatisticsReader& reader, WritePath& writes) : reader_(reader), writes_(writes) {}

  // True: every lease whose end had come by `now` is out. False: there are more, or the write path takes none now.
  bool sweep(base::UnixSeconds now);

 private:
  bool release(std::span<const base::Id> licenses);

  store::StatisticsReader& reader_;
  WritePath& writes_;
};

}  // namespace lictor::service
