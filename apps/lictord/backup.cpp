#include "store/sqlite_backup.h"

#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "base/clock.h"
#include "config/data_files.h"
#include "lictord/admin_key.h"
#include "lictord/commands.h"
#include "lictord/data_directory.h"
#include "lictord/open_store.h"

namespace lictor::daemon {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

std::string spelled_bytes(std::int64_t bytes) {
  if (bytes < 1024 * 1024) return fmt::format("{} KiB", (bytes + 1023) / 1024);
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1024 * 1024));
}

// One line on a terminal, written over as the copy goes on; elsewhere nothing.
class Progress {
 public:
  void show(std::int64_t done, std::int64_t all) {
    if (!terminal_ || all == 0) return;
    const auto percent = static_cast<int>(done * 100 / all);
    if (percent == shown_) return;
    shown_ = percent;
    std::fprintf(stderr, "\rcopying %3d %%%s", percent, percent == 100 ? ", checking\n" : "");
  }
  ~Progress() {
    if (shown_ >= 0 && shown_ < 100) std::fputc('\n', stderr);
  }

 private:
  const bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  int shown_ = -1;
};

json::object as_json(const store::CopyFacts& facts) {
  return {{"bytes", facts.bytes},
          {"schema_version", facts.schema_version},
          {"licenses", facts.licenses},
          {"events", facts.events},
          {"head", facts.head_hash}};
}

std::string as_text(const store::CopyFacts& facts) {
  return fmt::format("  size      {}\n  licenses  {}\n  events    {}\n  head      {}\n", spelled_bytes(facts.bytes),
                     facts.licenses, facts.events, facts.head_hash);
}

// So that whoever reads the audit trail sees that it went back to here.
void record_restore(const std::string& database, const store::CopyFacts& facts) {
  const auto store = store::open_sqlite({.path = database, .on_commit = {}});
  store->write([&](store::Tx& tx) {
    store::Event event;
    event.at = base::SystemClock().now();
    event.actor = "system";
    event.action = "database.restored";
    event.detail = fmt::format(R"({{"events":{},"head":"{}"}})", facts.events, facts.head_hash);
    store::Changes changes;
    changes.events.push_back(std::move(event));
    tx.apply(changes);
  });
}

}  // namespace

namespace {

bool is_server(const config::Options& options) {
  return options.database.engine != config::Options::Database::Engine::sqlite;
}

// A server's database is backed up with that server's own means.
void require_file(const config::CommandLine& line) {
  if (!is_server(*line.outcome.options)) return;
  throw std::runtime_error(
      "the database is not a file: back it up and restore it as its server does (docs/operations.md)");
}

}  // namespace

int run_backup(const config::CommandLine& line) {
  require_file(line);
  const std::string database = line.outcome.options->database.sqlite_path.string();
  std::error_code error;
  if (!fs::exists(database, error) && !error) throw NoDatabase(database);
  const auto begin = std::chrono::steady_clock::now();
  store::CopyFacts facts;
  {
    Progress progress;
    store::CopyOptions options;
    options.replace = line.has("--force");
    options.on_progress = [&](std::int64_t done, std::int64_t all) { progress.show(done, all); };
    facts = store::back_up(database, line.argument, options);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (line.has("--json")) {
    json::object result = as_json(facts);
    result["file"] = line.argument;
    result["database"] = database;
    result["seconds"] = seconds;
    std::puts(json::serialize(result).c_str());
    return 0;
  }
  std::printf(
      "%s written and verified in %.1f s\n%s\n%s is not in it: keep a copy of that file apart.\n"
      "Keep the head's hash elsewhere, too: it shows whether the audit trail was changed.\n",
      line.argument.c_str(), seconds, as_text(facts).c_str(), config::kAdminKeyFile);
  return 0;
}

int run_restore(const config::CommandLine& line) {
  require_file(line);
  const config::Options& options = *line.outcome.options;
  const std::string database = options.database.sqlite_path.string();
  store::check_copy(line.argument);  // before anything is made
  const fs::path data = prepare_data_directory(options.server.data);
  std::error_code error;
  const bool replaces = fs::exists(database, error);
  store::CopyOptions copy;
  copy.replace = line.has("--force");
  const store::CopyFacts facts = store::restore(line.argument, database, copy);
  record_restore(database, facts);
  const bool has_key = fs::exists(data / config::kAdminKeyFile, error);
  if (line.has("--json")) {
    json::object result = as_json(facts);
    result["file"] = line.argument;
    result["database"] = database;
    result["previous"] = replaces ? json::value(database + ".previous") : json::value();
    result["admin_key"] = has_key;
    std::puts(json::serialize(result).c_str());
    return 0;
  }
  std::string text = fmt::format("{} restored from {}\n{}\n", database, line.argument, as_text(facts));
  if (replaces)
    text += fmt::format("The database that was there is {}.previous; delete it when all is well.\n", database);
  if (!has_key) {
    text += fmt::format("There is no {0} in {1}: put yours there, or make one with lictord admin-key --data {1}\n",
                        config::kAdminKeyFile, data.string());
  }
  text += fmt::format("Start it: lictord --data {}\n", data.string());
  std::fputs(text.c_str(), stdout);
  return 0;
}

int run_admin_key(const config::CommandLine& line) {
  const config::Options& options = *line.outcome.options;
  const std::string database = options.database.sqlite_path.string();
  std::error_code error;
  if (!is_server(options) && !fs::exists(database, error)) throw NoDatabase(database);
  const auto store = open_store(options, {}, [](const char* why) { std::fprintf(stderr, "lictord: %s\n", why); });
  const fs::path path = prepare_data_directory(options.server.data) / config::kAdminKeyFile;
  const bool replaces = fs::exists(path, error);
  const std::string id = replace_admin_key(*store, path, base::SystemClock().now());
  if (line.has("--json")) {
    const json::object result{{"id", id},
                              {"file", path.string()},
                              {"previous", replaces ? json::value(path.string() + ".previous") : json::value()}};
    std::puts(json::serialize(result).c_str());
    return 0;
  }
  std::string text = fmt::format("{} holds a new administrator's API key (mode 0600), {}\n", path.string(), id);
  if (replaces) text += fmt::format("The old file is {}.previous.\n", path.string());
  text += "Earlier keys stay in force: look at them with lictor key list, and revoke what was lost.\n";
  std::fputs(text.c_str(), stdout);
  return 0;
}

}  // namespace lictor::daemon
