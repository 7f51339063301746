#include "lictord/daemon.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <thread>

#include "api/routes.h"
#include "base/service_notify.h"
#include "config/data_files.h"
#include "config/live_options.h"
#include "http/server.h"
#include "lictord/address.h"
#include "lictord/admin_key.h"
#include "lictord/daemon_metrics.h"
#include "lictord/data_directory.h"
#include "lictord/demo.h"
#include "lictord/key_file.h"
#include "lictord/liveness.h"
#include "lictord/open_store.h"
#include "lictord/reload.h"
#include "lictord/service_watch.h"
#include "store/lock_file.h"

namespace lictor::daemon {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

crypto::Prf::Key random_key() {
  crypto::Prf::Key key{};
  crypto::random_bytes(key);
  return key;
}

unsigned resolve_io_threads(unsigned wanted) {
  return wanted != 0 ? wanted : std::max(1U, std::thread::hardware_concurrency());
}

// Every connection needs a descriptor; the soft limit of many systems is 1024.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

constexpr std::chrono::milliseconds kReadPause{250};  // between two looks for a database server that was lost

http::ServerLimits limits_of(const config::Options& options) {
  http::ServerLimits limits;
  limits.max_connections = options.server.max_connections;
  limits.header_timeout = options.server.header_timeout;
  limits.body_timeout = options.server.body_timeout;
  limits.idle_timeout = options.server.idle_timeout;
  limits.write_timeout = options.server.write_timeout;
  return limits;
}

service::StatisticsOptions statistics_of(const config::Options& options) {
  using std::chrono::ceil;
  using std::chrono::duration_cast;
  using std::chrono::seconds;
  const config::Options::Statistics& given = options.statistics;
  return {duration_cast<seconds>(given.interval), duration_cast<seconds>(given.refusals_age), given.refusals_max,
          duration_cast<seconds>(given.reports_age), ceil<seconds>(given.expiry_notice)};
}

// As a person in the current directory would type it.
std::string shown(const fs::path& path) {
  std::error_code error;
  const fs::path relative = path.lexically_relative(fs::current_path(error));
  return error || relative.empty() || *relative.begin() == ".." ? path.string() : relative.string();
}

}  // namespace

struct Daemon::Parts {
  explicit Parts(const config::ParseOutcome& given);

  std::unique_ptr<store::LockFile> lock_data_directory() const;
  std::unique_ptr<store::Store> open_database();
  service::ReadOptions read_options();
  void load();
  void give_up(std::string_view why);
  std::unique_ptr<service::SharedCache> open_shared_cache();
  service::WriteOptions write_options();
  http::ServerOptions server_options() const;
  void register_changeable_options();

  const base::ServiceNotify notify;
  config::LiveOptions live;
  const config::Options options;  // as at the start; `live` has what holds now
  const fs::path data;
  const std::unique_ptr<store::LockFile> data_lock;  // SQLite's own lock is as good
  const unsigned io_threads;
  base::CorrectedClock clock;
  base::Logger log;
  base::Metrics metrics;
  base::Histogram& commit_seconds;
  base::Histogram& batch_jobs;
  std::unique_ptr<store::Store> store;
  const bool first_start;
  mutable std::mutex gave_up_mutex;  // also while app.feed is set
  std::string gave_up;               // why
  const crypto::Prf key_digest;
  std::optional<Demo> demo;
  const crypto::Prf::Key process_key;
  service::Catalog catalog;
  service::Cache cache;
  auth::ApiKeys api_keys;
  service::ChangeHistory history;
  std::unique_ptr<service::SharedCache> shared;  // with Redis; otherwise nullptr
  std::unique_ptr<service::CatalogSync> sync;    // with other processes on the database; otherwise nullptr, as feed
  service::WritePath writes;
  service::ReadPool reads;
  service::Statistics statistics;
  std::atomic<bool> stopping{false};
  api::ScrapedTotals totals;
  api::App app;
  http::Server server;
  ServiceWatch watch;
  std::optional<UrlFile> url_file;
  std::unique_ptr<service::Feed> feed;
};

