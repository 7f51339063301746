#include "lictord/reload.h"

namespace lictor::daemon {
namespace {

void log_plan(const config::ReloadPlan& plan, base::Logger& log) {
  for (const config::OptionChange& change : plan.changed) {
    log.info("options.changed", "An option has changed",
             {{"option", change.option->name}, {"old", change.before}, {"new", change.after}});
  }
  for (const config::OptionChange& change : plan.needs_restart) {
    log.warning("options.need_restart", "An option differs from what lictord runs with; it is read at the next start",
                {{"option", change.option->name}, {"old", change.before}, {"new", change.after}});
  }
  log.info("options.reloaded", "The options were read again",
           {{"changed", plan.changed.size()}, {"need_restart", plan.needs_restart.size()}});
}

}  // namespace

void reload_options(config::LiveOptions& live, const config::ParseOutcome& read, base::Logger& log) {
  if (!read.options) {
    for (const std::string& problem : read.problems) {
      log.error("options.refused", "The options are wrong; nothing was changed", {{"error", problem}});
    }
    return;
  }
  const config::ReloadPlan plan = live.plan(read);
  // Told while the level lets it through, before the change or after it.
  const bool told = log.enabled(base::Level::info);
  if (told) log_plan(plan, log);
  live.apply(read);
  if (!told) log_plan(plan, log);
}

}  // namespace lictor::daemon
