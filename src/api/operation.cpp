#include "api/operation.h"

#include <fmt/format.h>

#include "base/encoding.h"

namespace lictor::api {

// Liveness: that this answers is all it says.
void handle_health(Call& call) { call.succeed(200, R"({"healthy":true})", "The server is alive"); }

// Readiness: migrations are done before the server listens; what remains is that the database answers and no stop was
// asked for. Of a database server that can't be reached, readiness outlasts the loss for as long as memory answers:
// else a balancer would take every replica away at once.
void handle_ready(Call& call) {
  if (call.app().stopping())
    return call.fail(Failure{licensing::Code::unavailable, "The server is stopping", {}, 1, {}});
  const auto ping = [](store::Reader& reader) -> ReadCall::Reply {
    reader.ping();
    return [](Call& again) { again.succeed(200, R"({"ready":true})", "The server is ready"); };
  };
  const auto without_database = [](Call& again) {
    if (again.app().feed == nullptr || !again.app().feed->is_usable())
      return again.fail(nothing_recorded(licensing::Code::unavailable));
    again.succeed(200, R"({"ready":true,"database":false})",
                  "The database can't be reached; validations are answered from memory");
  };
  ReadCall::submit(call, ping, [without_database]() -> ReadCall::Reply { return without_database; });
}

// Without the database the totals are those of the last scrape: all other metrics are worth having all the more.
void handle_metrics(Call& call) {
  const auto render = [](Call& again) {
    again.answer_text(200, base::kMetricsContentType, again.app().metrics.render());
  };
  const auto read = [render, &app = call.app()](store::Reader& reader) -> ReadCall::Reply {
    const store::Totals totals = reader.totals();
    app.totals.licenses = totals.licenses;
    app.totals.active_licenses = totals.active_licenses;
    app.totals.seats_held = totals.seats_held;
    return render;
  };
  ReadCall::submit(call, read, [render]() -> ReadCall::Reply { return render; });
}

void handle_status(Call& call) {
  ReadCall::submit(call, [](store::Reader& reader) -> ReadCall::Reply {
    return [totals = reader.totals(), refusals = reader.statistics().state().refusals](Call& again) {
      const App& app = again.app();
      const auto cache = app.cache.counts();
      const base::UnixSeconds now = app.clock.now();
      const std::string data = fmt::format(
          R"({{"version":"{}","uptime_seconds":{},"database":{},"server_time":{},"licenses":{},"active_licenses":{},)"
          R"("seats_held":{},"events":{},"refusals":{},"cached_licenses":{},"cached_activations":{},"write_queue":{},)"
          R"("connections":{},"clock_steps":{}}})",
          LICTOR_VERSION, now - app.started_at, base::json_string(app.database), now, totals.licenses,
          totals.active_licenses, totals.seats_held, totals.events, refusals, cache.licenses, cache.activations,
          app.writes.queue_length(), app.connections().open, app.clock_steps());
      again.succeed(200, data, "Status");
    };
  });
}

}  // namespace lictor::api