Daemon::Parts::Parts(const config::ParseOutcome& given)
    : notify(environment("NOTIFY_SOCKET")),
      live(given),
      options(live.options()),
      data(prepare_data_directory(options.server.data)),
      data_lock(lock_data_directory()),
      io_threads(resolve_io_threads(options.server.io_threads)),
      log(options.log),
      metrics(api::route_labels(), api::failure_reasons(), io_threads),
      commit_seconds(
          metrics.histogram("lictor_commit_seconds", "Duration of a commit, fsync included.",
                            {50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 50e-3, 0.1, 0.5, 1, 5})),
      batch_jobs(metrics.histogram("lictor_batch_jobs", "Commands in one transaction.",
                                   {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024})),
      store(open_database()),
      first_start(ensure_admin_key(*store, data / config::kAdminKeyFile, clock.now())),
      key_digest(store->digest_key()),
      demo(options.server.demo
               ? std::optional(prepare_demo(*store, key_digest, clock.now(), (data / kDemoClientKeyFile).string()))
               : std::nullopt),
      process_key(random_key()),
      cache({options.cache.licenses, options.cache.activations}, catalog, process_key),
      api_keys(io_threads, process_key),
      shared(open_shared_cache()),
      sync(store->is_shared() ? std::make_unique<service::CatalogSync>(
                                    *store, catalog, cache, [this](store::Reader& reader) { api_keys.load(reader); })
                              : nullptr),
      writes(*store, catalog, cache, clock, write_options(), sync.get()),
      reads(*store, read_options()),
      statistics(
          *store, writes, clock, io_threads, statistics_of(options),
          [this](std::string_view what) {
            log.error("statistics.failed", "Statistics can't be written now; they are tried again", {{"error", what}});
          },
          [this](std::string_view why) { give_up(why); }),
      app{clock,
          log,
          metrics,
          api_keys,
          catalog,
          cache,
          writes,
          reads,
          statistics,
          totals,
          key_digest,
          api::FingerprintReader(store->digest_key()),
          clock.now(),
          store->describe(),
          [this] { return server.connections(); },
          [this] { return stopping.load(); },
          [this] { return watch.clock_steps(); }},
      server(server_options(),
             {[this](http::Exchange& exchange) { api::dispatch(app, exchange); }, api::render_protocol_error,
              [this](const http::Request& request, unsigned io_thread) {
                return api::body_limit(app, request, io_thread, options.server.max_body_bytes);
              }}),
      watch(log, metrics, notify,
            base::watchdog_interval(environment("WATCHDOG_USEC"), environment("WATCHDOG_PID"), ::getpid()),
            [this](std::chrono::milliseconds bound) { return find_what_hangs(server, writes, reads, bound); }) {
  load();
  register_metrics(app, *store);
  register_changeable_options();
  if (const std::string gap = store->durability_gap(); !gap.empty()) {
    log.warning("database.not_durable",
                "This database server may lose what it has committed when its machine fails, and with it seats and "
                "changes that were acknowledged",
                {{"database", store->describe()}, {"settings", gap}});
  }
  if (!notify.problem().empty()) {
    log.warning("service.notify_failed", "$NOTIFY_SOCKET can't be used; the service manager is told nothing",
                {{"error", notify.problem()}});
  }
}

std::unique_ptr<store::LockFile> Daemon::Parts::lock_data_directory() const {
  if (options.database.engine == config::Options::Database::Engine::sqlite) return nullptr;
  return std::make_unique<store::LockFile>("data directory " + data.string(), (data / "lictord.lock").string());
}

std::unique_ptr<store::Store> Daemon::Parts::open_database() {
  return open_store(
      options, [this](double seconds) { commit_seconds.observe(seconds); },
      [this](const char* why) {
        notify.still_starting("Waiting for the database");
        log.warning("database.waiting", "The database can't be reached yet; trying again", {{"error", why}});
      });
}

std::unique_ptr<service::SharedCache> Daemon::Parts::open_shared_cache() {
  if (options.redis.url.empty()) return nullptr;
  if (!store->is_shared()) {
    log.warning("redis.not_used", "Redis is not used: this database is one process's own, which has all in memory",
                {{"database", store->describe()}});
    return nullptr;
  }
  service::SharedCacheOptions given;
  given.url = *redis::parse_redis_url(options.redis.url);
  given.timeout = options.redis.timeout;
  given.ttl = std::chrono::duration_cast<std::chrono::seconds>(options.redis.cache_ttl);
  const std::string where = redis::shown(given.url);
  given.on_lost = [this](std::string_view why) {
    log.warning("redis.lost", "Redis can't be used; licenses are read from the database until it can",
                {{"error", why}});
  };
  given.on_back = [this, where] { log.info("redis.back", "Redis is used again", {{"redis", where}}); };
  given.on_refused = [this](std::string_view why) {
    log.warning("redis.refused", "Redis keeps nothing more; licenses are read from the database", {{"error", why}});
  };
  return std::make_unique<service::SharedCache>(store->digest_key(), clock, catalog, history, std::move(given));
}

