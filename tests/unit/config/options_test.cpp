#include "config/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "config/option_value.h"

namespace lictor::config {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

ParseOutcome parse(std::vector<std::string> flags, const Environment& environment = {}) {
  std::vector<const char*> argv{"lictord"};
  for (const std::string& flag : flags) argv.push_back(flag.c_str());
  return parse_options(static_cast<int>(argv.size()), argv.data(), environment);
}

Options parsed(std::vector<std::string> flags, const Environment& environment = {}) {
  ParseOutcome outcome = parse(std::move(flags), environment);
  EXPECT_TRUE(outcome.options) << outcome.text;
  EXPECT_EQ(outcome.exit_code, 0);
  return outcome.options.value_or(Options{});
}

const Option& row(std::string_view name) {
  const auto table = option_table();
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const Option& option) { return option.name == name; });
  if (found == table.end()) throw std::logic_error("no option " + std::string(name));
  return *found;
}

class OptionsFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "lictor-options-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string file(std::string_view content) {
    const std::string path = directory_ / "lictor.toml";
    std::ofstream(path) << content;
    return path;
  }

  std::filesystem::path directory_;
};

// ---- the table -----------------------------------------------------------------------------------------------------

TEST(OptionTable, NamesAreUniqueAndSpeltAlike) {
  std::set<std::string> names, flags, variables, keys;
  for (const Option& option : option_table()) {
    const std::string name(option.name);
    std::string flag = "--" + name, variable = "LICTOR_" + name;
    std::replace(flag.begin(), flag.end(), '_', '-');
    std::transform(variable.begin(), variable.end(), variable.begin(), [](unsigned char c) { return std::toupper(c); });
    EXPECT_EQ(option.flag, flag);
    EXPECT_EQ(option.environment, variable);
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_TRUE(option.toml_key.empty() || keys.insert(std::string(option.toml_key)).second) << name;
    EXPECT_TRUE(option.help.ends_with('.')) << name;
    EXPECT_FALSE(allowed_text(option).empty()) << name;
    EXPECT_NE(option.store, nullptr) << name;
  }
}

