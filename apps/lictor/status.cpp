// lictor status: the server, each product, and each license with who holds its seats.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>

#include "lictor/error.h"
#include "lictor/json_fields.h"
#include "lictor/licenses.h"
#include "lictor/session.h"
#include "lictor/values.h"

namespace lictor::cli {
namespace json = boost::json;
namespace {

constexpr std::size_t kPageSize = 5000;      // the most that GET /seats gives at once
constexpr std::size_t kHoldersShown = 10;    // of one license, to people
constexpr std::size_t kHoldersInPage = 100;  // the most that GET /seats tells of one license

struct StatusOptions {
  std::string product, policy, license;
  bool server = false, in_use = false;
  Amount amount;
};

// ---- the server ----

constexpr std::pair<const char*, const char*> kCounts[] = {
    {"licenses", "licenses"},
    {"active licenses", "active_licenses"},
    {"seats held", "seats_held"},
    {"audit events", "events"},
    {"refusals", "refusals"},
    {"clock steps", "clock_steps"},
    {"cached licenses", "cached_licenses"},
    {"cached activations", "cached_activations"},
    {"write queue", "write_queue"},
    {"connections", "connections"},
};

void warn_of_clock(Session& session, const json::object& status) {
  const auto time = number_of(status, "server_time");
  if (!time || std::abs(*time - session.now()) <= 60) return;
  session.output().remark(fmt::format("lictor: warning: the server's clock and this machine's differ by {}",
                                      format_duration(std::abs(*time - session.now()))));
}

void print_server(Session& session, const json::object& status) {
  Table table;
  table.add({{"server"}, {session.client().connection().url}});
  table.add({{"version"}, {text_of(status, "version")}});
  table.add({{"database"}, {text_of(status, "database")}});
  if (const auto uptime = number_of(status, "uptime_seconds")) table.add({{"up for"}, {format_uptime(*uptime)}});
  table.add({{"server time"}, {time_or(status, "server_time", "unknown")}});
  for (const auto& [label, member] : kCounts) {
    if (const auto count = number_of(status, member)) table.add({{label}, {std::to_string(*count)}});
  }
  session.output().print(table);
}

std::string server_line(Session& session, const json::object& status) {
  const auto counted = [&](std::string_view member, std::string_view noun) {
    const std::int64_t number = number_of(status, member).value_or(0);
    return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
  };
  return fmt::format("lictord {} at {}, up for {}; {}, {} held, {}", text_of(status, "version"),
                     session.client().connection().url, format_uptime(number_of(status, "uptime_seconds").value_or(0)),
                     counted("licenses", "license"), counted("seats_held", "seat"), counted("events", "audit event"));
}

// ---- seats ----

struct Totals {
  std::int64_t licenses = 0, in_use = 0, seats = 0, used = 0, free = 0;
  std::int64_t unlimited = 0;  // licenses without a limit: their seats are not counted