service::ReadOptions Daemon::Parts::read_options() {
  const config::Options::Database& given = options.database;
  service::ReadOptions read;
  read.threads = store->is_shared() ? given.pool_size : given.read_threads;
  read.overflow = store->is_shared() ? given.pool_overflow : 0;
  read.queue_max = given.queue_max;
  if (store->is_shared()) read.pause = kReadPause;
  read.on_error = [this](std::string_view what) {
    log.error("database.read_failed", "Reading the database failed", {{"error", what}});
  };
  return read;
}

// Products, policies and API keys, which are all in memory.
void Daemon::Parts::load() {
  if (!sync) {
    const auto reader = store->open_reader();
    catalog.load(*reader);
    api_keys.load(*reader);
    return;
  }
  service::FeedOptions given;
  given.interval = options.database.feed_interval;
  given.trust = options.database.feed_trust;
  given.staleness = options.database.cache_staleness;
  given.on_lost = [this](std::string_view why) {
    log.error("feed.lost",
              "Changes that other replicas make can't be read; what is in memory is used only while the database can't "
              "be read either, for cache_staleness at most",
              {{"error", why}});
  };
  given.on_back = [this](std::chrono::milliseconds after) {
    log.info("feed.back", "Changes of other replicas are read again", {{"after_ms", after.count()}});
  };
  given.on_another = [this](std::int64_t known, std::int64_t newest) {
    log.warning(
        "feed.another_history",
        "The database's history is another one: it was restored, or a standby that was behind took over. What was "
        "in memory is dropped; what was recorded since is lost",
        {{"known_event", known}, {"newest_event", newest}});
  };
  given.clock = &clock;
  given.on_clock = [this](std::chrono::milliseconds ahead) {
    log.warning("clock.corrected", "This machine's clock differs from the database's, which counts",
                {{"database_ahead_ms", ahead.count()}});
  };
  if (shared) given.history = &history;
  given.history_age = std::chrono::duration_cast<std::chrono::seconds>(options.redis.cache_ttl);
  app.shared = shared.get();
  feed = std::make_unique<service::Feed>(*store, writes, cache, *sync, std::move(given));
  {
    const std::lock_guard lock(gave_up_mutex);
    app.feed = feed.get();
  }
  if (!feed->catch_up(2 * options.database.timeout))
    throw store::StoreError(store::StoreError::Kind::connection_lost,
                            "database " + store->describe() + ": products and policies can't be read");
}

// Two servers of one vendor must not answer from two databases.
void Daemon::Parts::give_up(std::string_view why) {
  log.error("database.moved", "The database serves elsewhere now; stopping", {{"error", why}});
  {
    const std::lock_guard lock(gave_up_mutex);
    if (app.feed != nullptr) app.feed->distrust();
    gave_up = why;
  }
  ::kill(::getpid(), SIGTERM);
}

service::WriteOptions Daemon::Parts::write_options() {
  service::WriteOptions write;
  write.shared = shared.get();
  write.batch_max = options.database.batch_max;
  write.queue_max = options.database.queue_max;
  write.on_batch = [this](std::size_t jobs) { batch_jobs.observe(static_cast<double>(jobs)); };
  write.on_error = [this](std::string_view what) {
    log.error("database.write_failed", "Writing the database failed", {{"error", what}});
  };
  write.on_recovered = [this] { log.info("database.writes_again", "The database is written again", {}); };
  return write;
}

http::ServerOptions Daemon::Parts::server_options() const {
  http::ServerOptions http;
  static_cast<http::ServerLimits&>(http) = limits_of(options);
  http.listen_address = options.server.listen_address;
  http.listen_port = options.server.listen_port;
  http.io_threads = io_threads;
  http.max_body_bytes = options.server.max_body_bytes;
  return http;
}

// Who takes what SIGHUP changes: each option that is `changeable` in the table has to be here.
void Daemon::Parts::register_changeable_options() {
  live.on_change({"log_level"}, [this](const config::Options& now) { log.set_level(now.log.level); });
  live.on_change({"max_connections", "header_timeout", "body_timeout", "idle_timeout", "write_timeout"},
                 [this](const config::Options& now) { server.set_limits(limits_of(now)); });
  live.on_change({"refusals_age", "refusals_max", "reports_age", "statistics_interval", "expiry_notice"},
                 [this](const config::Options& now) { statistics.set_options(statistics_of(now)); });
  live.require_takers();
}

Daemon::Daemon(const config::ParseOutcome& options) {
  crypto::initialize();
  raise_descriptor_limit();
  parts_ = std::make_unique<Parts>(options);
}

