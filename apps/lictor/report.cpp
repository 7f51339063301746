// lictor report usage | seats | refusals, lictor refusals list
#include <fmt/format.h>

#include <boost/json.hpp>
#include <chrono>

#include "base/id.h"
#include "lictor/csv.h"
#include "lictor/error.h"
#include "lictor/json_fields.h"
#include "lictor/licenses.h"
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

struct ReportOptions {
  const Report* report = nullptr;
  std::string product, license, metric, code, from, to, by = "product";
  bool csv = false;
  Amount amount{1000, false};
};

// Reports are of whole UTC days: a bare date is one, wherever this machine is.
std::string day_start(const char* flag, const std::string& text, base::UnixSeconds now) {
  if (text.empty()) return {};
  const bool bare = text.size() == 10 && text[4] == '-';
  return std::to_string(required_time(flag, bare ? text + "T00:00Z" : text, now));
}

std::string cell_text(const json::object& row, const char* member) {
  const json::value* const value = find(row, member);
  if (value == nullptr) return {};
  if (value->is_double()) return fmt::format("{:.2f}", value->get_double());
  return value->is_string() ? std::string(value->get_string()) : json::serialize(*value);
}

void print_report(Session& session, const ReportOptions& options, const json::array& rows) {
  std::vector<Column> columns = options.report->columns;
  const auto is_hidden = [&](const Column& column) {
    return options.by == "product" && std::string_view(column.member) == "license_id";
  };
  if (!options.csv) std::erase_if(columns, is_hidden);
  std::vector<std::string> headers;
  for (const Column& column : columns) headers.emplace_back(options.csv ? column.member : column.header);
  Table table(options.csv ? std::vector<std::string>() : headers);
  std::string csv;
  if (options.csv) append_csv_line(csv, headers);
  for (const json::value& item : rows) {
    std::vector<std::string> texts;
    for (const Column& column : columns) texts.push_back(cell_text(item.as_object(), column.member));
    if (options.csv) {
      append_csv_line(csv, texts);
    } else {
      table.add({texts.begin(), texts.end()});
    }
  }
  if (options.csv) return session.output().write(csv);
  if (table.empty()) return session.output().remark("lictor: nothing in these days");
  session.output().print(table);
}

void report(Session& session, const ReportOptions& options) {
  if (options.csv && session.output().json())
    throw CommandError(ExitCode::usage, "--csv and --json can't be given together");
  Query query = {{"product", options.product},
                 {"metric", options.metric},
                 {"code", options.code},
                 {"from", day_start("--from", options.from, session.now())},
                 {"to", day_start("--to", options.to, session.now())},
                 {"by", options.by}};
  if (!options.license.empty()) query.emplace_back("license_id", find_license(session, options.license).id);
  const std::string path = std::string("/reports/") + options.report->name;
  const Listing listing = session.client().list(path, "rows", query, options.amount.most(), 10'000);
  remark_more(session, listing);
  if (session.output().json()) return session.output().print_json(listing.items);
  print_report(session, options, listing.items);
}

// ---- refusals list ----

struct RefusalOptions {
  std::string request_id, license, client, code;
  Amount amount;
};

void list_refusals(Session& session, const RefusalOptions& options) {
  Query query = {{"request_id", options.request_id}, {"client_id", options.client}, {"code", options.code}};
  if (!options.license.empty()) query.emplace_back("license_id", find_license(session, options.license).id);
  const Listing listing = session.client().list("/refusals", "refusals", query, options.amount.most());
  remark_more(session, listing);
  if (session.output().json()) return session.output().print_json(listing.items);
  Table table({"TIME", "CODE", "ENDPOINT", "LICENSE ID", "CLIENT", "DETAILS", "REQUEST ID"});
  for (const json::value& item : listing.items) {
    const json::object& refusal = item.as_object();
    const json::object details = object_of(refusal, "details");
    table.add({{time_or(refusal, "at", "")},
               {text_of(refusal, "code"), Colour::red},
               {text_of(refusal, "endpoint")},
               {text_of(refusal, "license_id")},
               {text_of(refusal, "client_id")},
               {details.empty() ? "" : json::serialize(details)},
               {text_of(refusal, "request_id")}});
  }
  if (table.empty()) return session.output().remark("lictor: no refusals");
  session.output().print(table);
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
  add_text(command, "--from", o->from, "The first day, in UTC (default: 30 days ago)", "DAY");
  add_text(command, "--to", o->to, "The day after the last", "DAY");
  add_choice(command, "--by", o->by, "A row for each product (default) or each license", {"product", "license"});
  command.add_flag("--csv", o->csv, "Print comma-separated values, for a spreadsheet");
  add_amount(command, o->amount);
}

}  // namespace

void add_report_commands(CLI::App& app, Commands commands) {
  CLI::App& group =
      commands.add_group(app, "report", "Usage, seats and refusals by the day", "lictor report seats --product demo");
  for (const Report& kind : kReports) add_report(group, commands, kind);
}

void add_refusals_commands(CLI::App& app, Commands commands) {
  CLI::App& group =
      commands.add_group(app, "refusals", "Requests of clients that were refused", "lictor refusals list --limit 20");
  auto o = std::make_shared<RefusalOptions>();
  CLI::App& command = commands.add(group, "list", "List refusals, newest first",
                                   "lictor refusals list --license lic_0123456789abcdefghjkmnpqrs", o, list_refusals);
  add_text(command, "--request-id", o->request_id, "Only of this request", "ID");
  add_text(command, "--license", o->license, "Only of this license: its id (lic_…) or its key", "LICENSE");
  add_text(command, "--client", o->client, "Only of the client with this client_id", "CLIENT_ID");
  add_text(command, "--code", o->code, "Only for this reason, such as MAX_CLIENTS_REACHED", "CODE");
  add_amount(command, o->amount);
}

}  // namespace lictor::cli
