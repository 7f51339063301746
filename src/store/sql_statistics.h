// store/statistics.h on every engine. Each object belongs to the connection, and the thread, of its Tx or Reader.
#pragma once

#include "store/row_sets.h"
#include "store/statistics.h"

namespace lictor::store {

class SqlStatisticsTx final : public StatisticsTx {
 public:
  explicit SqlStatisticsTx(Connection& connection);

  void add_refusals(std::span<const Refusal> refusals) override;
  void count_refusals(std::span<const DayCount> counts) override;
  void store_seats(const SeatChanges& changes) override;
  bool move_noticed(ExpiryNotice notice, const std::optional<ExpiryPlace>& from, const ExpiryPlace& to) override;
  std::size_t drop_refusals(UnixSeconds before, std::int64_t keep, std::size_t most) override;
  std::size_t drop_refusals_of(Row license, std::int64_t keep, std::size_t most) override;
  std::size_t drop_usage_days(Day before, std::size_t most) override;
  std::size_t drop_refusal_days(Day before, std::size_t most) override;
  std::size_t drop_seat_days(Day before, std::size_t most) override;

  // For Tx::apply: to the license's day and to the product's.
  void count_usage(std::span<const UsageUpdate> updates);

 private:
  static void add_to_days(SetWriter& writer, std::vector<DayCount>&& counts);
  void store_series(std::span<const SeatState> states);
  void change_refusals(std::int64_t by);
  std::size_t drop_days(std::string_view first_kept, std::string_view drop_days, std::string_view drop_rows, Day before,
                        std::size_t most);

  Connection& connection_;
  SetWriter add_usage_days_, add_refusal_days_, insert_refusals_, upsert_series_, upsert_seat_days_, insert_pending_;
  Statement add_refusals_;
};

class SqlStatisticsReader final : public StatisticsReader {
 public:
  explicit SqlStatisticsReader(Connection& connection);

  StatisticsState state() override;
  RefusalPage refusals(const RefusalFilter& filter, Row before, std::size_t limit) override;
  DayCountPage usage_days(const DayCountQuery& query, std::size_t limit) override;
  DayCountPage refusal_days(const DayCountQuery& query, std::size_t limit) override;
  std::vector<PendingSeats> pending_seats() override;
  std::int64_t seat_events(std::int64_t after, std::size_t limit,
                           const std::function<void(const SeatEvent&)>& visit) override;
  void seats_of(std::span<const Id> licenses, const std::function<void(LicenseSeats&&)>& visit) override;
  SeatState seats_of(Row product, Row license) override;
  std::vector<LicenseSeats> seats_of_licenses(Row product, Row after, std::size_t limit) override;
  std::vector<licensing::SeatDay> closed_days(Row product, Row license, Day first, std::size_t limit) override;
  std::optional<ExpiryPlace> noticed(ExpiryNotice notice) override;
  std::vector<Id> due_licenses(UnixSeconds now, std::size_t limit) override;

 private:
  DayCountPage day_counts(std::string_view first_day, std::string_view select, const DayCountQuery& query,
                          std::size_t limit);
  std::vector<Row> products_of(const DayCountQuery& query);

  Connection& connection_;
  SetReader series_of_ids_;
  Statement seat_events_, due_licenses_;
};

}  // namespace lictor::store