  void add(const json::object& license) {
    const std::int64_t active = number_of(license, "active_clients").value_or(0);
    ++licenses;
    in_use += active > 0 ? 1 : 0;
    used += active;
    if (const auto most = number_of(license, "max_clients")) {
      seats += *most;
      free += number_of(license, "free").value_or(0);
    } else {
      ++unlimited;
    }
  }
};
using ProductTotals = std::map<std::string, Totals, std::less<>>;

void add_to_totals(ProductTotals& totals, const json::object& license) {
  const json::value* const product = find(license, "product");
  if (product == nullptr || !product->is_string()) return;
  const std::string_view name(product->get_string().data(), product->get_string().size());
  auto place = totals.find(name);
  if (place == totals.end()) place = totals.emplace(name, Totals()).first;
  place->second.add(license);
}

Query seats_query(Session& session, const StatusOptions& options, std::size_t holders) {
  Query query = {{"product", options.product},
                 {"policy", options.policy},
                 {"in_use", options.in_use ? "true" : ""},
                 {"clients", std::to_string(holders)},
                 {"limit", std::to_string(kPageSize)}};
  if (!options.license.empty()) query.emplace_back("license_id", find_license(session, options.license).id);
  return query;
}

template <class Visit>
void each_license(Session& session, const Query& query, std::int64_t expected, Visit visit) {
  Progress progress;
  std::int64_t seen = 0;
  session.client().pages("/seats", query, [&](const json::object& page) {
    const json::value* const licenses = find(page, "licenses");
    if (licenses == nullptr || !licenses->is_array()) return false;
    bool goes_on = true;
    for (const json::value& license : licenses->get_array()) goes_on = visit(license.as_object()) && goes_on;
    seen += static_cast<std::int64_t>(licenses->get_array().size());
    if (seen < expected) progress.show(fmt::format("{} of {} licenses", seen, expected));
    return goes_on;
  });
}

// ---- for people ----

std::string seats_text(std::int64_t seats, std::int64_t unlimited) {
  return unlimited == 0 ? std::to_string(seats) : seats == 0 ? "unlimited" : fmt::format("{} + unlimited", seats);
}

Table totals_table(const ProductTotals& totals) {
  Table table({"PRODUCT", "LICENSES", "IN USE", "SEATS", "USED", "FREE"});
  for (const auto& [product, sum] : totals) {
    table.add({{product},
               {std::to_string(sum.licenses)},
               {std::to_string(sum.in_use)},
               {seats_text(sum.seats, sum.unlimited)},
               {std::to_string(sum.used)},
               {seats_text(sum.free, sum.unlimited)}});
  }
  return table;
}

// When a client's seat becomes free by itself.
std::string until_text(const json::object& client, bool floating) {
  return time_or(client, "lease_expires_at", floating ? "" : "it is given back");
}

// A line for the license and one for each holder that is told.
void add_license(Table& table, const json::object& license) {
  const std::int64_t used = number_of(license, "active_clients").value_or(0);
  const auto free = number_of(license, "free");
  table.add({{text_of(license, "license_id"), Colour::bold},
             {text_of(license, "product") + "/" + text_of(license, "policy")},
             status_cell(text_of(license, "status")),
             {limit_text(license, "max_clients")},
             {std::to_string(used)},
             free && *free == 0 ? Cell{"0", Colour::red} : Cell{limit_text(license, "free")},
             {""},
             {time_or(license, "expires_at", "never")},
             {text_of(license, "holder")}});
  const json::value* const clients = find(license, "clients");
  if (clients == nullptr || !clients->is_array()) return;
  const bool floating = is_true(license, "floating");
  for (const json::value& item : clients->get_array()) {
    const json::object& client = item.as_object();
    table.add({{"  " + text_of(client, "client_id")},
               {""},
               is_true(client, "over_limit") ? status_cell("over limit") : Cell{""},
               {""},
               {"1"},
               {""},
               {time_or(client, "activated_at", "")},
               {until_text(client, floating)}});
  }
  const auto told = static_cast<std::int64_t>(clients->get_array().size());
  if (is_true(license, "more_clients")) {
    table.add({{fmt::format("  and {} more: lictor client list {} --held", used - told, text_of(license, "license_id")),
                Colour::dim}});
  }
}

Table license_table() {
  return Table({"LICENSE / CLIENT", "PRODUCT", "STATUS", "SEATS", "USED", "FREE", "SINCE", "UNTIL", "HOLDER"});
}

// The license with those of its holders that are shown; long lists are read without them, which is quicker.
json::object with_holders(Session& session, const json::object& license) {
  const json::object data = session.client().get(
      "/seats", {{"license_id", text_of(license, "license_id")}, {"clients", std::to_string(kHoldersShown)}});
  const json::value* const licenses = find(data, "licenses");
  const bool known = licenses != nullptr && licenses->is_array() && licenses->get_array().size() == 1;
  return known ? licenses->get_array().front().as_object() : license;
}

void print_seats(Session& session, const StatusOptions& options, const json::object& status) {
  const std::int64_t expected = number_of(status, "licenses").value_or(0);
  const std::size_t most = options.amount.most().value_or(std::numeric_limits<std::size_t>::max());
  ProductTotals totals;
  Table table = license_table();
  std::size_t count = 0, count_used = 0;
  std::vector<json::object> first, first_used;  // fetched afterwards: the pages come over the same connection
  const std::size_t holders = options.amount.all ? kHoldersShown : 0;
  each_license(session, seats_query(session, options, holders), expected, [&](const json::object& license) {
    add_to_totals(totals, license);
    const bool in_use = number_of(license, "active_clients").value_or(0) > 0;
    const bool is_shown = count++ < most, is_shown_used = in_use && count_used++ < most;
    if (options.amount.all) {
      add_license(table, license);
    } else {
      if (is_shown) first.emplace_back(license, json::storage_ptr());
      if (is_shown_used) first_used.emplace_back(license, json::storage_ptr());
    }
    return true;
  });
  if (count == 0) return session.output().remark("lictor: no licenses");
  const bool shows_used = count > most && !options.in_use && count_used > 0;
  for (const auto& license : shows_used ? first_used : first) {
    const bool in_use = number_of(license, "active_clients").value_or(0) > 0;
    add_license(table, in_use ? with_holders(session, license) : license);
  }
  session.output().print(totals_table(totals));
  session.output().print_line("");
  session.output().print(table);
  const std::size_t shown = std::min(shows_used ? count_used : count, most);
  if (shown < count) {
    session.output().remark(
        fmt::format("lictor: {} of {} licenses are shown{}; --limit or --all shows more, --product, "
                    "--policy and --license fewer",
                    shown, count, shows_used ? ", those in use first" : ""));
  }
}

// ---- for programs ----

json::object totals_json(const std::string& product, const Totals& sum) {
  return {{"product", product},
          {"licenses", sum.licenses},
          {"in_use", sum.in_use},
          {"seats", sum.seats},
          {"used", sum.used},
          {"free", sum.free},
          {"unlimited_licenses", sum.unlimited}};
}

// All holders of a license that has more than a page of /seats tells.
json::object with_all_holders(Session& session, const json::object& license) {
  json::object whole = license;
  const std::string path = "/licenses/" + text_of(license, "license_id") + "/clients";
  json::array clients;
  for (json::value& item : session.client().list(path, "clients", {{"held", "true"}}, std::nullopt).items) {
    json::object& client = item.as_object();
    json::object kept;
    for (const char* name : {"id", "client_id", "activated_at", "lease_expires_at", "last_seen_at", "over_limit"}) {
      if (const json::value* value = client.if_contains(name)) kept[name] = *value;
    }
    clients.push_back(std::move(kept));
  }
  whole["clients"] = std::move(clients);
  whole["more_clients"] = false;
  return whole;
}

// Written as it arrives: a line for each license.
class LicenseStream {
 public:
  explicit LicenseStream(const Output& output) : output_(output) {}
  void open(const json::object& head) {
    append_json(text_, head);
    text_.resize(text_.size() - 2);  // without the last line end and brace
    text_ += ",\n  \"licenses\": [";
  }
  void add(const json::object& license) {
    text_ += first_ ? "\n    " : ",\n    ";
    first_ = false;
    serializer_.reset(&license);
    char piece[4096];
    while (!serializer_.done()) text_ += std::string_view(serializer_.read(piece));
    if (text_.size() > kFlushBytes) flush();
  }
  void close(const json::array& products) {
    text_ += first_ ? "]" : "\n  ]";
    text_ += ",\n  \"products\": ";
    append_json(text_, products, 2);
    text_ += "\n}\n";
    flush();
  }

