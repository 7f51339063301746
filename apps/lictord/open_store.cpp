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
    return store::open_mysql({database.url, database.timeout, database.pool_recycle, std::move(on_commit)});
  return store::open_postgres({database.url, database.timeout, database.pool_recycle, std::move(on_commit)});
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
