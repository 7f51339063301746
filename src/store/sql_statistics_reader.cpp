#include <algorithm>
#include <charconv>
#include <limits>

#include "store/meta.h"
#include "store/seat_levels_codec.h"
#include "store/sql_statistics.h"
#include "store/statistics_queries.h"

namespace lictor::store {
namespace {

constexpr std::int64_t kMostExamined = 5'000;  // rows or look-ups in one call
constexpr Row kLastRow = std::numeric_limits<Row>::max();

Id id_or_none(const Statement::Rows& rows, int column) { return rows.is_null(column) ? Id{} : rows.bytes16(column); }

StoredRefusal read_refusal(const Statement::Rows& rows) {
  StoredRefusal stored;
  stored.row = rows.number(0);
  Refusal& refusal = stored.refusal;
  refusal.at = rows.number(1);
  refusal.request_id = rows.text(2);
  refusal.endpoint = rows.text(3);
  refusal.code = rows.text(4);
  refusal.message = rows.text(5);
  refusal.details = rows.text(6);
  refusal.license = rows.number(7);
  refusal.client_id = rows.text(8);
  refusal.actor = rows.text(9);
  stored.license_id = id_or_none(rows, 10);
  return stored;
}

// product, license, and the members of the series behind them; those are NULL when there is none yet.
SeatState read_state(const Statement::Rows& rows) {
  SeatState state{.product = rows.number(0), .license = rows.number(1), .sequence = rows.number(2), .series = {}};
  if (rows.is_null(2)) return state;
  licensing::SeatSeries& series = state.series;
  series.held = rows.count(3);
  series.since = rows.number(4);
  series.changed = rows.flag(5);
  series.start = rows.count(6);
  series.peak = rows.count(7);
  series.seat_seconds = rows.number(8);
  auto levels = decode_levels(rows.blob(9));
  if (!levels) rows.connection().fail_corrupt("the levels of a series of seats can't be read");
  series.levels = std::move(*levels);
  return state;
}

LicenseSeats read_license_seats(const Statement::Rows& rows) { return {read_state(rows), rows.bytes16(10)}; }

struct Licenses {  // bounds
  Row first = 0, last = 0;
};
Licenses licenses_of(const DayCountQuery& query) {
  if (query.license != 0) return {query.license, query.license};
  return query.by_license ? Licenses{1, kLastRow} : Licenses{0, 0};
}

}  // namespace

SqlStatisticsReader::SqlStatisticsReader(Connection& connection)
    : connection_(connection),
      series_of_ids_(connection, sql::kSeriesOfIds),
      seat_events_(connection, sql::kSeatEvents),
      due_licenses_(connection, sql::kDueLicenses) {}

StatisticsState SqlStatisticsReader::state() {
  Statement statement(connection_, sql::kStatisticsState);
  auto rows = statement.rows();
  if (!rows.next()) connection_.fail_corrupt("the record of statistics is missing");
  return {.license_sequence = rows.number(0),
          .product_sequence = rows.number(1),
          .refusals = rows.number(2),
          .seats_from = rows.number(3)};
}

RefusalPage SqlStatisticsReader::refusals(const RefusalFilter& filter, Row before, std::size_t limit) {
  const bool by_request = !filter.request_id.empty();
  Statement statement(connection_, by_request            ? sql::kRefusalsPageOfRequest
                                   : filter.license != 0 ? sql::kRefusalsPageOfLicense
                                                         : sql::kRefusalsPage);
  const Row end = before == 0 ? kLastRow : before;
  RefusalPage page;
  std::int64_t examined = 0;
  const auto read = [&](Statement::Rows rows) {
    while (rows.next()) {
      ++examined;
      const bool fits = (filter.code.empty() || rows.text(4) == filter.code) &&
                        (filter.client_id.empty() || rows.text(8) == filter.client_id) &&
                        (filter.license == 0 || rows.number(7) == filter.license);
      if (fits) page.refusals.push_back(read_refusal(rows));
      if (page.refusals.size() < limit && examined < kMostExamined) continue;
      page.next = rows.number(0);
      return;
    }
  };
  by_request ? read(statement.rows_as_used(end, kMostExamined, std::string_view(filter.request_id)))
             : read(statement.rows_as_used(end, kMostExamined, filter.license));
  return page;
}

std::vector<Row> SqlStatisticsReader::products_of(const DayCountQuery& query) {
  if (query.product != 0) return {query.product};
  std::vector<Row> products;
  if (query.license == 0 && !query.by_license) products.push_back(0);
  Statement statement(connection_, sql::kProductRows);
  auto rows = statement.rows();
  while (rows.next()) products.push_back(rows.number(0));
  return products;
}

DayCountPage SqlStatisticsReader::day_counts(std::string_view first_day, std::string_view select,
                                             const DayCountQuery& query, std::size_t limit) {
  DayCountPage page;
  Statement oldest(connection_, first_day);
  auto snapshot = oldest.rows();
  if (!snapshot.next() || snapshot.is_null(0)) return page;
  DayCountKey at{.day = std::max(query.first, snapshot.number(0)), .product = 0, .license = -1, .name = {}};
  if (query.after && query.after->day >= at.day) at = *query.after;
  const std::vector<Row> products = products_of(query);
  const Licenses licenses = licenses_of(query);
  Statement statement(connection_, select);
  std::int64_t examined = 0;
  for (; at.day <= query.last; at = {.day = at.day + 1, .product = 0, .license = -1, .name = {}}) {
    for (const Row product : products) {
      if (product < at.product) continue;
      if (product != at.product) at = {.day = at.day, .product = product, .license = -1, .name = {}};
      const DayCountKey begin = at;
      // The first license is named twice, because MySQL finds no place in an index by (license, name) > (…).
      auto rows = statement.rows(at.day, product, std::max(licenses.first, begin.license), licenses.last, begin.license,
                                 std::string_view(begin.name), kMostExamined);
      for (++examined; rows.next(); ++examined) {
        at.license = rows.number(0);
        at.name = rows.text(1);
        if (query.name.empty() || query.name == at.name) {
          page.rows.push_back({{at.day, product, at.license, at.name, rows.number(2)}, id_or_none(rows, 3)});
        }
        if (page.rows.size() == limit || examined >= kMostExamined) {
          page.next = at;
          return page;
        }
      }
      if (examined < kMostExamined) continue;
      page.next = {.day = at.day, .product = product, .license = kLastRow, .name = {}};
      return page;
    }
  }
  return page;
}

DayCountPage SqlStatisticsReader::usage_days(const DayCountQuery& query, std::size_t limit) {
  return day_counts(sql::kFirstUsageDay, sql::kUsageDays, query, limit);
}

DayCountPage SqlStatisticsReader::refusal_days(const DayCountQuery& query, std::size_t limit) {
  return day_counts(sql::kFirstRefusalDay, sql::kRefusalDays, query, limit);
}

std::vector<PendingSeats> SqlStatisticsReader::pending_seats() {
  Statement statement(connection_, sql::kPendingSeats);
  auto rows = statement.rows();
  std::vector<PendingSeats> pending;
  while (rows.next()) {
    pending.push_back({rows.number(0), rows.number(1), rows.number(2), rows.number(3), rows.number(4)});
  }
  return pending;
}

std::int64_t SqlStatisticsReader::seat_events(std::int64_t after, std::size_t limit,
                                              const std::function<void(const SeatEvent&)>& visit) {
  auto rows = seat_events_.rows(after, limit);
  std::int64_t last = after;
  while (rows.next()) {
    last = rows.number(0);
    const std::string_view action = rows.text(2);
    if (action.starts_with("seat.")) visit({last, rows.number(1), action, rows.text(3), rows.text(4)});
  }
  return last;
}

void SqlStatisticsReader::seats_of(std::span<const Id> licenses, const std::function<void(LicenseSeats&&)>& visit) {
  const std::vector<Value> ids(licenses.begin(), licenses.end());
  series_of_ids_.read(ids, 1, [&](const Statement::Rows& rows) { visit(read_license_seats(rows)); });
}

SeatState SqlStatisticsReader::seats_of(Row product, Row license) {
  Statement statement(connection_, sql::kSeries);
  auto rows = statement.rows(product, license);
  return rows.next() ? read_state(rows)
                     : SeatState{.product = product, .license = license, .sequence = 0, .series = {}};
}

std::vector<LicenseSeats> SqlStatisticsReader::seats_of_licenses(Row product, Row after, std::size_t limit) {
  Statement statement(connection_, sql::kSeriesOfLicenses);
  auto rows = statement.rows(product, after, limit);
  std::vector<LicenseSeats> page;
  while (rows.next()) page.push_back(read_license_seats(rows));
  return page;
}

std::vector<licensing::SeatDay> SqlStatisticsReader::closed_days(Row product, Row license, Day first,
                                                                 std::size_t limit) {
  Statement statement(connection_, sql::kSeatDays);
  auto rows = statement.rows(product, license, first, limit);
  std::vector<licensing::SeatDay> days;
  while (rows.next()) {
    days.push_back({.day = rows.number(0),
                    .start = rows.count(1),
                    .peak = rows.count(2),
                    .p95 = rows.count(3),
                    .seat_seconds = rows.number(4)});
  }
  return days;
}

std::optional<ExpiryPlace> SqlStatisticsReader::noticed(ExpiryNotice notice) {
  const auto text = read_meta(connection_, sql::kNoticedNames[static_cast<std::size_t>(notice)]);
  if (!text) return std::nullopt;
  const char* at = text->data();
  const char* const end = at + text->size();
  std::int64_t numbers[3] = {};
  for (std::int64_t& number : numbers) {
    const auto read = std::from_chars(at, end, number);
    if (read.ec != std::errc()) connection_.fail_corrupt("the place of the expiry notices is none");
    at = read.ptr == end ? end : read.ptr + 1;
  }
  return ExpiryPlace{numbers[0], numbers[1], std::chrono::seconds(numbers[2])};
}

std::vector<Id> SqlStatisticsReader::due_licenses(UnixSeconds now, std::size_t limit) {
  auto rows = due_licenses_.rows(now, limit);
  std::vector<Id> licenses;
  while (rows.next()) licenses.push_back(rows.bytes16(0));
  return licenses;
}

}  // namespace lictor::store
