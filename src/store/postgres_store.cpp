#include <memory>
#include <utility>

#include "store/database_url.h"
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
    "force_generic_plan; "
    // One that leads and says nothing any more, frozen or gone, has the lock that makes it the leader for so long only.
    "SET idle_session_timeout = '10s'";
constexpr const char* kDurabilityGap =
    "SELECT string_agg(name || ' is ' || setting, ', ') FROM pg_settings "
    "WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'";

}  // namespace

std::unique_ptr<Store> open_postgres(const PostgresOptions& options) {
  // What libpq says of a text that it does not understand repeats it, password and all.
  if (const auto url = parse_database_url(options.url); !url)
    throw StoreError(StoreError::Kind::other, "the database's address: " + url.problem().message);
  const PostgresConnection::Options reading{.url = options.url,
                                            .shown = without_password(options.url),
                                            .timeout = options.timeout,
                                            .application = "lictord",
                                            .recycle = options.recycle};
  PostgresConnection::Options writing = reading;
  writing.settings = kWriterSettings + ("; SET idle_in_transaction_session_timeout = '" +
                                        std::to_string(longest_pause(options.timeout).count()) + "s'");
  const auto prepare = [](PostgresConnection& writer) {
    require_usable(writer, true);
    require_servable(writer);
    migrate_alone(writer);
    note_served(writer);
  };
  return open_server_store<PostgresConnection, PostgresTx>(reading, writing, prepare, kDurabilityGap,
                                                           options.on_commit);
}

}  // namespace lictor::store
