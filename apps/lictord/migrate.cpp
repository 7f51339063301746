#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <chrono>
#include <cstdio>

#include "base/clock.h"
#include "base/encoding.h"
#include "crypto/crypto.h"
#include "lictord/commands.h"
#include "store/copy_database.h"

namespace lictor::daemon {
namespace {

namespace json = boost::json;
using SteadyClock = std::chrono::steady_clock;
using Step = store::MoveProgress::Step;

double seconds_since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

// One line on a terminal, written over as the move goes on; elsewhere nothing.
class Progress {
 public:
  void show(const store::MoveProgress& at) {
    if (!terminal_ || at.step == Step::fenced || at.all == 0) return;
    if (at.step != step_) {
      step_ = at.step;
      start_ = SteadyClock::now();
      shown_ = {};
    }
    if (at.done < at.all && SteadyClock::now() - shown_ < std::chrono::milliseconds(200)) return;
    shown_ = SteadyClock::now();
    const double seconds = std::max(seconds_since(start_), 1e-3);
    std::fprintf(
        stderr, "\r\x1b[K%s %3d %%, %s rows, %s rows/s, %.*s", at.step == Step::copying ? "copying" : "checking",
        at.all == 0 ? 100 : static_cast<int>(std::min(at.done, at.all) * 100 / at.all), std::to_string(at.done).c_str(),
        std::to_string(static_cast<std::int64_t>(static_cast<double>(at.done) / seconds)).c_str(),
        static_cast<int>(at.table.size()), at.table.data());
    wrote_ = true;
  }
  ~Progress() {
    if (wrote_) std::fputs("\r\x1b[K", stderr);
  }

 private:
  const bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  bool wrote_ = false;
  Step step_ = Step::copying;
  SteadyClock::time_point start_ = SteadyClock::now(), shown_{};
};

store::DatabaseUrl database_of(const config::CommandLine& line, std::string_view flag) {
  const std::string text = line.value(flag);
  if (!line.has(flag)) {  // only --from may be left out
    if (line.outcome.options->database.engine != config::Options::Database::Engine::sqlite)
      throw WrongUse(
          "--from is needed, because the option database_url (DATABASE_URL) names a server: --from "
          "sqlite:DIR/lictor.db "
          "for the database of a data directory, or that URL itself");
    return {store::DatabaseUrl::Engine::sqlite, line.outcome.options->database.sqlite_path.string()};
  }
  auto url = store::parse_database_url(text);
  if (!url) throw WrongUse(fmt::format("{}: {}", flag, url.problem().message));
  return *std::move(url);
}

store::MoveOptions options_of(const config::CommandLine& line) {
  for (const auto& [one, other] :
       {std::pair{"--prepare", "--undo"}, {"--prepare", "--take-over"}, {"--prepare", "--force"}}) {
    if (line.has(one) && line.has(other)) throw WrongUse(fmt::format("{} and {} don't go together", one, other));
  }
  store::MoveOptions options;
  options.from = database_of(line, "--from");
  options.to = database_of(line, "--to");
  options.take_over = line.has("--take-over");
  options.force = line.has("--force");
  options.id = base::to_hex(crypto::random_id().bytes);
  options.now = base::SystemClock().now();
  return options;
}

void print(const json::object& result) { std::puts(json::serialize(result).c_str()); }

json::object as_json(const store::MoveFacts& facts, double seconds) {
  json::object tables;
  for (const auto& table : facts.tables) tables[table.name] = table.rows;
  return {{"from", facts.from},
          {"to", facts.to},
          {"seconds", seconds},
          {"licenses", facts.licenses},
          {"events", facts.events},
          {"head", facts.head_hash},
          {"copied_events", facts.copied_events},
          {"audit_trail_is_whole", facts.audit_trail_is_whole},
          {"was_moved_before", facts.was_moved_before},
          {"tables", std::move(tables)}};
}

std::string as_text(const store::MoveFacts& facts) {
  std::int64_t rows = 0;
  for (const auto& table : facts.tables) rows += table.rows;
  return fmt::format("  rows      {}\n  licenses  {}\n  events    {}\n  head      {}\n", rows, facts.licenses,
                     facts.events, facts.head_hash);
}

store::MoveFacts with_progress(store::MoveOptions options, store::MoveFacts (*work)(const store::MoveOptions&)) {
  Progress progress;
  options.on_progress = [&](const store::MoveProgress& at) { progress.show(at); };
  return work(options);
}

int prepare(const config::CommandLine& line, const store::MoveOptions& options, SteadyClock::time_point start) {
  const store::MoveFacts facts = with_progress(options, store::prepare_move);
  if (line.has("--json")) {
    json::object result = as_json(facts, seconds_since(start));
    result["prepared"] = true;
    print(result);
    return 0;
  }
  std::printf(
      "%s has %lld events of %s, %lld of them copied now, in %.1f s\nNothing is moved yet: stop lictord and give the "
      "command again without --prepare.\n",
      facts.to.c_str(), static_cast<long long>(facts.events), facts.from.c_str(),
      static_cast<long long>(facts.copied_events), seconds_since(start));
  return 0;
}

int move(const config::CommandLine& line, const store::MoveOptions& options, SteadyClock::time_point start) {
  const store::MoveFacts facts = with_progress(options, store::move_database);
  const double seconds = seconds_since(start);
  if (!facts.audit_trail_is_whole) {
    std::fputs("lictord: warning: the audit trail is damaged, and was moved as it is (lictor audit verify)\n", stderr);
  }
  if (line.has("--json")) {
    print(as_json(facts, seconds));
    return 0;
  }
  const std::string what = facts.was_moved_before
                               ? fmt::format("{} was moved to {} before", facts.from, facts.to)
                               : fmt::format("{} moved to {} and compared in {:.1f} s", facts.from, facts.to, seconds);
  std::printf(
      "%s\n%s\n%s refuses to serve from now on; keep it until all is well.\nStart lictord on it: DATABASE_URL=%s\n",
      what.c_str(), as_text(facts).c_str(), facts.from.c_str(), facts.to.c_str());
  return 0;
}

int undo(const config::CommandLine& line, const store::MoveOptions& options) {
  const store::UndoFacts facts = store::undo_move(options);
  if (facts.target_had_served) {
    std::fprintf(stderr, "lictord: warning: what was done on %s since the move is not in %s\n", facts.to.c_str(),
                 facts.from.c_str());
    if (!facts.target_was_reached) {
      std::fprintf(stderr, "lictord: warning: no lictord may ever be started on %s again: it could not be told\n",
                   facts.to.c_str());
    }
  }
  if (line.has("--json")) {
    print({{"from", facts.from},
           {"to", facts.to},
           {"undone", true},
           {"target_was_reached", facts.target_was_reached},
           {"target_had_served", facts.target_had_served}});
    return 0;
  }
  std::printf("%s serves again; start lictord on it: DATABASE_URL=%s\n", facts.from.c_str(), facts.from.c_str());
  return 0;
}

}  // namespace

int run_migrate(const config::CommandLine& line) {
  const auto start = SteadyClock::now();
  try {
    const store::MoveOptions options = options_of(line);
    if (line.has("--undo")) return undo(line, options);
    return line.has("--prepare") ? prepare(line, options, start) : move(line, options, start);
  } catch (const WrongUse& error) {
    std::fprintf(stderr, "lictord: migrate: %s\nRun lictord migrate --help for its flags.\n", error.what());
    return 2;
  }
}

}  // namespace lictor::daemon
