#include "lictord/open_store.h"

#include <chrono>
#include <thread>
#include <utility>

namespace lictor::daemon {
namespace {

constexpr std::chrono::seconds kTryAgain{1};

std::unique_ptr<store::Store> open_server(const config::Options::Database& database,
                                          std::function<void(double)> on_commit) {
  if (database.engine == config::Options::Database::Engine::mysql)
    throw store::StoreError(store::StoreError::Kind::other, "this version can't use MySQL");
  store::PostgresOptions options;
  options.url = database.url;
  options.timeout = database.timeout;
  options.recycle = database.pool_recycle;
  options.on_commit = std::move(on_commit);
  return store::open_postgres(options);
}

}  // namespace

std::unique_ptr<store::Store> open_store(const config::Options& options, std::function<void(double)> on_commit,
                                         const std::function<void(const char* why)>& on_wait) {
  const config::Options::Database& database = options.database;
  if (database.engine == config::Options::Database::Engine::sqlite) {
    return store::open_sqlite({.path = database.sqlite_path.string(),
                               .checkpoint_pages = static_cast<int>(database.checkpoint_pages),
                               .on_commit = std::move(on_commit)});
  }
  while (true) {
    try {
      return open_server(database, on_commit);
    } catch (const store::StoreError& error) {
      if (!database.wait || error.kind() != store::StoreError::Kind::connection_lost) throw;
      on_wait(error.what());
      std::this_thread::sleep_for(kTryAgain);
    }
  }
}

}  // namespace lictor::daemon