Daemon::~Daemon() = default;

void Daemon::start() {
  parts_->server.start();
  const std::string& host = parts_->options.server.listen_address;
  const std::string url = url_of(host, parts_->server.port());
  // A port that was free by chance is another one the next time. Not only at the first start: that may have failed
  // later.
  if (fs::exists(parts_->data / config::kAdminKeyFile) && parts_->options.server.listen_port != 0) {
    write_profile_file((parts_->data / config::kProfileFile).string(),
                       url_of(local_host_of(host), parts_->server.port()), config::kAdminKeyFile);
  }
  try {
    parts_->url_file.emplace((parts_->data / config::kUrlFile).string(), url);
  } catch (const std::system_error& error) {  // a full disk must not keep what can be served from being served
    parts_->log.warning("server.url_file_failed", "The address can't be noted; lictor --data will not find it",
                        {{"error", error.what()}});
  }
  parts_->log.info("server.started", "Listening",
                   {{"url", url},
                    {"version", LICTOR_VERSION},
                    {"database", parts_->app.database},
                    {"io_threads", parts_->io_threads}});
  parts_->watch.start();
  parts_->notify.ready("Listening on " + url);
}

void Daemon::reload(const std::function<config::ParseOutcome()>& read) {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  parts_->notify.reloading(std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec)));
  try {
    parts_->log.reopen();
  } catch (const std::exception& error) {
    parts_->log.error("log.reopen_failed", "The log file can't be opened anew", {{"error", error.what()}});
  }
  reload_options(parts_->live, read(), parts_->log);
  parts_->notify.ready("Listening on " + url_of(parts_->options.server.listen_address, parts_->server.port()));
}

void Daemon::print_banner() const {
  const std::string url = url_of(parts_->options.server.listen_address, parts_->server.port());
  std::string text = fmt::format("Lictor {}\nlistening on {}\n\n", LICTOR_VERSION, url);
  text +=
      fmt::format("  API        {0}/api/v1\n  health     {0}/health   ready: {0}/ready   metrics: {0}/metrics\n", url);
  text += fmt::format("  database   {}\n", parts_->store->is_shared()
                                               ? parts_->store->describe()
                                               : "sqlite:" + shown(parts_->options.database.sqlite_path));
  const auto describe_key = [](const fs::path& path, std::string_view what) {
    std::error_code error;
    return fs::exists(path, error) ? fmt::format("{} (mode 0600{})", shown(path), what)
                                   : fmt::format("{} is not there: use a key made elsewhere", shown(path));
  };
  text += fmt::format("  admin key  {}\n", describe_key(parts_->data / config::kAdminKeyFile,
                                                        parts_->first_start ? ", written just now" : ""));
  if (parts_->demo) {
    const std::string client_key = shown(parts_->data / kDemoClientKeyFile);
    text += fmt::format("  demo key   {}\n\nA license of product 'demo': {}\n\nActivate it:\n\n",
                        describe_key(parts_->data / kDemoClientKeyFile, ", for clients"), parts_->demo->license_key);
    text += fmt::format(
        "  curl -X POST {}/api/v1/licenses/activate -H \"X-API-Key: $(cat {})\" -H \"Content-Type: application/json\" "
        "-d "
        "'{{\"license_key\":\"{}\",\"client_id\":\"my-machine\"}}'\n\n",
        url, client_key, parts_->demo->license_key);
    std::error_code error;
    const fs::path program = fs::read_symlink("/proc/self/exe", error);
    const std::string lictor = error ? "lictor" : shown(program.parent_path() / "lictor");
    text += fmt::format("Look at it:\n\n  {0} --data {1} license list\n  {0} --data {1} status\n\n", lictor,
                        shown(parts_->data));
  }
  text += "Stop with Ctrl-C.\n";
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void Daemon::stop() {
  parts_->notify.stopping();
  parts_->stopping = true;
  parts_->watch.stop();
  parts_->log.info("server.stopping", "Stopping");
  parts_->server.stop(std::chrono::duration_cast<std::chrono::milliseconds>(parts_->options.server.shutdown_grace));
  parts_->statistics.stop();
  if (parts_->feed) parts_->feed->stop();
  parts_->writes.stop();
  parts_->reads.stop();
  if (parts_->shared) parts_->shared->stop();
  parts_->url_file.reset();
  parts_->log.info("server.stopped", "Stopped");
}

std::string Daemon::gave_up() const {
  const std::lock_guard lock(parts_->gave_up_mutex);
  return parts_->gave_up;
}

}  // namespace lictor::daemon
