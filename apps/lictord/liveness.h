// Whether the server still serves: what a watchdog may vouch for.
#pragma once

#include <chrono>
#include <string>

#include "http/server.h"
#include "service/read_pool.h"
#include "service/write_path.h"

namespace lictor::daemon {

// Asks the I/O threads, the write path and the read pool, whose answers must come within `bound` altogether; that the
// database refuses (a full disk) is an answer, because a restart would not help. Returns what does not answer, in
// words; empty when all is well. Call from one thread, while all three run.
std::string find_what_hangs(const http::Server& server, service::WritePath& writes, service::ReadPool& reads,
                            std::chrono::milliseconds bound);

}  // namespace lictor::daemon
