#include <fmt/format.h>

#include <array>

#include "base/choices.h"
#include "config/options.h"

namespace lictor::config {
namespace {

template <auto kGroup, auto kMember>
void store_number(Options& options, const OptionValue& value) {
  auto& member = options.*kGroup.*kMember;
  member = static_cast<std::remove_reference_t<decltype(member)>>(value.number);
}

template <auto kGroup, auto kMember>
void store_path(Options& options, const OptionValue& value) {
  (options.*kGroup.*kMember) = value.text;
}

void store_listen(Options& options, const OptionValue& value) {
  options.server.listen_address = value.text;
  options.server.listen_port = static_cast<std::uint16_t>(value.number);
}

void store_database(Options& options, const OptionValue& value) {
  auto& database = options.database;
  database.engine = static_cast<Options::Database::Engine>(value.number);
  const bool is_file = database.engine == Options::Database::Engine::sqlite;
  database.sqlite_path = is_file ? value.text : std::string();
  database.url = is_file ? std::string() : value.text;
}

void store_log_file(Options& options, const OptionValue& value) {
  options.log.file = value.text == "-" ? std::filesystem::path() : std::filesystem::path(value.text);
}

using Server = Options::Server;
using Database = Options::Database;
using Cache = Options::Cache;
using Statistics = Options::Statistics;
using Log = base::LogOptions;

constexpr std::int64_t kMinute = 60'000;  // milliseconds
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::int64_t kDay = 24 * kHour;

constexpr std::array kOptions{
    Option{.name = "listen",
           .flag = "--listen",
           .environment = "LICTOR_LISTEN",
           .toml_key = "server.listen",
           .default_text = "127.0.0.1:8000",
           .help = "Address and port to listen on; port 0 takes any free one.",
           .type = OptionType::address,
           .store = store_listen},
    Option{.name = "data",
           .flag = "--data",
           .environment = "LICTOR_DATA",
           .toml_key = "server.data",
           .default_text = "var/lictor",
           .help = "Data directory: the database, the administrator's key, the logs.",
           .type = OptionType::path,
           .store = store_path<&Options::server, &Server::data>},
    Option{.name = "config",
           .flag = "--config",
           .environment = "LICTOR_CONFIG",
           .toml_key = "",
           .default_text = "",
           .help = "TOML file to read options from.",
           .type = OptionType::path,
           .store = store_path<&Options::server, &Server::config>},
    Option{.name = "demo",
           .flag = "--demo",
           .environment = "LICTOR_DEMO",
           .toml_key = "",
           .default_text = "off",
           .help = "Create demo products, policies and a license when the database is new.",
           .type = OptionType::toggle,
           .store = store_number<&Options::server, &Server::demo>},
    Option{.name = "io_threads",
           .flag = "--io-threads",
           .environment = "LICTOR_IO_THREADS",
           .toml_key = "server.io_threads",
           .default_text = "0",
           .help = "Threads that serve connections; 0 is one per core.",
           .type = OptionType::integer,
           .store = store_number<&Options::server, &Server::io_threads>,
           .min = 0,
           .max = 256},
    Option{.name = "max_connections",
           .flag = "--max-connections",
           .environment = "LICTOR_MAX_CONNECTIONS",
           .toml_key = "server.max_connections",
           .default_text = "20000",
           .help = "Connections open at a time; more are answered 503.",
           .type = OptionType::integer,
           .store = store_number<&Options::server, &Server::max_connections>,
           .min = 1,
           .max = 1'000'000,
           .changeable = true},
    Option{.name = "max_body_bytes",
           .flag = "--max-body-bytes",
           .environment = "LICTOR_MAX_BODY_BYTES",
           .toml_key = "server.max_body_bytes",
           .default_text = "65536",
           .help = "Largest body of a request; a larger one is answered 413.",
           .type = OptionType::bytes,
           .store = store_number<&Options::server, &Server::max_body_bytes>,
           .min = 1024,
           .max = 1024 * 1024},
    Option{.name = "header_timeout",
           .flag = "--header-timeout",
           .environment = "LICTOR_HEADER_TIMEOUT",
           .toml_key = "server.header_timeout",
           .default_text = "10s",
           .help = "Time for a request's headers to arrive.",
           .type = OptionType::duration,
           .store = store_number<&Options::server, &Server::header_timeout>,
           .min = 100,
           .max = kHour,
           .changeable = true},
    Option{.name = "body_timeout",
           .flag = "--body-timeout",
           .environment = "LICTOR_BODY_TIMEOUT",
           .toml_key = "server.body_timeout",
           .default_text = "20s",
           .help = "Time for a request's body to arrive.",
           .type = OptionType::duration,
           .store = store_number<&Options::server, &Server::body_timeout>,
           .min = 100,
           .max = kHour,
           .changeable = true},
    Option{.name = "idle_timeout",
           .flag = "--idle-timeout",
           .environment = "LICTOR_IDLE_TIMEOUT",
           .toml_key = "server.idle_timeout",
           .default_text = "120s",
           .help = "Time a connection may stay open without a request.",
           .type = OptionType::duration,
           .store = store_number<&Options::server, &Server::idle_timeout>,
           .min = 100,
           .max = 24 * kHour,
           .changeable = true},
    Option{.name = "write_timeout",
           .flag = "--write-timeout",
           .environment = "LICTOR_WRITE_TIMEOUT",
           .toml_key = "server.write_timeout",
           .default_text = "30s",
           .help = "Time for a peer to take an answer.",
           .type = OptionType::duration,
           .store = store_number<&Options::server, &Server::write_timeout>,
           .min = 100,
           .max = kHour,
           .changeable = true},
    Option{.name = "shutdown_grace",
           .flag = "--shutdown-grace",
           .environment = "LICTOR_SHUTDOWN_GRACE",
           .toml_key = "server.shutdown_grace",
           .default_text = "4s",
           .help = "Time for requests in flight to finish when lictord is stopped.",
           .type = OptionType::duration,
           .store = store_number<&Options::server, &Server::shutdown_grace>,
           .min = 0,
           .max = 10 * kMinute},
    Option{
        .name = "database_url",
        .flag = "--database-url",
        .environment = "LICTOR_DATABASE_URL",
        .toml_key = "database.url",
        .default_text = "sqlite:<data>/lictor.db",
        .help = "The database: sqlite:PATH, postgresql://USER:PASSWORD@HOST/NAME or mysql://USER:PASSWORD@HOST/NAME.",
        .type = OptionType::database,
        .store = store_database,
        .fallback_environment = "DATABASE_URL"},
    Option{.name = "wait_for_database",
           .flag = "--wait-for-database",
           .environment = "LICTOR_WAIT_FOR_DATABASE",
           .toml_key = "database.wait",
           .default_text = "off",
           .help = "At the start, wait for a database server that can't be reached yet, instead of ending.",
           .type = OptionType::toggle,
           .store = store_number<&Options::database, &Database::wait>},
    Option{.name = "database_timeout",
           .flag = "--database-timeout",
           .environment = "LICTOR_DATABASE_TIMEOUT",
           .toml_key = "database.timeout",
           .default_text = "5s",
           .help = "Time for connecting to a database server, and for each of its answers.",
           .type = OptionType::duration,
           .store = store_number<&Options::database, &Database::timeout>,
           .min = 100,
           .max = 10 * kMinute},
    Option{
        .name = "pool_size",
        .flag = "--pool-size",
        .environment = "LICTOR_POOL_SIZE",
        .toml_key = "database.pool_size",
        .default_text = "20",
        .help =
            "Connections for reading that are kept open to a database server; each is opened when it is first needed.",
        .type = OptionType::integer,
        .store = store_number<&Options::database, &Database::pool_size>,
        .min = 1,
        .max = 500},
    Option{.name = "pool_overflow",
           .flag = "--pool-overflow",
           .environment = "LICTOR_POOL_OVERFLOW",
           .toml_key = "database.pool_overflow",
           .default_text = "10",
           .help = "Further connections for reading under load; they are closed after ten idle seconds.",
           .type = OptionType::integer,
           .store = store_number<&Options::database, &Database::pool_overflow>,
           .min = 0,
           .max = 500},
    Option{.name = "pool_recycle",
           .flag = "--pool-recycle",
           .environment = "LICTOR_POOL_RECYCLE",
           .toml_key = "database.pool_recycle",
           .default_text = "3600s",
           .help = "Age at which a connection to a database server is opened anew.",
           .type = OptionType::duration,
           .store = store_number<&Options::database, &Database::pool_recycle>,
           .min = 1000,
           .max = 30 * kDay},
    Option{.name = "feed_interval",
           .flag = "--feed-interval",
           .environment = "LICTOR_FEED_INTERVAL",
           .toml_key = "database.feed_interval",
           .default_text = "20ms",
           .help = "Time between two looks for changes that other replicas made.",
           .type = OptionType::duration,
           .store = store_number<&Options::database, &Database::feed_interval>,
           .min = 1,
           .max = kMinute},
    Option{.name = "feed_trust",
           .flag = "--feed-trust",
           .environment = "LICTOR_FEED_TRUST",
           .toml_key = "database.feed_trust",
           .default_text = "700ms",
           .help = "For how long memory is trusted after such a look; bounds how late a revocation is seen.",
           .type = OptionType::duration,
           .store = store_number<&Options::database, &Database::feed_trust>,
           .min = 100,
           .max = kMinute},
    Option{.name = "cache_staleness",
           .flag = "--cache-staleness",
           .environment = "LICTOR_CACHE_STALENESS",
           .toml_key = "database.cache_staleness",
           .default_text = "5m",
           .help = "For how long validations are answered from memory while the database server can't be reached.",
           .type = OptionType::duration,
           .store = store_number<&Options::database, &Database::cache_staleness>,
           .min = 0,
           .max = 30 * kDay},
    Option{.name = "read_threads",
           .flag = "--read-threads",
           .environment = "LICTOR_READ_THREADS",
           .toml_key = "database.read_threads",
           .default_text = "2",
           .help = "Threads that read what is not in the cache from SQLite; see pool_size for servers.",
           .type = OptionType::integer,
           .store = store_number<&Options::database, &Database::read_threads>,
           .min = 1,
           .max = 64},
    Option{.name = "batch_max",
           .flag = "--batch-max",
           .environment = "LICTOR_BATCH_MAX",
           .toml_key = "database.batch_max",
           .default_text = "256",
           .help = "Most writes that share a transaction; 1 is a transaction for each.",
           .type = OptionType::integer,
           .store = store_number<&Options::database, &Database::batch_max>,
           .min = 1,
           .max = 4096},
    Option{.name = "queue_max",
           .flag = "--queue-max",
           .environment = "LICTOR_QUEUE_MAX",
           .toml_key = "database.queue_max",
           .default_text = "8192",
           .help = "Most writes that wait; more are answered OVERLOADED.",
           .type = OptionType::integer,
           .store = store_number<&Options::database, &Database::queue_max>,
           .min = 1,
           .max = 1'000'000},
    Option{.name = "checkpoint_pages",
           .flag = "--checkpoint-pages",
           .environment = "LICTOR_CHECKPOINT_PAGES",
           .toml_key = "database.checkpoint_pages",
           .default_text = "10000",
           .help = "Pages in SQLite's write-ahead log from which it is written back.",
           .type = OptionType::integer,
           .store = store_number<&Options::database, &Database::checkpoint_pages>,
           .min = 100,
           .max = 1'000'000},
    Option{.name = "cache_licenses",
           .flag = "--cache-licenses",
           .environment = "LICTOR_CACHE_LICENSES",
           .toml_key = "cache.licenses",
           .default_text = "4000000",
           .help = "Most licenses kept in memory.",
           .type = OptionType::integer,
           .store = store_number<&Options::cache, &Cache::licenses>,
           .min = 1,
           .max = 50'000'000},
    Option{.name = "cache_activations",
           .flag = "--cache-activations",
           .environment = "LICTOR_CACHE_ACTIVATIONS",
           .toml_key = "cache.activations",
           .default_text = "4000000",
           .help = "Most activations kept in memory.",
           .type = OptionType::integer,
           .store = store_number<&Options::cache, &Cache::activations>,
           .min = 1,
           .max = 50'000'000},
    Option{.name = "refusals_age",
           .flag = "--refusals-age",
           .environment = "LICTOR_REFUSALS_AGE",
           .toml_key = "statistics.refusals_age",
           .default_text = "30d",
           .help = "How long a refusal is kept with its reason.",
           .type = OptionType::duration,
           .store = store_number<&Options::statistics, &Statistics::refusals_age>,
           .min = kMinute,
           .max = 3660 * kDay,
           .changeable = true},
    Option{.name = "refusals_max",
           .flag = "--refusals-max",
           .environment = "LICTOR_REFUSALS_MAX",
           .toml_key = "statistics.refusals_max",
           .default_text = "100000",
           .help = "Most refusals kept; the oldest go first.",
           .type = OptionType::integer,
           .store = store_number<&Options::statistics, &Statistics::refusals_max>,
           .min = 0,
           .max = 100'000'000,
           .changeable = true},
    Option{.name = "reports_age",
           .flag = "--reports-age",
           .environment = "LICTOR_REPORTS_AGE",
           .toml_key = "statistics.reports_age",
           .default_text = "400d",
           .help = "How long the figures of a day are kept: usage, seats, refusals.",
           .type = OptionType::duration,
           .store = store_number<&Options::statistics, &Statistics::reports_age>,
           .min = kDay,
           .max = 36'600 * kDay,
           .changeable = true},
    Option{.name = "statistics_interval",
           .flag = "--statistics-interval",
           .environment = "LICTOR_STATISTICS_INTERVAL",
           .toml_key = "statistics.interval",
           .default_text = "60s",
           .help = "Time between two additions of seats to the figures of the day; a report adds them too.",
           .type = OptionType::duration,
           .store = store_number<&Options::statistics, &Statistics::interval>,
           .min = 1000,
           .max = kDay,
           .changeable = true},
    Option{.name = "log_level",
           .flag = "--log-level",
           .environment = "LICTOR_LOG_LEVEL",
           .toml_key = "log.level",
           .default_text = "info",
           .help = "The least that is logged.",
           .type = OptionType::choice,
           .store = store_number<&Options::log, &Log::level>,
           .choices = "trace|debug|info|warning|error",  // in the order of base::Level
           .changeable = true},
    Option{.name = "log_format",
           .flag = "--log-format",
           .environment = "LICTOR_LOG_FORMAT",
           .toml_key = "log.format",
           .default_text = "human",
           .help = "Lines for people, or one JSON object a line.",
           .type = OptionType::choice,
           .store = store_number<&Options::log, &Log::format>,
           .choices = "human|json"},  // in the order of base::LogFormat
    Option{.name = "log_file",
           .flag = "--log-file",
           .environment = "LICTOR_LOG_FILE",
           .toml_key = "log.file",
           .default_text = "<data>/logs/lictord.log",
           .help = "File to log to; - is none, only stderr.",
           .type = OptionType::path,
           .store = store_log_file},
    Option{.name = "log_max_bytes",
           .flag = "--log-max-bytes",
           .environment = "LICTOR_LOG_MAX_BYTES",
           .toml_key = "log.max_bytes",
           .default_text = "10485760",
           .help = "Size at which a new log file is begun.",
           .type = OptionType::bytes,
           .store = store_number<&Options::log, &Log::max_bytes>,
           .min = 64 * 1024,
           .max = 1024LL * 1024 * 1024},
    Option{.name = "log_files",
           .flag = "--log-files",
           .environment = "LICTOR_LOG_FILES",
           .toml_key = "log.files",
           .default_text = "10",
           .help = "Log files kept, the current one included.",
           .type = OptionType::integer,
           .store = store_number<&Options::log, &Log::files>,
           .min = 1,
           .max = 1000},
    Option{.name = "log_stderr",
           .flag = "--log-stderr",
           .environment = "LICTOR_LOG_STDERR",
           .toml_key = "log.stderr",
           .default_text = "on",
           .help = "Log to stderr too.",
           .type = OptionType::boolean,
           .store = store_number<&Options::log, &Log::to_stderr>},
};

std::string spelled_bytes(std::int64_t bytes) {
  if (bytes % (1024 * 1024 * 1024) == 0) return fmt::format("{}GiB", bytes / (1024 * 1024 * 1024));
  if (bytes % (1024 * 1024) == 0) return fmt::format("{}MiB", bytes / (1024 * 1024));
  return fmt::format("{}KiB", bytes / 1024);
}

std::string spelled_duration(std::int64_t milliseconds) {
  if (milliseconds == 0) return "0s";
  if (milliseconds % kDay == 0) return fmt::format("{}d", milliseconds / kDay);
  if (milliseconds % kHour == 0) return fmt::format("{}h", milliseconds / kHour);
  if (milliseconds % kMinute == 0) return fmt::format("{}m", milliseconds / kMinute);
  return fmt::format("{}ms", milliseconds);
}

std::string code(std::string_view text) { return text.empty() ? "–" : fmt::format("`{}`", text); }

}  // namespace

std::span<const Option> option_table() { return kOptions; }

std::string allowed_text(const Option& option) {
  switch (option.type) {
    case OptionType::toggle:
    case OptionType::boolean:
      return "on or off";
    case OptionType::integer:
      return fmt::format("a whole number from {} to {}", option.min, option.max);
    case OptionType::bytes:
      return fmt::format("a size from {} to {}, such as 100000, 64KiB or 1MB", spelled_bytes(option.min),
                         spelled_bytes(option.max));
    case OptionType::duration:
      return fmt::format("a duration from {} to {}, such as 10, 10s, 500ms, 2m or 30d", spelled_duration(option.min),
                         spelled_duration(option.max));
    case OptionType::choice:
      return base::spelled_choices(option.choices);
    case OptionType::path:
      return "a path";
    case OptionType::address:
      return "HOST:PORT, such as 127.0.0.1:8000, 0.0.0.0:80 or [::1]:0";
    case OptionType::database:
      return "sqlite:PATH, postgresql://… or mysql://…";
  }
  return {};
}

std::string render_option_table_markdown() {
  std::string table =
      "| flag | environment | file | default | allowed | meaning | changes while running |\n"
      "| --- | --- | --- | --- | --- | --- | --- |\n";
  for (const Option& option : kOptions) {
    std::string environment = code(option.environment);
    if (!option.fallback_environment.empty()) environment += ", else " + code(option.fallback_environment);
    table +=
        fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n", code(option.flag), environment, code(option.toml_key),
                    code(option.default_text), allowed_text(option), option.help, option.changeable ? "yes" : "no");
  }
  return table;
}

}  // namespace lictor::config
