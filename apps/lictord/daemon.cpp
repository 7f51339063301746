#include "lictord/daemon.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <thread>

#include "api/routes.h"
#include "http/server.h"
#include "lictord/demo.h"
#include "lictord/key_file.h"

namespace lictor::daemon {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr const char* kAdminKeyFile = "admin.key";
constexpr const char* kUrlFile = "lictord.url";

// The data directory, for nobody else to read.
fs::path prepare_directory(const fs::path& directory) {
  std::error_code error;
  const bool is_new = fs::create_directories(directory, error);
  if (error)
    throw std::runtime_error(
        fmt::format("the data directory {} can't be created: {}", directory.string(), error.message()));
  if (is_new) fs::permissions(directory, fs::perms::owner_all, error);
  const auto others = fs::status(directory, error).permissions() & fs::perms::others_write;
  if (!error && others != fs::perms::none) {
    throw std::runtime_error(fmt::format(
        "the data directory {} can be written by everybody: give it to one user (chmod 700)", directory.string()));
  }
  return fs::absolute(directory);
}

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

std::string url_of(const config::Options& options, std::uint16_t port) {
  const std::string& host = options.server.listen_address;
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return fmt::format("http://{}:{}", is_ipv6 ? "[" + host + "]" : host, port);
}

// The first administrator: an API key that only this file holds.
bool ensure_admin_key(store::Store& store, const fs::path& path, base::UnixSeconds now) {
  if (!store.open_reader()->api_keys().empty()) return false;
  const auth::NewApiKey made = auth::make_api_key();
  // A key of another database, or of a start that did not come to its end: kept, in case it is still wanted.
  if (fs::exists(path)) fs::rename(path, fs::path(path) += ".previous");
  write_key_file(path.string(), made.text.reveal());
  store.write([&](store::Tx& tx) {
    store::ApiKey key;
    key.id = made.id;
    key.name = "first administrator";
    key.secret_hash = made.secret_hash;
    key.scopes = "admin:*";
    key.created_at = now;
    tx.insert_api_key(key);
    store::Event event;
    event.at = now;
    event.actor = "system";
    event.action = "api_key.created";
    event.subject = base::format_id(base::kApiKeyPrefix, key.id);
    event.detail = R"({"name":"first administrator","scopes":"admin:*"})";
    store::Changes changes;
    changes.events.push_back(std::move(event));
    tx.apply(changes);
  });
  return true;
}

// As a person in the current directory would type it.
std::string shown(const fs::path& path) {
  std::error_code error;
  const fs::path relative = path.lexically_relative(fs::current_path(error));
  return error || relative.empty() || *relative.begin() == ".." ? path.string() : relative.string();
}

}  // namespace

struct Daemon::Parts {
  explicit Parts(const config::Options& given);

  std::unique_ptr<store::Store> open_store();
  service::WriteOptions write_options();
  http::ServerOptions server_options() const;
  void register_metrics();

  const config::Options options;
  const fs::path data;
  const unsigned io_threads;
  base::SystemClock clock;
  base::Logger log;
  base::Metrics metrics;
  base::Histogram& commit_seconds;
  base::Histogram& batch_jobs;
  std::unique_ptr<store::Store> store;
  const bool first_start;
  const crypto::Prf key_digest;
  std::optional<Demo> demo;
  const crypto::Prf::Key process_key;
  service::Catalog catalog;
  service::Cache cache;
  auth::ApiKeys api_keys;
  service::WritePath writes;
  service::ReadPool reads;
  std::atomic<bool> stopping{false};
  api::ScrapedTotals totals;
  api::App app;
  http::Server server;
  std::optional<UrlFile> url_file;
};

Daemon::Parts::Parts(const config::Options& given)
    : options(given),
      data(prepare_directory(options.server.data)),
      io_threads(resolve_io_threads(options.server.io_threads)),
      log(options.log),
      metrics(api::route_labels(), api::failure_reasons(), io_threads),
      commit_seconds(
          metrics.histogram("lictor_commit_seconds", "Duration of a commit, fsync included.",
                            {50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 50e-3, 0.1, 0.5, 1, 5})),
      batch_jobs(metrics.histogram("lictor_batch_jobs", "Commands in one transaction.",
                                   {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024})),
      store(open_store()),
      first_start(ensure_admin_key(*store, data / kAdminKeyFile, clock.now())),
      key_digest(store->digest_key()),
      demo(options.server.demo
               ? std::optional(prepare_demo(*store, key_digest, clock.now(), (data / kDemoClientKeyFile).string()))
               : std::nullopt),
      process_key(random_key()),
      cache({options.cache.licenses, options.cache.activations}, catalog, process_key),
      api_keys(io_threads, process_key),
      writes(*store, catalog, cache, clock, write_options()),
      reads(*store, {options.database.read_threads, options.database.queue_max,
                     [this](std::string_view what) {
                       log.error("database.read_failed", "Reading the database failed", {{"error", what}});
                     }}),
      app{clock,
          log,
          metrics,
          api_keys,
          catalog,
          cache,
          writes,
          reads,
          totals,
          key_digest,
          api::FingerprintReader(store->digest_key()),
          clock.now(),
          store->describe(),
          [this] { return server.connections(); },
          [this] { return stopping.load(); }},
      server(server_options(),
             {[this](http::Exchange& exchange) { api::dispatch(app, exchange); }, api::render_protocol_error,
              [this](const http::Request& request, unsigned io_thread) {
                return api::body_limit(app, request, io_thread, options.server.max_body_bytes);
              }}) {
  const auto reader = store->open_reader();
  catalog.load(*reader);
  api_keys.load(*reader);
  register_metrics();
}

