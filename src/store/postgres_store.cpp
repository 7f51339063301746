#include <memory>
#include <utility>

#include "store/placement.h"
#include "store/postgres_connection.h"
#include "store/postgres_server.h"
#include "store/postgres_tx.h"
#include "store/server_store.h"
#include "store/store.h"

namespace lictor::store {
namespace {

// What batches ask for is found by indexes, however many rows there are now or will be: a plan for a table that was
// small when it was made would walk through all of it later.
constexpr const char* kWriterSettings =
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET plan_cache_mode = "
    "force_generic_plan";

}  // namespace

std::unique_ptr<Store> open_postgres(const PostgresOptions& options) {
  const auto counters = std::make_shared<ConnectionCounters>();
  PostgresConnection::Options reading{.url = options.url,
                                      .shown = without_password(options.url),
                                      .timeout = options.timeout,
                                      .application = "lictord",
                                      .read_only = true,
                                      .recycle = options.recycle,
                                      .counters = counters,
                                      .settings = ""};
  PostgresConnection::Options writing = reading;
  writing.read_only = false;
  writing.settings = kWriterSettings;

  auto writer = std::make_unique<PostgresConnection>(std::move(writing));
  require_usable(*writer, true);
  require_servable(*writer);
  migrate_alone(*writer);
  note_served(*writer);
  ServerStore::Parts parts;
  parts.tx = std::make_unique<PostgresTx>(*writer);
  parts.writer = std::move(writer);
  parts.open_reading = [reading](std::chrono::milliseconds timeout) {
    auto own = reading;
    own.timeout = timeout;
    return std::make_unique<PostgresConnection>(std::move(own));
  };
  parts.timeout = options.timeout;
  parts.counters = counters;
  parts.on_commit = options.on_commit;
  return std::make_unique<ServerStore>(std::move(parts));
}

}  // namespace lictor::store
