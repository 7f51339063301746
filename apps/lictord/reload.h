// What SIGHUP does to the options.
#pragma once

#include "base/log.h"
#include "config/live_options.h"

namespace lictor::daemon {

// Takes over from `read` what may change, and logs it: each option that changed, each that waits for a restart. Options
// that are wrong change nothing; each problem is logged.
void reload_options(config::LiveOptions& live, const config::ParseOutcome& read, base::Logger& log);

}  // namespace lictor::daemon