 private:
  static constexpr std::size_t kFlushBytes = 1 << 20;
  void flush() {
    output_.write(text_);
    text_.clear();
  }
  const Output& output_;
  json::serializer serializer_;
  std::string text_;
  bool first_ = true;
};

void stream_json(Session& session, const StatusOptions& options, json::object status) {
  // The list of licenses has the name that their number has in the answer of the server.
  if (json::value* count = status.if_contains("licenses")) {
    status["license_count"] = *count;
    status.erase("licenses");
  }
  std::vector<json::object> crowded;  // fetched afterwards: the pages come over the same connection
  ProductTotals totals;
  LicenseStream stream(session.output());
  stream.open(status);
  const std::size_t most = options.amount.limit_given ? options.amount.limit : std::numeric_limits<std::size_t>::max();
  std::size_t count = 0;
  each_license(session, seats_query(session, options, kHoldersInPage), 0, [&](const json::object& license) {
    add_to_totals(totals, license);
    if (count++ >= most) return false;
    if (is_true(license, "more_clients")) {
      crowded.emplace_back(license, json::storage_ptr());
    } else {
      stream.add(license);
    }
    return true;
  });
  for (const json::object& license : crowded) stream.add(with_all_holders(session, license));
  json::array products;
  for (const auto& [product, sum] : totals) products.push_back(totals_json(product, sum));
  stream.close(products);
}

void show_status(Session& session, const StatusOptions& options) {
  const json::object status = session.client().get("/status");
  if (options.server) {
    if (session.output().json()) return session.output().print_json(status);
    warn_of_clock(session, status);
    return print_server(session, status);
  }
  if (session.output().json()) return stream_json(session, options, status);
  warn_of_clock(session, status);
  session.output().print_line(server_line(session, status));
  session.output().print_line("");
  print_seats(session, options, status);
}

}  // namespace

void add_status_command(CLI::App& app, Commands commands) {
  auto o = std::make_shared<StatusOptions>();
  CLI::App& command =
      commands.add(app, "status", "Show the server, and the seats of every license: taken, free, and who holds them",
                   "lictor status --product demo", o, show_status);
  add_text(command, "--product", o->product, "Only of this product", "NAME");
  add_text(command, "--policy", o->policy, "Only of this policy of the product", "NAME")->needs("--product");
  add_text(command, "--license", o->license, "Only of this license: its id (lic_…) or its key", "LICENSE");
  command.add_flag("--in-use", o->in_use,
                   "Only licenses of which a seat is taken (when there are many, those are shown)");
  add_amount(command, o->amount);
  command.add_flag("--server", o->server, "Only the figures of the server");
}

}  // namespace lictor::cli