TEST(OptionTable, DefaultsAreThoseOfTheGuide) {
  const Options o = parsed({});
  EXPECT_EQ(o.server.listen_address, "127.0.0.1");
  EXPECT_EQ(o.server.listen_port, 8000);
  EXPECT_EQ(o.server.data, "var/lictor");
  EXPECT_EQ(o.server.config, "");
  EXPECT_FALSE(o.server.demo);
  EXPECT_EQ(o.server.io_threads, 0U);
  EXPECT_EQ(o.server.max_connections, 20000U);
  EXPECT_EQ(o.server.max_body_bytes, 65536U);
  EXPECT_EQ(o.server.header_timeout, milliseconds(10'000));
  EXPECT_EQ(o.server.body_timeout, milliseconds(20'000));
  EXPECT_EQ(o.server.idle_timeout, milliseconds(120'000));
  EXPECT_EQ(o.server.write_timeout, milliseconds(30'000));
  EXPECT_EQ(o.server.shutdown_grace, milliseconds(4'000));
  EXPECT_EQ(o.database.sqlite_path, "var/lictor/lictor.db");
  EXPECT_EQ(o.database.read_threads, 2U);
  EXPECT_EQ(o.database.batch_max, 256U);
  EXPECT_EQ(o.database.queue_max, 8192U);
  EXPECT_EQ(o.database.checkpoint_pages, 10000U);
  EXPECT_EQ(o.cache.licenses, 4'000'000U);
  EXPECT_EQ(o.cache.activations, 4'000'000U);
  EXPECT_EQ(o.log.level, base::Level::info);
  EXPECT_EQ(o.log.format, base::LogFormat::human);
  EXPECT_EQ(o.log.file, "var/lictor/logs/lictord.log");
  EXPECT_EQ(o.log.max_bytes, 10'485'760U);
  EXPECT_EQ(o.log.files, 10U);
  EXPECT_TRUE(o.log.to_stderr);
}

// A value other than the default, for each row and in each spelling of the sources; and how it is seen in Options.
struct Sample {
  std::string name;
  std::string value;
  bool (*arrived)(const Options&);
};

const std::vector<Sample> kSamples{
    {"listen", "[::1]:0",
     [](const Options& o) { return o.server.listen_address == "::1" && o.server.listen_port == 0; }},
    {"data", "/srv/x y", [](const Options& o) { return o.server.data == "/srv/x y"; }},
    {"io_threads", "3", [](const Options& o) { return o.server.io_threads == 3; }},
    {"max_connections", "7", [](const Options& o) { return o.server.max_connections == 7; }},
    {"max_body_bytes", "2048", [](const Options& o) { return o.server.max_body_bytes == 2048; }},
    {"header_timeout", "11", [](const Options& o) { return o.server.header_timeout == milliseconds(11'000); }},
    {"body_timeout", "12", [](const Options& o) { return o.server.body_timeout == milliseconds(12'000); }},
    {"idle_timeout", "13", [](const Options& o) { return o.server.idle_timeout == milliseconds(13'000); }},
    {"write_timeout", "14", [](const Options& o) { return o.server.write_timeout == milliseconds(14'000); }},
    {"shutdown_grace", "15", [](const Options& o) { return o.server.shutdown_grace == milliseconds(15'000); }},
    {"database_url", "sqlite:/x/y.db", [](const Options& o) { return o.database.sqlite_path == "/x/y.db"; }},
    {"database_timeout", "3s", [](const Options& o) { return o.database.timeout == milliseconds(3'000); }},
    {"pool_size", "4", [](const Options& o) { return o.database.pool_size == 4; }},
    {"pool_overflow", "0", [](const Options& o) { return o.database.pool_overflow == 0; }},
    {"pool_recycle", "10m", [](const Options& o) { return o.database.pool_recycle == milliseconds(600'000); }},
    {"feed_interval", "50ms", [](const Options& o) { return o.database.feed_interval == milliseconds(50); }},
    {"feed_trust", "900ms", [](const Options& o) { return o.database.feed_trust == milliseconds(900); }},
    {"cache_staleness", "0", [](const Options& o) { return o.database.cache_staleness == milliseconds(0); }},
    {"read_threads", "9", [](const Options& o) { return o.database.read_threads == 9; }},
    {"batch_max", "1", [](const Options& o) { return o.database.batch_max == 1; }},
    {"queue_max", "10", [](const Options& o) { return o.database.queue_max == 10; }},
    {"checkpoint_pages", "500", [](const Options& o) { return o.database.checkpoint_pages == 500; }},
    {"cache_licenses", "77", [](const Options& o) { return o.cache.licenses == 77; }},
    {"cache_activations", "78", [](const Options& o) { return o.cache.activations == 78; }},
    {"expiry_notice", "0", [](const Options& o) { return o.statistics.expiry_notice == std::chrono::hours(0); }},
    {"refusals_age", "1d", [](const Options& o) { return o.statistics.refusals_age == std::chrono::hours(24); }},
    {"refusals_max", "7", [](const Options& o) { return o.statistics.refusals_max == 7; }},
    {"reports_age", "3660d", [](const Options& o) { return o.statistics.reports_age == std::chrono::hours(87'840); }},
    {"redis_url", "redis://:pw@h:1/2", [](const Options& o) { return o.redis.url == "redis://:pw@h:1/2"; }},
    {"redis_timeout", "5ms", [](const Options& o) { return o.redis.timeout == std::chrono::milliseconds(5); }},
    {"shared_cache_ttl", "60", [](const Options& o) { return o.redis.cache_ttl == std::chrono::seconds(60); }},
    {"statistics_interval", "5", [](const Options& o) { return o.statistics.interval == std::chrono::seconds(5); }},
    {"log_level", "warning", [](const Options& o) { return o.log.level == base::Level::warning; }},
    {"log_format", "json", [](const Options& o) { return o.log.format == base::LogFormat::json; }},
    {"log_file", "-", [](const Options& o) { return o.log.file.empty(); }},
    {"log_max_bytes", "100000", [](const Options& o) { return o.log.max_bytes == 100'000; }},
    {"log_files", "2", [](const Options& o) { return o.log.files == 2; }},
    {"log_stderr", "off", [](const Options& o) { return !o.log.to_stderr; }},
};

TEST_F(OptionsFile, EveryOptionArrivesFromEachOfItsSources) {
  std::set<std::string_view> covered{"config", "demo", "wait_for_database"};  // see below
  for (const Sample& sample : kSamples) {
    const Option& option = row(sample.name);
    covered.insert(option.name);
    EXPECT_FALSE(sample.arrived(parsed({}))) << sample.name << ": the sample is the default";
    EXPECT_TRUE(sample.arrived(parsed({std::string(option.flag), sample.value}))) << sample.name;
    EXPECT_TRUE(sample.arrived(parsed({std::string(option.flag) + '=' + sample.value}))) << sample.name;
    EXPECT_TRUE(sample.arrived(parsed({}, {{std::string(option.environment), sample.value}}))) << sample.name;
    const std::string quote = option.type == OptionType::integer ? "" : "\"";
    const std::string path = file(std::string(option.toml_key) + " = " + quote + sample.value + quote + "\n");
    EXPECT_TRUE(sample.arrived(parsed({"--config", path}))) << sample.name;
    EXPECT_TRUE(sample.arrived(parsed({}, {{"LICTOR_CONFIG", path}}))) << sample.name;
  }
  EXPECT_EQ(covered.size(), option_table().size()) << "an option of the table has no sample here";
}

TEST(OptionTable, EveryChoiceIsTheEnumeratorOfThatName) {
  for (const auto level :
       {base::Level::trace, base::Level::debug, base::Level::info, base::Level::warning, base::Level::error}) {
    EXPECT_EQ(parsed({"--log-level", std::string(base::level_name(level))}).log.level, level);
  }
  EXPECT_EQ(parsed({"--log-format", "human"}).log.format, base::LogFormat::human);
}

TEST(OptionTable, MarkdownHoldsEveryRowInSevenCells) {
  const std::string table = render_option_table_markdown();
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), static_cast<std::ptrdiff_t>(option_table().size() + 2));
  EXPECT_EQ(std::count(table.begin(), table.end(), '|'), static_cast<std::ptrdiff_t>(8 * (option_table().size() + 2)));
  EXPECT_THAT(
      table,
      HasSubstr(
          "| `--batch-max` | `LICTOR_BATCH_MAX` | `database.batch_max` | `256` | a whole number from 1 to 4096 |"));
  EXPECT_THAT(table, HasSubstr("`LICTOR_DATABASE_URL`, else `DATABASE_URL`"));
}

// ---- values --------------------------------------------------------------------------------------------------------

struct ValueCase {
  const char* option;
  const char* text;
  std::int64_t number;  // -1: refused
  const char* value = "";
};

TEST(OptionValue, FormsAreStrict) {
  const std::vector<ValueCase> cases{
      {"batch_max", "1", 1},
      {"batch_max", "4096", 4096},
      {"batch_max", "0", -1},
      {"batch_max", "4097", -1},
      {"batch_max", "", -1},
      {"batch_max", "+1", -1},
      {"batch_max", "-1", -1},
      {"batch_max", " 1", -1},
      {"batch_max", "1 ", -1},
      {"batch_max", "0x10", -1},
      {"batch_max", "1e2", -1},
      {"batch_max", "1.0", -1},
      {"batch_max", "99999999999999999999", -1},
      {"io_threads", "0", 0},
      {"io_threads", "257", -1},
      {"idle_timeout", "10", 10'000},
      {"idle_timeout", "10s", 10'000},
      {"idle_timeout", "500ms", 500},
      {"idle_timeout", "2m", 120'000},
      {"idle_timeout", "1h", 3'600'000},
      {"idle_timeout", "24h", 86'400'000},
      {"idle_timeout", "25h", -1},
      {"idle_timeout", "99ms", -1},
      {"idle_timeout", "0", -1},
      {"idle_timeout", "10S", -1},
      {"idle_timeout", "10 s", -1},
      {"idle_timeout", "1.5s", -1},
      {"idle_timeout", "s", -1},
      {"idle_timeout", "1w", -1},
      {"idle_timeout", "9223372036854775807h", -1},
      {"shutdown_grace", "0", 0},
      {"log_max_bytes", "65536", 65'536},
      {"log_max_bytes", "10MB", 10'000'000},
      {"log_max_bytes", "10MiB", 10'485'760},
      {"log_max_bytes", "64KiB", 65'536},
      {"log_max_bytes", "100kB", 100'000},
      {"log_max_bytes", "100000B", 100'000},
      {"log_max_bytes", "1GiB", 1'073'741'824},
      {"log_max_bytes", "2GiB", -1},
      {"log_max_bytes", "64kB", -1},
      {"log_max_bytes", "10mb", -1},
      {"log_max_bytes", "MB", -1},
      {"max_body_bytes", "1023", -1},
      {"max_body_bytes", "1MiB", 1'048'576},
      {"max_body_bytes", "1048577", -1},
      {"log_stderr", "on", 1},
      {"log_stderr", "off", 0},
      {"log_stderr", "true", 1},
      {"log_stderr", "0", 0},
      {"log_stderr", "ON", -1},
      {"log_stderr", "", -1},
      {"log_stderr", "maybe", -1},
      {"log_level", "trace", 0},
      {"log_level", "error", 4},
      {"log_level", "Error", -1},
      {"log_level", "", -1},
      {"log_level", "trace|debug", -1},
      {"log_level", "warn", -1},
      {"data", "x", 0, "x"},
      {"data", "", -1},
      {"listen", "127.0.0.1:8000", 8000, "127.0.0.1"},
      {"listen", "0.0.0.0:0", 0, "0.0.0.0"},
      {"listen", "[::]:65535", 65535, "::"},
      {"listen", "localhost:1", 1, "127.0.0.1"},
      {"listen", ":8000", -1},
      {"listen", "127.0.0.1", -1},
      {"listen", "127.0.0.1:", -1},
      {"listen", "127.0.0.1:65536", -1},
      {"listen", "127.0.0.1:-1", -1},
      {"listen", "127.0.0.1:http", -1},
      {"listen", "::1:80", -1},
      {"listen", "[127.0.0.1]:80", -1},
      {"listen", "[::1]", -1},
      {"listen", "[]:1", -1},
      {"listen", "1.2.3:80", -1},
      {"listen", "example.com:80", -1},
      {"listen", "8000", -1},
      {"database_url", "sqlite:a.db", 0, "a.db"},
      {"database_url", "sqlite:///a.db", 0, "///a.db"},
      {"database_url", "sqlite:", -1},
      {"database_url", "sqlite://a.db", -1},
      {"database_url", "sqlite::memory:", -1},
      {"database_url", "a.db", -1},
      {"database_url", "postgresql://u:p@h/d", 1, "postgresql://u:p@h/d"},
      {"database_url", "postgres://h1,h2/d?target_session_attrs=read-write", 1,
       "postgres://h1,h2/d?target_session_attrs=read-write"},
      {"database_url", "mysql://h/d", 2, "mysql://h/d"},
      {"database_url", "mariadb://h/d", 2, "mariadb://h/d"},
      {"database_url", "postgresql:h/d", -1},
      {"database_url", "postgresql://", -1},
      {"database_url", "oracle://h/d", -1},
      {"database_url", "SQLITE:a.db", -1},
  };
  for (const ValueCase& c : cases) {
    const auto value = parse_option_value(row(c.option), c.text);
    ASSERT_EQ(static_cast<bool>(value), c.number >= 0) << c.option << " = " << c.text;
    if (!value) continue;
    EXPECT_EQ(value->number, c.number) << c.option << " = " << c.text;
    EXPECT_EQ(value->text, c.value) << c.option << " = " << c.text;
  }
}

TEST(OptionValue, EveryBoundIsAllowedAndItsNeighbourIsNot) {
  for (const Option& option : option_table()) {
    const bool ranged =
        option.type == OptionType::integer || option.type == OptionType::bytes || option.type == OptionType::duration;
    if (!ranged) continue;
    const std::string unit = option.type == OptionType::duration ? "ms" : "";
    EXPECT_TRUE(parse_option_value(option, std::to_string(option.min) + unit)) << option.name;
    EXPECT_TRUE(parse_option_value(option, std::to_string(option.max) + unit)) << option.name;
    EXPECT_FALSE(parse_option_value(option, std::to_string(option.min - 1) + unit)) << option.name;
    EXPECT_FALSE(parse_option_value(option, std::to_string(option.max + 1) + unit)) << option.name;
  }
}

// CLI11 gives some values a meaning of its own (lists in brackets); ours are taken as they stand.
TEST(Flags, ValuesAreTakenAsTheyStand) {
  for (const char* path : {"[a]", "{}", "a,b", "\"a\"", "'a'", "a=b", "$HOME", "-", "a b", "%%", "[a,b]", "@f"}) {
    EXPECT_EQ(parsed({"--data", path}).server.data, path);
    EXPECT_EQ(parsed({std::string("--data=") + path}).server.data, path);
  }
}

// ---- precedence ----------------------------------------------------------------------------------------------------

TEST_F(OptionsFile, FlagBeforeEnvironmentBeforeFileBeforeDefault) {
  const std::string path = file("[database]\nbatch_max = 3\nqueue_max = 3\nread_threads = 3\n");
  const Environment environment{{"LICTOR_BATCH_MAX", "2"}, {"LICTOR_QUEUE_MAX", "2"}, {"LICTOR_IO_THREADS", ""}};
  const Options o = parsed({"--config", path, "--batch-max", "1"}, environment);
  EXPECT_EQ(o.database.batch_max, 1U);
  EXPECT_EQ(o.database.queue_max, 2U);
  EXPECT_EQ(o.database.read_threads, 3U);
  EXPECT_EQ(o.database.checkpoint_pages, 10000U);
  EXPECT_EQ(o.server.io_threads, 0U);  // an empty variable is none
  EXPECT_EQ(o.server.config, path);
}

TEST_F(OptionsFile, TheFlagNamesTheFileBeforeTheEnvironmentDoes) {
  const std::string path = file("server.data = \"/from/file\"\n");
  EXPECT_EQ(parsed({"--config", path}, {{"LICTOR_CONFIG", "/does/not/exist"}}).server.data, "/from/file");
}

TEST_F(OptionsFile, PathsInTheDataDirectoryFollowIt) {
  const Options by_file = parsed({"--config", file("server.data = \"/d\"\n")});
  EXPECT_EQ(by_file.database.sqlite_path, "/d/lictor.db");
  EXPECT_EQ(by_file.log.file, "/d/logs/lictord.log");
  const Options mixed = parsed({"--data", "/e", "--log-file", "/l/x.log"});
  EXPECT_EQ(mixed.database.sqlite_path, "/e/lictor.db");
  EXPECT_EQ(mixed.log.file, "/l/x.log");
}

TEST_F(OptionsFile, DatabaseUrlWithoutPrefixIsTheFallback) {
  const Environment fallback{{"DATABASE_URL", "sqlite:fallback"}};
  EXPECT_EQ(parsed({}, fallback).database.sqlite_path, "fallback");
  EXPECT_EQ(parsed({"--config", file("database.url = \"sqlite:file\"\n")}, fallback).database.sqlite_path, "fallback");
  EXPECT_EQ(parsed({"--config", file("database.url = \"\"\n")}).database.sqlite_path, "var/lictor/lictor.db");
  EXPECT_EQ(parse({"--database-url", ""}).exit_code, 2) << "whoever types it means one";

  const Environment of_another{{"DATABASE_URL", "postgresql://u:pw@h/d"}};
  EXPECT_EQ(parsed({"--database-url", "sqlite:a"}, of_another).database.sqlite_path, "a");
  Environment both = of_another;
  both["LICTOR_DATABASE_URL"] = "sqlite:b";
  EXPECT_EQ(parsed({}, both).database.sqlite_path, "b");
  const Options server = parsed({}, of_another);
  EXPECT_EQ(server.database.engine, Options::Database::Engine::postgresql);
  EXPECT_EQ(server.database.url, "postgresql://u:pw@h/d");
  EXPECT_EQ(parse({}, {{"DATABASE_URL", "oracle://u:pw@h/d"}}).exit_code, 2);
}

TEST(Flags, DemoIsASwitch) {
  EXPECT_TRUE(parsed({"--demo"}).server.demo);
  EXPECT_TRUE(parsed({}, {{"LICTOR_DEMO", "1"}}).server.demo);
  EXPECT_FALSE(parsed({"--demo=false"}, {{"LICTOR_DEMO", "on"}}).server.demo);
}

TEST_F(OptionsFile, WaitingForTheDatabaseIsASwitch) {
  EXPECT_FALSE(parsed({}).database.wait);
  EXPECT_TRUE(parsed({"--wait-for-database"}).database.wait);
  EXPECT_TRUE(parsed({}, {{"LICTOR_WAIT_FOR_DATABASE", "yes"}}).database.wait);
  EXPECT_TRUE(parsed({"--config", file("database.wait = \"on\"\n")}).database.wait);
  EXPECT_TRUE(parsed({"--config", file("database.wait = true\n")}).database.wait);
}

// ---- refusals ------------------------------------------------------------------------------------------------------

struct Refusal {
  std::vector<std::string> flags;
  Environment environment;
  std::vector<std::string> said;
};

TEST(Refusals, NameTheOptionTheSourceTheValueAndWhatIsAllowed) {
  const std::vector<Refusal> refusals{
      {{"--batch-max", "0"},
       {},
       {"option batch_max: \"0\" (from --batch-max)", "allowed: a whole number from 1 to 4096"}},
      {{"--batch-max=-5"}, {}, {"\"-5\" (from --batch-max)"}},
      {{},
       {{"LICTOR_LOG_LEVEL", "loud"}},
       {"option log_level: \"loud\" (from environment variable LICTOR_LOG_LEVEL)",
        "allowed: trace, debug, info, warning or error"}},
      {{},
       {{"DATABASE_URL", "oracle://u@h/d"}},
       {"(from environment variable DATABASE_URL)", "'oracle' is no database that lictord knows", "sqlite:PATH"}},
      {{"--listen", "::1:80"}, {}, {"option listen", "an IPv6 address stands in brackets", "HOST:PORT"}},
      {{"--data", ""}, {}, {"option data: \"\" (from --data)"}},
      {{"--batch-max", "1"}, {{"LICTOR_BATCH_MAX", "x"}}, {"\"x\" (from environment variable LICTOR_BATCH_MAX)"}},
      {{"--batch-mx", "1"}, {}, {"unknown flag --batch-mx; did you mean --batch-max?"}},
      {{"--batch_max=1"}, {}, {"unknown flag --batch_max; did you mean --batch-max?"}},
      {{"--hlep"}, {}, {"unknown flag --hlep; did you mean --help?"}},
      {{"--something-else-entirely"}, {}, {"unknown flag --something-else-entirely\n"}},
      {{"-x"}, {}, {"unknown flag -x"}},
      {{"serve"}, {}, {"unexpected argument serve"}},
      {{"--listen"}, {}, {"--listen", "missing"}},
      {{"--data=", "--demo"}, {}, {"nothing follows --data="}},
      {{"--data", "a", "--data", "b"}, {}, {"--data"}},
      {{"--demo=perhaps"}, {}, {"option demo: \"perhaps\" (from --demo)", "on or off"}},
      {{"--log-file", "-", "--log-stderr", "off"}, {}, {"option log_stderr", "nothing would be logged"}},
      {{"--config", "/does/not/exist.toml"}, {}, {"/does/not/exist.toml", "(from --config)", "No such file"}},
      {{"--config", "/"}, {}, {"can't be read: Is a directory"}},
      {{"--config", "/dev/zero"}, {}, {"/dev/zero", "(from --config) must be a regular file, not a pipe"}},
      {{"--io-threads", "x", "--log-files", "0"}, {}, {"option io_threads", "option log_files"}},
  };
  for (const Refusal& refusal : refusals) {
    const ParseOutcome outcome = parse(refusal.flags, refusal.environment);
    const std::string asked = testing::PrintToString(refusal.flags);
    EXPECT_FALSE(outcome.options) << asked;
    EXPECT_EQ(outcome.exit_code, 2) << asked;
    for (const std::string& part : refusal.said) EXPECT_THAT(outcome.text, HasSubstr(part)) << asked;
  }
}

TEST_F(OptionsFile, RefusesWhatIsUnknownOrOfTheWrongTypeWithItsLine) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"[server]\nlisten2 = \"a\"\n", "line 2: unknown key server.listen2; did you mean server.listen?"},
      {"[server]\nbatch_max = 1\n", "line 2: unknown key server.batch_max; did you mean database.batch_max?"},
      {"batch_max = 1\n", "line 1: unknown key batch_max; did you mean database.batch_max?"},
      {"[databse]\nurl = \"sqlite:x\"\n", "line 1: unknown section databse; did you mean database?"},
      {"[log.file]\nx = 1\n", "(a TOML table); allowed"},
      {"[database]\nbatch_max = \"256\"\n",
       "option batch_max (database.batch_max) does not take '256' (a TOML string); allowed: a whole number"},
      {"[database]\nbatch_max = 2.5\n", "does not take 2.5 (a TOML floating-point"},
      {"[database]\n\nbatch_max = 0\n", "option batch_max: \"0\" (from "},
      {"[database]\n\nbatch_max = 0\n",
       "line 3, database.batch_max) is refused; allowed: a whole number from 1 to 4096"},
      {"[server]\ndata = 5\n", "does not take 5 (a TOML integer"},
      {"[server]\nlisten = true\n", "does not take true (a TOML boolean"},
      {"[log]\nfiles = [1]\n", "(a TOML array"},
      {"[log]\nlevel = \"loud\"\n", "option log_level: \"loud\""},
      {"[log]\nlevel = \"info\"\nlevel = \"info\"\n", "line 3"},
      {"[log\n", "line 1"},
      {"[server]\nconfig = \"x\"\n", "unknown key server.config"},
      {"server = 1\n", "unknown key server"},
  };
  for (const auto& [content, said] : cases) {
    const std::string path = file(content);
    const ParseOutcome outcome = parse({"--config", path});
    EXPECT_FALSE(outcome.options) << content;
    EXPECT_EQ(outcome.exit_code, 2) << content;
    EXPECT_THAT(outcome.text, HasSubstr(path)) << content;
    EXPECT_THAT(outcome.text, HasSubstr(said)) << content;
  }
}

TEST_F(OptionsFile, RedisUrlWithoutPrefixIsTheFallback) {
  const Environment fallback{{"REDIS_URL", "redis://fallback"}};
  EXPECT_EQ(parsed({}).redis.url, "");
  EXPECT_EQ(parsed({}, fallback).redis.url, "redis://fallback");
  EXPECT_EQ(parsed({"--config", file("redis.url = \"redis://file\"\n")}, fallback).redis.url, "redis://fallback");
  EXPECT_EQ(parsed({"--config", file("redis.url = \"\"\n")}).redis.url, "");
  const Environment of_another{{"REDIS_URL", "rediss://h"}, {"LICTOR_REDIS_URL", "redis://ours"}};
  EXPECT_EQ(parsed({}, of_another).redis.url, "redis://ours");
  EXPECT_THAT(parse({}, {{"REDIS_URL", "rediss://h"}}).text,
              AllOf(HasSubstr("environment variable REDIS_URL"), HasSubstr("not encrypted"), HasSubstr("unix:PATH")));
}

TEST_F(OptionsFile, TakesTomlsOwnTypesAndTheTextForms) {
  const Options o = parsed({"--config", file("[server]\nidle_timeout = 7\nbody_timeout = \"700ms\"\n"
                                             "[log]\nstderr = false\nmax_bytes = \"10MB\"\n")});
  EXPECT_EQ(o.server.idle_timeout, milliseconds(7'000));
  EXPECT_EQ(o.server.body_timeout, milliseconds(700));
  EXPECT_FALSE(o.log.to_stderr);
  EXPECT_EQ(o.log.max_bytes, 10'000'000U);
  EXPECT_EQ(parsed({"--config", file("")}).database.batch_max, 256U);  // an empty file says nothing
}

TEST(Refusals, NeverShowThePasswordOfADatabase) {
  for (const char* url : {"postgresql://user:hunter2@host/db", "hunter2", "hunter2@host", "Sqlite:hunter2"}) {
    EXPECT_THAT(parse({"--database-url", url}).text, Not(HasSubstr("hunter2"))) << url;
    EXPECT_THAT(parse({}, {{"DATABASE_URL", url}}).text, Not(HasSubstr("hunter2"))) << url;
  }
}

TEST(Refusals, NeverShowThePasswordOfRedis) {
  for (const char* url : {"redis://user:hunter2@host:x", "rediss://:hunter2@h", "redis://hunter2@h", "hunter2"}) {
    EXPECT_THAT(parse({"--redis-url", url}).text, Not(HasSubstr("hunter2"))) << url;
    EXPECT_THAT(parse({}, {{"REDIS_URL", url}}).text, Not(HasSubstr("hunter2"))) << url;
  }
}

TEST(Refusals, KeepToTheirLine) {
  const std::string text = parse({"--log-level", "a\nlictord: \x1b[31mfine" + std::string(500, 'x')}).text;
  EXPECT_THAT(text, HasSubstr("\"a?lictord: ?[31mfinexxx"));
  EXPECT_THAT(text, Not(HasSubstr(std::string(200, 'x'))));
  EXPECT_THAT(parse({"--database-url", "a\nb:c"}).text, Not(HasSubstr("a\nb")));
  EXPECT_THAT(parse({"--a\nb"}).text, HasSubstr("unknown flag --a?b"));
}

TEST(Warnings, UnknownVariablesWithOurPrefixButNotThoseOfTheCommandLineTool) {
  const Environment environment{{"LICTOR_API_KEY", "k"}, {"LICTOR_URL", "u"},      {"LICTOR_BATCH_MX", "1"},
                                {"LICTOR_LISTEN", ""},   {"OTHER_BATCH_MAX", "1"}, {"LICTOR_QQQQQQQQ", "1"}};
  const ParseOutcome outcome = parse({}, environment);
  ASSERT_TRUE(outcome.options) << outcome.text;
  EXPECT_THAT(outcome.warnings,
              ElementsAre("unknown environment variable LICTOR_BATCH_MX; did you mean LICTOR_BATCH_MAX?",
                          HasSubstr("LICTOR_QQQQQQQQ")));
  EXPECT_THAT(parse({}).warnings, IsEmpty());
}

// ---- help ----------------------------------------------------------------------------------------------------------

TEST(Help, TellsOfEveryOption) {
  const ParseOutcome outcome = parse({"--help"});
  EXPECT_FALSE(outcome.options);
  EXPECT_EQ(outcome.exit_code, 0);
  for (const Option& option : option_table()) {
    EXPECT_THAT(outcome.text, HasSubstr(std::string("  ") + std::string(option.flag))) << option.name;
    EXPECT_THAT(outcome.text, HasSubstr(std::string(option.help))) << option.name;
    EXPECT_THAT(outcome.text, HasSubstr(std::string(option.environment))) << option.name;
    EXPECT_THAT(outcome.text, HasSubstr(std::string(option.toml_key))) << option.name;
    EXPECT_THAT(outcome.text, HasSubstr(std::string(option.default_text))) << option.name;
  }
  EXPECT_EQ(parse({"-h"}).text, outcome.text);
}

TEST(Help, VersionIsOneLine) {
  const ParseOutcome outcome = parse({"--version"});
  EXPECT_EQ(outcome.text, "lictord " LICTOR_VERSION "\n");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_FALSE(outcome.options);
}

TEST(Environment, IsThatOfTheProcess) {
  ASSERT_EQ(setenv("LICTOR_OPTIONS_TEST", "a=b", 1), 0);
  EXPECT_EQ(process_environment()["LICTOR_OPTIONS_TEST"], "a=b");
  unsetenv("LICTOR_OPTIONS_TEST");
}

}  // namespace
}  // namespace lictor::config