std::unique_ptr<store::Store> Daemon::Parts::open_store() {
  store::SqliteOptions sqlite;
  sqlite.path = options.database.sqlite_path.string();
  sqlite.checkpoint_pages = static_cast<int>(options.database.checkpoint_pages);
  sqlite.on_commit = [this](double seconds) { commit_seconds.observe(seconds); };
  return store::open_sqlite(sqlite);
}

service::WriteOptions Daemon::Parts::write_options() {
  service::WriteOptions write;
  write.batch_max = options.database.batch_max;
  write.queue_max = options.database.queue_max;
  write.on_batch = [this](std::size_t jobs) { batch_jobs.observe(static_cast<double>(jobs)); };
  write.on_error = [this](std::string_view what) {
    log.error("database.write_failed", "Writing the database failed; nothing was recorded", {{"error", what}});
  };
  return write;
}

http::ServerOptions Daemon::Parts::server_options() const {
  http::ServerOptions http;
  http.listen_address = options.server.listen_address;
  http.listen_port = options.server.listen_port;
  http.io_threads = io_threads;
  http.max_connections = options.server.max_connections;
  http.max_body_bytes = options.server.max_body_bytes;
  http.header_timeout = options.server.header_timeout;
  http.body_timeout = options.server.body_timeout;
  http.idle_timeout = options.server.idle_timeout;
  http.write_timeout = options.server.write_timeout;
  return http;
}

void Daemon::Parts::register_metrics() {
  const auto count = [](auto number) { return static_cast<double>(number); };
  metrics.gauge("lictor_write_queue_jobs", "Commands that wait for a transaction.",
                [this, count] { return count(writes.queue_length()); });
  metrics.gauge("lictor_read_queue_jobs", "Reads that wait for the database.",
                [this, count] { return count(reads.queue_length()); });
  metrics.gauge("lictor_cached_licenses", "Licenses in the read cache.",
                [this, count] { return count(cache.counts().licenses); });
  metrics.gauge("lictor_cached_activations", "Activations in the read cache.",
                [this, count] { return count(cache.counts().activations); });
  metrics.counter_from("lictor_cache_hits_total", "Validations that found their license in memory.",
                       [this, count] { return count(cache.counts().hits); });
  metrics.counter_from("lictor_cache_misses_total", "Look-ups that went to the database.",
                       [this, count] { return count(cache.counts().misses); });
  metrics.counter_from("lictor_cache_evictions_total", "Records dropped for others.",
                       [this, count] { return count(cache.counts().evictions); });
  metrics.gauge("lictor_licenses", "Licenses.", [this, count] { return count(totals.licenses.load()); });
  metrics.gauge("lictor_licenses_active", "Licenses that are not suspended or revoked.",
                [this, count] { return count(totals.active_licenses.load()); });
  metrics.gauge("lictor_seats_held", "Seats held, over all licenses.",
                [this, count] { return count(totals.seats_held.load()); });
  metrics.gauge("lictor_connections", "Open connections.", [this, count] { return count(server.connections().open); });
  metrics.counter_from("lictor_connections_total", "Accepted connections.",
                       [this, count] { return count(server.connections().accepted); });
  metrics.counter_from("lictor_connections_refused_total", "Connections refused at the limit.",
                       [this, count] { return count(server.connections().refused); });
  metrics.counter_from("lictor_protocol_errors_total", "Requests that were no acceptable HTTP.",
                       [this, count] { return count(server.connections().protocol_errors); });
  metrics.counter_from("lictor_log_dropped_lines_total", "Log lines dropped because the disk was too slow.",
                       [this, count] { return count(log.dropped_lines()); });
  metrics.gauge("lictor_start_time_seconds", "When the server started, Unix seconds.",
                [this, count] { return count(app.started_at); });
}

Daemon::Daemon(const config::Options& options) {
  crypto::initialize();
  raise_descriptor_limit();
  parts_ = std::make_unique<Parts>(options);
}

Daemon::~Daemon() = default;

void Daemon::start() {
  parts_->server.start();
  const std::string url = url_of(parts_->options, parts_->server.port());
  parts_->url_file.emplace((parts_->data / kUrlFile).string(), url);
  parts_->log.info("server.started", "Listening",
                   {{"url", url},
                    {"version", LICTOR_VERSION},
                    {"database", parts_->app.database},
                    {"io_threads", parts_->io_threads}});
}

void Daemon::print_banner() const {
  const std::string url = url_of(parts_->options, parts_->server.port());
  std::string text = fmt::format("Lictor {}\nlistening on {}\n\n", LICTOR_VERSION, url);
  text +=
      fmt::format("  API        {0}/api/v1\n  health     {0}/health   ready: {0}/ready   metrics: {0}/metrics\n", url);
  text += fmt::format("  database   sqlite:{}\n", shown(parts_->options.database.sqlite_path));
  const auto describe_key = [](const fs::path& path, std::string_view what) {
    std::error_code error;
    return fs::exists(path, error) ? fmt::format("{} (mode 0600{})", shown(path), what)
                                   : fmt::format("{} is not there: use a key made elsewhere", shown(path));
  };
  text += fmt::format("  admin key  {}\n",
                      describe_key(parts_->data / kAdminKeyFile, parts_->first_start ? ", written just now" : ""));
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
  parts_->stopping = true;
  parts_->log.info("server.stopping", "Stopping");
  parts_->server.stop(std::chrono::duration_cast<std::chrono::milliseconds>(parts_->options.server.shutdown_grace));
  parts_->writes.stop();
  parts_->reads.stop();
  parts_->url_file.reset();
  parts_->log.info("server.stopped", "Stopped");
}

}  // namespace lictor::daemon
