// lictor status
#include <fmt/format.h>

#include "lictor/json_fields.h"
#include "lictor/session.h"

namespace lictor::cli {
namespace {

struct NoOptions {};

void show_status(Session& session, const NoOptions&) {
  Client& client = session.client();
  const boost::json::object status = client.get("/status");
  if (session.output().json()) return session.output().print_json(status);

  Table table;
  table.add({{"server"}, {client.connection().url}});
  table.add({{"version"}, {text_of(status, "version")}});
  table.add({{"database"}, {text_of(status, "database")}});
  if (const auto uptime = number_of(status, "uptime_seconds")) table.add({{"up for"}, {format_uptime(*uptime)}});
  table.add({{"server time"}, {time_or(status, "server_time", "unknown")}});
  constexpr std::pair<const char*, const char*> kCounts[] = {
      {"licenses", "licenses"},
      {"active licenses", "active_licenses"},
      {"seats held", "seats_held"},
      {"audit events", "events"},
      {"cached licenses", "cached_licenses"},
      {"cached activations", "cached_activations"},
      {"write queue", "write_queue"},
      {"connections", "connections"},
  };
  for (const auto& [label, member] : kCounts) {
    if (const auto count = number_of(status, member)) table.add({{label}, {std::to_string(*count)}});
  }
  if (const auto time = number_of(status, "server_time"); time && std::abs(*time - session.now()) > 60) {
    session.output().remark(fmt::format("lictor: warning: the server's clock and this machine's differ by {}",
                                        format_duration(std::abs(*time - session.now()))));
  }
  session.output().print(table);
}

}  // namespace

void add_status_command(CLI::App& app, Commands commands) {
  commands.add(app, "status", "Show how the server is doing", "lictor status --data var/demo",
               std::make_shared<NoOptions>(), show_status);
}

}  // namespace lictor::cli
