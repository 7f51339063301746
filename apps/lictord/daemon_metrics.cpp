#include "lictord/daemon_metrics.h"

namespace lictor::daemon {
namespace {

constexpr auto count = [](auto number) { return static_cast<double>(number); };

void register_database_metrics(api::App& app, const store::Store& store) {
  base::Metrics& metrics = app.metrics;
  metrics.gauge("lictor_database_up", "Whether the database could be read when it was last tried.",
                [&app] { return app.reads.is_reachable() ? 1.0 : 0.0; });
  metrics.gauge("lictor_read_threads", "Threads that read the database.",
                [&app] { return count(app.reads.threads()); });
  metrics.gauge("lictor_read_threads_busy", "Threads that read the database just now.",
                [&app] { return count(app.reads.busy()); });
  metrics.gauge("lictor_database_connections", "Open connections to the database server; 0 with SQLite.",
                [&store] { return count(store.connections().open); });
  metrics.counter_from("lictor_database_connections_total", "Connections to the database server that were opened.",
                       [&store] { return count(store.connections().opened); });
  metrics.counter_from("lictor_database_connections_lost_total", "Connections to the database server that were lost.",
                       [&store] { return count(store.connections().lost); });
  metrics.gauge("lictor_background_leader", "1: this replica sweeps leases, adds figures up and drops what is old.",
                [&app] { return app.statistics.leads() ? 1.0 : 0.0; });
  metrics.gauge("lictor_feed_age_seconds", "Age of what is known of other replicas' changes; 0 with SQLite.",
                [&app] { return app.feed != nullptr ? static_cast<double>(app.feed->age().count()) / 1000 : 0.0; });
  metrics.gauge("lictor_clock_correction_seconds",
                "What is added to this machine's clock to have the database server's, which counts; 0 with SQLite.",
                [&app] {
                  if (app.feed == nullptr) return 0.0;
                  return static_cast<double>(app.feed->counts().clock_ahead.count()) / 1000;
                });
  metrics.counter_from("lictor_feed_changes_total", "Changes of other replicas that were applied to memory.",
                       [&app] { return count(app.feed != nullptr ? app.feed->counts().notes : 0); });
  metrics.counter_from("lictor_feed_lost_total", "Times that changes of other replicas could not be read.",
                       [&app] { return count(app.feed != nullptr ? app.feed->counts().lost : 0); });
  metrics.counter_from("lictor_feed_resets_total",
                       "Times that memory was dropped: the database's history was another one, or too far ahead.",
                       [&app] { return count(app.feed != nullptr ? app.feed->counts().resets : 0); });
}

void register_redis_metrics(api::App& app) {
  using Counts = service::SharedCacheCounts;
  const auto counts = [&app] { return app.shared == nullptr ? Counts() : app.shared->counts(); };
  const auto requests = [&](const char* result, std::uint64_t Counts::*member) {
    app.metrics.counter_from("lictor_shared_cache_requests_total", "Licenses asked for in Redis.",
                             [counts, member] { return static_cast<double>(counts().*member); }, {{"result", result}});
  };
  requests("hit", &Counts::hits);
  requests("miss", &Counts::misses);
  requests("untrusted", &Counts::untrusted);
  requests("error", &Counts::errors);
  requests("skipped", &Counts::skipped);
  app.metrics.counter_from("lictor_shared_cache_dropped_total", "Entries and invalidations that did not get to Redis.",
                           [counts] { return static_cast<double>(counts().dropped); });
  app.metrics.gauge("lictor_redis_up", "Whether Redis answered when it was last asked; 0 without Redis.",
                    [counts] { return counts().is_up ? 1.0 : 0.0; });
}

}  // namespace

void register_metrics(api::App& app, const store::Store& store) {
  base::Metrics& metrics = app.metrics;
  metrics.gauge("lictor_write_queue_jobs", "Commands that wait for a transaction.",
                [&app] { return count(app.writes.queue_length()); });
  metrics.gauge("lictor_read_queue_jobs", "Reads that wait for the database.",
                [&app] { return count(app.reads.queue_length()); });
  metrics.gauge("lictor_cached_licenses", "Licenses in the read cache.",
                [&app] { return count(app.cache.counts().licenses); });
  metrics.gauge("lictor_cached_activations", "Activations in the read cache.",
                [&app] { return count(app.cache.counts().activations); });
  metrics.counter_from("lictor_cache_hits_total", "Validations that found their license in memory.",
                       [&app] { return count(app.cache.counts().hits); });
  metrics.counter_from("lictor_cache_misses_total", "Look-ups that went to the database.",
                       [&app] { return count(app.cache.counts().misses); });
  metrics.counter_from("lictor_cache_evictions_total", "Records dropped for others.",
                       [&app] { return count(app.cache.counts().evictions); });
  metrics.gauge("lictor_licenses", "Licenses.", [&app] { return count(app.totals.licenses.load()); });
  metrics.gauge("lictor_licenses_active", "Licenses that are not suspended or revoked.",
                [&app] { return count(app.totals.active_licenses.load()); });
  metrics.gauge("lictor_seats_held", "Seats held, over all licenses.",
                [&app] { return count(app.totals.seats_held.load()); });
  metrics.counter_from(
      "lictor_seats_nearly_exhausted_total",
      "Seats granted or renewed in floating licenses of ten seats or more, a tenth of them or less being free.",
      [&app] { return count(app.nearly_full->value()); });
  metrics.counter_from("lictor_refusals_not_kept_total", "Refusals that were counted, but not kept with their reason.",
                       [&app] { return count(app.statistics.dropped_refusals()); });
  metrics.counter_from("lictor_expiry_notices_total",
                       "Licenses of which the audit trail was told that they expire soon or have expired.",
                       [&app] { return count(app.statistics.expiry_notices()); });
  register_database_metrics(app, store);
  register_redis_metrics(app);
  metrics.gauge("lictor_connections", "Open connections.", [&app] { return count(app.connections().open); });
  metrics.counter_from("lictor_connections_total", "Accepted connections.",
                       [&app] { return count(app.connections().accepted); });
  metrics.counter_from("lictor_connections_refused_total", "Connections refused at the limit.",
                       [&app] { return count(app.connections().refused); });
  metrics.counter_from("lictor_protocol_errors_total", "Requests that were no acceptable HTTP.",
                       [&app] { return count(app.connections().protocol_errors); });
  metrics.counter_from("lictor_log_dropped_lines_total", "Log lines dropped because the disk was too slow.",
                       [&app] { return count(app.log.dropped_lines()); });
  metrics.gauge("lictor_start_time_seconds", "When the server started, Unix seconds.",
                [&app] { return count(app.started_at); });
}

}  // namespace lictor::daemon
