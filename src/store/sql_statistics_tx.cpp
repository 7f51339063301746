#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <tuple>

#include "store/meta.h"
#include "store/seat_levels_codec.h"
#include "store/sql_statistics.h"
#include "store/statistics_queries.h"

namespace lictor::store {
namespace {

std::int64_t saturating_add(std::int64_t a, std::int64_t b) noexcept {
  std::int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<std::int64_t>::max() : sum;
}

auto key_of(const DayCount& count) { return std::tie(count.day, count.product, count.license, count.name); }

// Each key once, in order.
void combine(std::vector<DayCount>& counts) {
  std::ranges::sort(counts, {}, key_of);
  std::size_t last = 0;
  for (std::size_t i = 1; i < counts.size(); ++i) {
    if (key_of(counts[i]) == key_of(counts[last])) {
      counts[last].amount = saturating_add(counts[last].amount, counts[i].amount);
    } else if (++last != i) {
      counts[last] = std::move(counts[i]);
    }
  }
  if (!counts.empty()) counts.resize(last + 1);
}

}  // namespace

SqlStatisticsTx::SqlStatisticsTx(Connection& connection)
    : connection_(connection),
      add_usage_days_(connection, sql::kAddUsageDay),
      add_refusal_days_(connection, sql::kAddRefusalDay),
      insert_refusals_(connection, sql::kInsertRefusal),
      upsert_series_(connection, sql::kUpsertSeries),
      upsert_seat_days_(connection, sql::kUpsertSeatDay),
      insert_pending_(connection, sql::kInsertPendingSeats),
      add_refusals_(connection, sql::kAddRefusals) {}

void SqlStatisticsTx::add_to_days(SetWriter& writer, std::vector<DayCount>&& counts) {
  const std::size_t given = counts.size();
  for (std::size_t i = 0; i < given; ++i) {
    if (counts[i].license == 0) continue;
    DayCount whole = counts[i];
    whole.license = 0;
    counts.push_back(std::move(whole));
  }
  combine(counts);
  for (const DayCount& count : counts) {
    writer.add(count.day, count.product, count.license, count.name, count.amount);
  }
  writer.write();
}

void SqlStatisticsTx::count_usage(std::span<const UsageUpdate> updates) {
  std::vector<DayCount> counts;
  counts.reserve(updates.size() * 2);
  for (const UsageUpdate& update : updates) {
    counts.push_back({update.day, update.product, update.license, update.metric, update.quantity});
  }
  add_to_days(add_usage_days_, std::move(counts));
}

void SqlStatisticsTx::count_refusals(std::span<const DayCount> counts) {
  add_to_days(add_refusal_days_, {counts.begin(), counts.end()});
}

void SqlStatisticsTx::change_refusals(std::int64_t by) {
  if (by == 0) return;
  add_refusals_.run(by);
  if (connection_.changed_rows() != 1) connection_.fail_corrupt("the record of statistics is missing");
}

void SqlStatisticsTx::add_refusals(std::span<const Refusal> refusals) {
  for (const Refusal& refusal : refusals) {
    insert_refusals_.add(refusal.at, refusal.request_id, refusal.endpoint, refusal.code, refusal.message,
                         refusal.details, refusal.license, refusal.client_id, refusal.actor);
  }
  insert_refusals_.write();
  change_refusals(static_cast<std::int64_t>(refusals.size()));
}

std::size_t SqlStatisticsTx::drop_refusals(UnixSeconds before, std::int64_t keep, std::size_t most) {
  Statement(connection_, sql::kDeleteOldRefusals).run(before, most);
  std::int64_t dropped = connection_.changed_rows();
  const std::int64_t left = connection_.number("SELECT refusals FROM statistics WHERE one = 1") - dropped;
  const std::int64_t spare = std::min(left - keep, static_cast<std::int64_t>(most) - dropped);
  if (spare > 0) {
    Statement(connection_, sql::kDeleteFirstRefusals).run(spare);
    dropped += connection_.changed_rows();
  }
  change_refusals(-dropped);
  return static_cast<std::size_t>(dropped);
}

std::size_t SqlStatisticsTx::drop_refusals_of(Row license, std::int64_t keep, std::size_t most) {
  std::vector<Row> spare;
  {
    Statement first(connection_, sql::kFirstSpareRefusal);
    auto found = first.rows(license, keep);
    if (!found.next()) return 0;
    Statement select(connection_, sql::kSpareRefusals);
    auto rows = select.rows(license, found.number(0), most);
    while (rows.next()) spare.push_back(rows.number(0));
  }
  Statement remove(connection_, sql::kDeleteRefusal);
  for (const Row row : spare) remove.run(row);
  change_refusals(-static_cast<std::int64_t>(spare.size()));
  return spare.size();
}

std::size_t SqlStatisticsTx::drop_days(std::string_view first_kept, std::string_view drop_days,
                                       std::string_view drop_rows, Day before, std::size_t most) {
  DayCountKey kept;
  bool all = true;
  {
    Statement select(connection_, first_kept);
    auto rows = select.rows(before, most);
    if (rows.next()) {
      all = false;
      kept = {rows.number(0), rows.number(1), rows.number(2), std::string(rows.text(3))};
    }
  }
  if (all) {
    Statement(connection_, drop_days).run(before);
  } else {
    Statement(connection_, drop_rows).run(kept.day, kept.product, kept.license, kept.name);
  }
  return static_cast<std::size_t>(connection_.changed_rows());
}

std::size_t SqlStatisticsTx::drop_usage_days(Day before, std::size_t most) {
  return drop_days(sql::kFirstKeptUsageDay, sql::kDropUsageDays, sql::kDropUsageRows, before, most);
}

std::size_t SqlStatisticsTx::drop_refusal_days(Day before, std::size_t most) {
  return drop_days(sql::kFirstKeptRefusalDay, sql::kDropRefusalDays, sql::kDropRefusalRows, before, most);
}

std::size_t SqlStatisticsTx::drop_seat_days(Day before, std::size_t most) {
  std::vector<ClosedSeatDay> old;
  {
    Statement select(connection_, sql::kOldSeatDays);
    auto rows = select.rows(before, most);
    while (rows.next()) old.push_back({rows.number(0), rows.number(1), {.day = rows.number(2)}});
  }
  // Also when there is nothing to drop: no report goes back further, so that days don't depend on when others went.
  Statement(connection_, sql::kSetSeatsFrom).run(before);
  Statement remove(connection_, sql::kDeleteSeatDay);
  for (const ClosedSeatDay& row : old) remove.run(row.product, row.license, row.day.day);
  return old.size();
}

void SqlStatisticsTx::store_series(std::span<const SeatState> states) {
  std::vector<std::vector<std::uint8_t>> levels;  // until they are written
  levels.reserve(states.size());
  for (const auto& [product, license, sequence, series] : states) {
    levels.push_back(encode_levels(series.levels));
    upsert_series_.add(product, license, sequence, series.held, series.since, series.changed, series.start, series.peak,
                       series.seat_seconds, std::span<const std::uint8_t>(levels.back()));
  }
  upsert_series_.write();
}

void SqlStatisticsTx::store_seats(const SeatChanges& changes) {
  store_series(changes.states);
  for (const auto& [product, license, day] : changes.days) {
    upsert_seat_days_.add(product, license, day.day, day.start, day.peak, day.p95, day.seat_seconds);
  }
  upsert_seat_days_.write();
  if (changes.pending) {
    Statement(connection_, sql::kDeletePendingSeats).run();
    for (const PendingSeats& second : *changes.pending) {
      insert_pending_.add(second.product, second.at, second.ended, second.net, second.top);
    }
    insert_pending_.write();
  }
  if (changes.license_sequence) Statement(connection_, sql::kSetLicenseSequence).run(*changes.license_sequence);
  if (changes.product_sequence) Statement(connection_, sql::kSetProductSequence).run(*changes.product_sequence);
}

bool SqlStatisticsTx::move_noticed(ExpiryNotice notice, const std::optional<ExpiryPlace>& from, const ExpiryPlace& to) {
  const auto text = [](const ExpiryPlace& place) {
    return fmt::format("{} {} {}", place.expires_at, place.row, place.ahead.count());
  };
  const std::string_view name = sql::kNoticedNames[static_cast<std::size_t>(notice)];
  if (from) return change_meta(connection_, name, text(*from), text(to));
  if (read_meta(connection_, name)) return false;
  write_meta(connection_, name, text(to));
  return true;
}

}  // namespace lictor::store
