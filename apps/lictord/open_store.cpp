#include "lictord/open_store.h"

#include <signal.h>
#include <time.h>

#include <utility>

#include "store/refused_error.h"

namespace lictor::daemon {
namespace {

constexpr timespec kTryAgain{.tv_sec = 1, .tv_nsec = 0};

// Whether somebody asked this process to end meanwhile: main() takes the signals only when all has started.
bool waits_and_is_to_end() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return sigtimedwait(&signals, nullptr, &kTryAgain) > 0;
}

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
    } catch (const store::RefusedError&) {
      throw;
    } catch (const store::StoreError& error) {
      if (!database.wait || error.kind() != store::StoreError::Kind::connection_lost) throw;
      on_wait(error.what());
      if (waits_and_is_to_end()) throw EndedWhileWaiting();
    }
  }
}

}  // namespace lictor::daemon
