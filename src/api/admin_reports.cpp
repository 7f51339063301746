// Figures of days: usage, seats, refusals.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "api/admin.h"
#include "api/admin_change.h"
#include "api/admin_list.h"
#include "api/admin_names.h"
#include "api/errors.h"
#include "api/report_text.h"
#include "base/encoding.h"
#include "service/seat_report.h"

namespace lictor::api {
namespace {

using namespace std::chrono_literals;
using licensing::Code;
using licensing::Day;

// So long the answer waits for what happened just now.
constexpr auto kRollUpTime = 2s;
constexpr Day kStandardDays = 30;

struct ReportQuery {
  Day first = 0, last = 0;
  store::Row product = 0;  // 0: all
  std::optional<store::LicenseRef> license_ref;
  store::Row license = 0;
  base::Id license_id;
  bool by_license = false;
  std::string name;  // of a metric or code; empty: all
  std::optional<store::DayCountKey> after;
  std::size_t limit = 0;
  ReportText::Format format = ReportText::Format::json;
};

// A cursor: `day.product.license`, of counts with `.name in hexadecimal`.
std::string format_key(const store::DayCountKey& key) {
  const std::string text = fmt::format("{}.{}.{}", key.day, key.product, key.license);
  if (key.name.empty()) return text;
  return text + "." + base::to_hex({reinterpret_cast<const std::uint8_t*>(key.name.data()), key.name.size()});
}

std::optional<store::DayCountKey> parse_key(std::string_view text) {
  store::DayCountKey key;
  for (std::int64_t* const number : {&key.day, &key.product, &key.license}) {
    if (number != &key.day) {
      if (!text.starts_with('.')) return std::nullopt;
      text.remove_prefix(1);
    }
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
    if (error != std::errc{}) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  }
  if (text.empty()) return key;
  const auto bytes = text.starts_with('.') ? base::from_hex(text.substr(1)) : std::nullopt;
  if (!bytes) return std::nullopt;
  key.name.assign(bytes->begin(), bytes->end());
  return key;
}

std::optional<RequestFault> read_days(const Arguments& arguments, base::UnixSeconds now, ReportQuery& query) {
  const auto to = arguments.integer("to");
  query.last = to ? licensing::day_of(*to - 1) : licensing::day_of(now);
  const auto from = arguments.integer("from");
  query.first = from ? licensing::day_of(*from) : query.last - kStandardDays + 1;
  if (from && to && *from >= *to) return RequestFault{Code::bad_request, "to", "must be later than from"};
  return std::nullopt;
}

std::optional<RequestFault> read_query(Call& call, const Arguments& arguments, ReportQuery& query) {
  if (auto fault = read_days(arguments, call.app().clock.now(), query)) return fault;
  if (auto fault = read_product(call.app(), arguments, query.product)) return fault;
  if (auto fault = read_license_id(arguments, query.license_ref)) return fault;
  query.by_license = query.license_ref || arguments.text_or("by") == "license";
  query.limit = static_cast<std::size_t>(arguments.integer("limit").value_or(1000));
  if (arguments.text_or("format") == "csv") query.format = ReportText::Format::csv;
  if (const auto cursor = arguments.text("cursor")) {
    query.after = parse_key(*cursor);
    if (!query.after) return cursor_fault();
  }
  return std::nullopt;
}

// False: there is no such license.
bool find_license(const App& app, store::Reader& reader, ReportQuery& query) {
  if (!query.license_ref) return true;
  const auto view = reader.license(*query.license_ref, std::nullopt, app.clock.now());
  if (!view) return false;
  const auto terms = app.catalog.terms(view->license.policy, view->license.overrides);
  const store::Row product = terms->product->stored.row;
  if (query.product != 0 && query.product != product) return false;
  query.license = view->license.row;
  query.license_id = view->license.id;
  query.product = product;
  return true;
}

// Day, product and license of a row.
void append_subject(ReportText& out, const App& app, Day day, store::Row product, const base::Id& license) {
  out.text(format_date(licensing::start_of(day)));
  const auto known = product == 0 ? nullptr : app.catalog.product(product);
  known ? out.text(known->stored.name) : out.nothing();
  license ? out.text(base::format_id(base::kLicensePrefix, license)) : out.nothing();
}

struct Report {
  std::string rows;
  std::optional<std::string> next;
};

using ReadCounts = store::DayCountPage (store::StatisticsReader::*)(const store::DayCountQuery&, std::size_t);

Report count_report(const App& app, store::Reader& reader, const ReportQuery& query, ReadCounts read,
                    std::span<const std::string_view> columns) {
  const store::DayCountQuery counts{query.first,      query.last, query.product, query.license,
                                    query.by_license, query.name, query.after};
  const auto page = (reader.statistics().*read)(counts, query.limit);
  ReportText out(query.format, columns);
  for (const auto& row : page.rows) {
    append_subject(out, app, row.count.day, row.count.product, row.license_id);
    out.text(row.count.name).number(row.count.amount);
  }
  return {std::move(out.finish()), page.next ? std::optional(format_key(*page.next)) : std::nullopt};
}

Report usage_report(const App& app, store::Reader& reader, const ReportQuery& query) {
  static constexpr std::string_view kColumns[] = {"day", "product", "license_id", "metric", "quantity"};
  return count_report(app, reader, query, &store::StatisticsReader::usage_days, kColumns);
}

Report refusal_report(const App& app, store::Reader& reader, const ReportQuery& query) {
  static constexpr std::string_view kColumns[] = {"day", "product", "license_id", "code", "count"};
  return count_report(app, reader, query, &store::StatisticsReader::refusal_days, kColumns);
}

Report seat_report(const App& app, store::Reader& reader, const ReportQuery& query) {
  static constexpr std::string_view kColumns[] = {"day", "product", "license_id",  "peak",
                                                  "p95", "mean",    "seat_seconds"};
  service::SeatReportQuery seats{query.first,   query.last,       {},          query.by_license,
                                 query.license, query.license_id, std::nullopt};
  for (const auto& product : app.catalog.products()) {
    if (query.product == 0 || query.product == product->stored.row) seats.products.push_back(product->stored.row);
  }
  std::ranges::sort(seats.products);
  if (query.after) seats.after = {query.after->product, query.after->license, query.after->day};
  const auto page = read_seat_report(reader.statistics(), seats, app.clock.now(), query.limit);
  ReportText out(query.format, kColumns);
  for (const auto& row : page.rows) {
    append_subject(out, app, row.day.day, row.product, row.license_id);
    const auto seconds = static_cast<double>(std::max<licensing::Seconds>(1, row.day.seconds));
    out.number(row.day.peak).number(row.day.p95).fraction(static_cast<double>(row.day.seat_seconds) / seconds);
    out.number(row.day.seat_seconds);
  }
  std::optional<std::string> next;
  if (page.next) next = format_key({page.next->day, page.next->product, page.next->license, {}});
  return {std::move(out.finish()), next};
}

using MakeReport = Report (*)(const App&, store::Reader&, const ReportQuery&);

void answer_report(Call& call, const Report& report, ReportText::Format format) {
  if (format == ReportText::Format::csv) {
    if (report.next) call.set_header("X-Next-Cursor", *report.next);
    return call.answer_text(200, "text/csv; charset=utf-8; header=present", report.rows);
  }
  std::string data = "{\"rows\":[" + report.rows + "]";
  append_next(data, report.next);
  call.succeed(200, data, "Report");
}

void handle_report(Call& call, std::string_view name_field, bool rolls_up, MakeReport make) {
  const auto arguments = read_arguments(call);
  if (!arguments) return;
  ReportQuery query;
  if (const auto fault = read_query(call, *arguments, query)) return call.fail(*fault);
  if (!name_field.empty()) query.name = arguments->text_or(name_field);
  ReadCall::submit(call, [&app = call.app(), query, rolls_up, make](store::Reader& reader) -> ReadCall::Reply {
    ReportQuery found = query;
    if (!find_license(app, reader, found)) return [](Call& again) { again.fail(Code::not_found); };
    if (!query.after && rolls_up) app.statistics.roll_up(kRollUpTime);
    return [report = make(app, reader, found), format = query.format](Call& again) {
      answer_report(again, report, format);
    };
  });
}

}  // namespace

void handle_usage_report(Call& call) { handle_report(call, "metric", false, usage_report); }
void handle_seat_report(Call& call) { handle_report(call, "", true, seat_report); }
void handle_refusal_report(Call& call) { handle_report(call, "code", false, refusal_report); }

}  // namespace lictor::api
