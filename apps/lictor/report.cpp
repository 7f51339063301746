// lictor report usage | seats | refusals
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <limits>

#include "licensing/seat_series.h"
#include "lictor/csv.h"
#include "lictor/error.h"
#include "lictor/json_fields.h"
#include "lictor/licenses.h"
#include "lictor/output_file.h"
#include "lictor/session.h"
#include "lictor/values.h"

namespace lictor::cli {
namespace json = boost::json;
namespace {

struct Column {
  const char* member;
  const char* header;
};

struct Report {
  const char* name;
  const char* description;
  std::vector<Column> columns;
};

const Report kReports[] = {
    {"usage",
     "Usage that clients reported, a day",
     {{"day", "DAY"},
      {"product", "PRODUCT"},
      {"license_id", "LICENSE ID"},
      {"metric", "METRIC"},
      {"quantity", "QUANTITY"}}},
    {"seats",
     "Seats that were held, a day: the most at once, 95 % of the time at most, and on average",
     {{"day", "DAY"},
      {"product", "PRODUCT"},
      {"license_id", "LICENSE ID"},
      {"peak", "PEAK"},
      {"p95", "P95"},
      {"mean", "MEAN"},
      {"seat_seconds", "SEAT SECONDS"}}},
    {"refusals",
     "Requests of clients that were refused, a day and a reason",
     {{"day", "DAY"}, {"product", "PRODUCT"}, {"license_id", "LICENSE ID"}, {"code", "CODE"}, {"count", "COUNT"}}},
};

constexpr std::size_t kPageSize = 10'000;  // the most that /reports gives at once

struct ReportOptions {
  const Report* report = nullptr;
  std::string product, license, metric, code, from, to, by, file;
  bool csv = false;
  Amount amount{1000};
};

// Reports are of whole UTC days: a bare date is one, wherever this machine is.
std::optional<std::int64_t> day_start(const char* flag, const std::string& text, base::UnixSeconds now) {
  if (text.empty()) return std::nullopt;
  const bool bare = text.size() == 10 && text[4] == '-';
  const bool counted = text.front() == '-' || text.front() == '+';
  const std::int64_t time =
      required_moment(flag, bare ? text + "T00:00Z" : text, now, "a DAY such as 2026-11-01, or -7d for seven days ago");
  return counted ? licensing::start_of(licensing::day_of(time)) : time;
}

std::string cell_text(const json::object& row, const char* member) {
  const json::value* const value = find(row, member);
  if (value == nullptr) return {};
  if (value->is_double()) return fmt::format("{:.2f}", value->get_double());
  return value->is_string() ? std::string(value->get_string()) : json::serialize(*value);
}

Query report_query(Session& session, const ReportOptions& options) {
  const auto from = day_start("--from", options.from, session.now());
  const auto to = day_start("--to", options.to, session.now());
  if (from && to) require_order({"--from", options.from, *from}, {"--to", options.to, *to});
  Query query = {{"product", options.product},
                 {"metric", options.metric},
                 {"code", options.code},
                 {"from", from ? std::to_string(*from) : ""},
                 {"to", to ? std::to_string(*to) : ""},
                 {"by", options.by}};
  if (!options.license.empty()) query.emplace_back("license_id", find_license(session, options.license).id);
  return query;
}

// ---- for people ----

void print_report(Session& session, const ReportOptions& options, const std::string& path, const Query& query) {
  const Listing listing = session.client().list(path, "rows", query, options.amount.most(), kPageSize);
  remark_more(session, listing);
  std::vector<Column> columns = options.report->columns;
  const bool by_product = options.by == "product" || (options.by.empty() && options.license.empty());
  std::erase_if(columns,
                [&](const Column& column) { return by_product && std::string_view(column.member) == "license_id"; });
  std::vector<std::string> headers;
  for (const Column& column : columns) headers.emplace_back(column.header);
  Table table(headers);
  for (const json::value& item : listing.items) {
    std::vector<Cell> cells;
    for (const Column& column : columns) cells.push_back({cell_text(item.as_object(), column.member)});
    table.add(std::move(cells));
  }
  if (table.empty()) return session.output().remark("lictor: nothing in these days");
  session.output().print(table);
}

// ---- for programs ----

// Written as the pages arrive; all rows unless --limit was given.
void export_report(Session& session, const ReportOptions& options, const std::string& path, Query query, bool csv) {
  const std::size_t most = options.amount.limit_given ? options.amount.limit : std::numeric_limits<std::size_t>::max();
  query.emplace_back("limit", std::to_string(std::min(most, kPageSize)));
  OutputFile file(options.file);
  std::string text = csv ? "" : "[";
  if (csv) {
    std::vector<std::string> names;
    for (const Column& column : options.report->columns) names.emplace_back(column.member);
    append_csv_line(text, names);
  }
  Progress progress;
  std::size_t count = 0;
  session.client().pages(path, query, [&](const json::object& page) {
    const json::value* const rows = find(page, "rows");
    if (rows == nullptr || !rows->is_array()) return false;
    for (const json::value& item : rows->get_array()) {
      if (count == most) return false;
      if (csv) {
        std::vector<std::string> cells;
        for (const Column& column : options.report->columns)
          cells.push_back(cell_text(item.as_object(), column.member));
        append_csv_line(text, cells);
      } else {
        text += count == 0 ? "\n  " : ",\n  ";
        append_json(text, item, 2);
      }
      ++count;
    }
    file.write(text);
    if (!file.is_stdout()) progress.show(fmt::format("{} rows", count));
    return true;
  });
  if (!csv) text += count == 0 ? "]\n" : "\n]\n";
  file.write(text);
  file.finish();
  if (!file.is_stdout()) session.output().remark(fmt::format("lictor: {} rows are in {}", count, options.file));
}

void report(Session& session, const ReportOptions& options) {
  if (options.csv && session.output().json())
    throw CommandError(ExitCode::usage, "--csv and --json can't be given together");
  const std::string path = std::string("/reports/") + options.report->name;
  const Query query = report_query(session, options);
  const bool csv =
      options.csv || (!session.output().json() && !options.file.empty() && !options.file.ends_with(".json"));
  if (!csv && !session.output().json() && options.file.empty()) return print_report(session, options, path, query);
  export_report(session, options, path, query, csv);
}

void add_report(CLI::App& group, Commands commands, const Report& kind) {
  auto o = std::make_shared<ReportOptions>();
  o->report = &kind;
  CLI::App& command = commands.add(
      group, kind.name, kind.description,
      fmt::format("lictor report {} --product demo --from 2030-01-01 --to 2030-02-01 --csv", kind.name), o, report);
  add_text(command, "--product", o->product, "Only of this product", "NAME");
  add_text(command, "--license", o->license, "Only of this license: its id (lic_…) or its key", "LICENSE");
  if (std::string_view(kind.name) == "usage") add_text(command, "--metric", o->metric, "Only of this metric", "METRIC");
  if (std::string_view(kind.name) == "refusals") add_text(command, "--code", o->code, "Only for this reason", "CODE");
  add_text(command, "--from", o->from, "The first day, in UTC: 2026-11-01, or -7d (default: 30 days ago)", "DAY");
  add_text(command, "--to", o->to, "The day after the last: 2026-12-01, or -1d", "DAY");
  add_choice(command, "--by", o->by,
             "A row for each product, or for each license (default: product, without --license)",
             {"product", "license"});
  command.add_flag("--csv", o->csv, "Write comma-separated values, for a spreadsheet; all rows, as with --json");
  add_text(command, "-o,--output", o->file, "Into this file (mode 0600) instead of stdout: CSV, or .json", "FILE");
  add_amount(command, o->amount);
}

}  // namespace

void add_report_commands(CLI::App& app, Commands commands) {
  CLI::App& group =
      commands.add_group(app, "report", "Usage, seats and refusals by the day", "lictor report seats --product demo");
  for (const Report& kind : kReports) add_report(group, commands, kind);
}

}  // namespace lictor::cli
