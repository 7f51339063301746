// One transaction over many license jobs: lock, look, decide each in turn on the state in memory, write all changes.
// Not thread-safe; used by the write path's thread.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "service/cache.h"
#include "service/catalog.h"
#include "service/catalog_sync.h"
#include "service/job.h"
#include "service/shared_cache.h"
#include "store/store.h"

namespace lictor::service {

// The event of a lease that ended by itself.
store::Event lease_ended_event(const base::Id& license, const store::EndedLease& ended, std::uint32_t seats_held,
                               base::UnixSeconds now);

class Batch {
 public:
  // `sync`: of a database that other processes change, too; otherwise nullptr.
  Batch(Catalog& catalog, const base::Clock& clock, const CatalogSync* sync = nullptr)
      : catalog_(catalog), clock_(clock), sync_(sync) {}

  // Decides all jobs inside `tx` and stores what changed. From the beginning again when called again. Throws
  // CatalogChanged.
  void run(store::Tx& tx, std::span<LicenseJob* const> jobs);
  // After the commit: brings the cache up to date.
  void publish(Cache& cache) const;
  std::span<const store::Event> events() const noexcept { return changes_.events; }
  // The seats that were changed, as they are at the place `mark` of the history; none when nothing was put into it.
  void offer(SharedCache& shared, const HistoryMark& mark) const;

 private:
  struct License {
    License(store::LicenseRow its_row, TermsHandle its_terms) : row(std::move(its_row)), terms(std::move(its_terms)) {}
    store::LicenseRow row;
    TermsHandle terms;
    bool changed = false;    // to be written
    bool published = false;  // to be told to the cache
    bool by_key = false;     // a job named it by its key
  };
  struct Seat {
    std::size_t license = 0;
    std::string_view client_id;
    std::optional<licensing::Activation> state;
    bool changed = false;
  };
  struct Item {  // a job and what it concerns
    LicenseJob* job = nullptr;
    std::size_t license = 0;  // kMissing: there is none, or access was refused
    std::size_t seat = 0;     // kMissing: names no client
    std::size_t usage = 0;    // kMissing: is no usage
  };
  static constexpr std::size_t kMissing = static_cast<std::size_t>(-1);

  void clear();
  void lock(store::Tx& tx, std::span<LicenseJob* const> jobs);
  void admit(Item& item, const std::optional<store::LicenseRow>& row);
  void reclaim(store::Tx& tx);
  void read_seats(store::Tx& tx);
  void read_usage(store::Tx& tx);
  void decide_all();
  void decide_seat(Item& item);
  void decide_usage(Item& item, const UsageInput& input);
  void decide_status(Item& item, const StatusInput& input);
  licensing::Decision decide_for(const Item& item, const licensing::Activation* seat) const;
  void keep(const Item& item, licensing::Decision&& decision);
  void record_seat_event(const Item& item, const licensing::Decision& decision);
  store::Event event_for(const Item& item, std::string_view action) const;
  void store_changes(store::Tx& tx);

  Catalog& catalog_;
  const base::Clock& clock_;
  const CatalogSync* const sync_;
  base::UnixSeconds now_ = 0;
  std::vector<Item> items_;
  std::vector<License> licenses_;
  std::vector<Seat> seats_;
  std::vector<store::UsageState> usage_;                    // as the database had it, one for each usage job
  std::vector<std::pair<std::size_t, std::string>> ended_;  // licenses_' place and client_id of reclaimed seats
  boost::unordered_flat_map<store::Row, std::size_t> license_index_;
  boost::unordered_flat_map<std::string, std::size_t> seat_index_;
  boost::unordered_flat_map<std::string, std::int64_t> totals_;         // running totals in this batch
  boost::unordered_flat_map<std::string, store::UsageKey> usage_keys_;  // keys first used in this batch
  store::Changes changes_;
};

}  // namespace lictor::service
