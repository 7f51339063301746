// The options of lictord: one table, from which flags, environment variables, the TOML file's keys, --help, the
// documentation and the tests come. A flag goes before an environment variable, that before the file, that before the
// default; a value that is not allowed is refused wherever it stands, also where another one goes before it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"

namespace lictor::config {

// What lictord runs with. Plain values; their defaults stand in the table only.
struct Options {
  struct Server {
    std::string listen_address;     // numeric IPv4 or IPv6, without brackets
    std::uint16_t listen_port = 0;  // 0: any free port
    std::filesystem::path data;     // the data directory
    std::filesystem::path config;   // the file that was read; empty: none
    bool demo = false;
    unsigned io_threads = 0;  // 0: one per core
    std::size_t max_connections = 0;
    std::size_t max_body_bytes = 0;
    std::chrono::milliseconds header_timeout{};
    std::chrono::milliseconds body_timeout{};
    std::chrono::milliseconds idle_timeout{};
    std::chrono::milliseconds write_timeout{};
    std::chrono::milliseconds shutdown_grace{};
  };
  struct Database {
    enum class Engine : std::uint8_t { sqlite, postgresql, mysql };
    Engine engine = Engine::sqlite;
    std::filesystem::path sqlite_path;
    std::string url;  // of the others
    bool wait = false;
    std::chrono::milliseconds timeout{};
    unsigned pool_size = 0;
    unsigned pool_overflow = 0;
    std::chrono::milliseconds pool_recycle{};
    std::chrono::milliseconds feed_interval{};
    std::chrono::milliseconds feed_trust{};
    std::chrono::milliseconds cache_staleness{};
    unsigned read_threads = 0;
    std::size_t batch_max = 0;  // commands in a transaction
    std::size_t queue_max = 0;  // commands
    unsigned checkpoint_pages = 0;
  };
  struct Cache {
    std::size_t licenses = 0;     // entries
    std::size_t activations = 0;  // entries
  };
  struct Redis {
    std::string url;  // empty: none
    std::chrono::milliseconds timeout{};
    std::chrono::milliseconds cache_ttl{};
  };
  struct Statistics {
    std::chrono::milliseconds refusals_age{};
    std::int64_t refusals_max = 0;
    std::chrono::milliseconds reports_age{};
    std::chrono::milliseconds interval{};
    std::chrono::milliseconds expiry_notice{};
  };
  Server server;
  Database database;
  Cache cache;
  Redis redis;
  Statistics statistics;
  base::LogOptions log;
};

enum class OptionType : std::uint8_t {
  toggle,    // a flag without a value
  boolean,   // on, off
  integer,   // min … max
  bytes,     // min … max bytes, with a unit or without
  duration,  // min … max milliseconds; a bare number is seconds
  choice,    // one of `choices`
  path,
  address,   // HOST:PORT
  database,  // sqlite:PATH, postgresql://…, mysql://…
  redis,     // redis://…, unix:PATH
};

// A value that was found to be allowed.
struct OptionValue {
  std::int64_t number = 0;  // of toggle, boolean, integer, bytes, duration; the choice's place; the address' port;
                            // the database's engine
  std::string text;         // the path; the address' host; the database's path, or whole URL; Redis' whole URL

  bool operator==(const OptionValue&) const = default;
};

struct Option {
  std::string_view name;
  std::string_view flag;
  std::string_view environment;
  std::string_view toml_key;      // SECTION.KEY; empty: not in the file
  std::string_view default_text;  // "<data>" stands for the data directory; empty: none
  std::string_view help;          // a sentence
  OptionType type;
  void (*store)(Options& options, const OptionValue& value);
  std::int64_t min = 0;
  std::int64_t max = 0;
  std::string_view choices = {};               // separated by '|'
  std::string_view fallback_environment = {};  // read when neither the flag nor `environment` is given
  bool changeable = false;                     // while lictord runs, by SIGHUP (live_options.h)
  bool secret = false;                         // its value is shown nowhere
};

std::span<const Option> option_table();
std::string allowed_text(const Option& option);  // "a whole number from 1 to 4096"
std::string render_option_table_markdown();      // one table, for docs/

using Environment = std::map<std::string, std::string, std::less<>>;
Environment process_environment();

enum class Source : std::uint8_t { default_value, file, environment, flag };  // the weakest first
std::string_view source_name(Source source) noexcept;                         // "default", "file", …

// What holds for an option, and who said so.
struct EffectiveOption {
  const Option* option = nullptr;
  Source source = Source::default_value;
  std::string origin;  // "--listen", "environment variable LICTOR_LISTEN", "lictor.toml, line 3, server.listen"
  std::string text;    // as it was given; empty: there is none. To be shown as printable_text() has it
  OptionValue value;   // what `text` means
};
// For people and logs: on one line, not too long, without what is secret.
std::string printable_text(const EffectiveOption& effective);

// Either options to run with, or a text to print before leaving with exit_code: 0 (--help, --version: to stdout) or
// 2 (to stderr, a line for each thing that is wrong).
struct ParseOutcome {
  std::optional<Options> options;
  std::string text;
  int exit_code = 0;
  std::vector<std::string> problems;    // what is wrong, without the program's name; part of `text`
  std::vector<EffectiveOption> values;  // of each option in the order of the table, when `options` are there
  std::vector<std::string> warnings;    // to be logged, e.g. an environment variable LICTOR_… that is not known
};

// Reads no environment but `environment`, where an empty value counts as none; reads the file it is told to read.
ParseOutcome parse_options(int argc, const char* const* argv, const Environment& environment);

}  // namespace lictor::config
