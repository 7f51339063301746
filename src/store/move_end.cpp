#include "store/move_end.h"

namespace lictor::store {

std::unique_ptr<MoveEnd> open_end(const DatabaseUrl& url, EndUse use) {
  switch (url.engine) {
    case DatabaseUrl::Engine::sqlite:
      return open_sqlite_end(url.location, use);
    case DatabaseUrl::Engine::postgresql:
      break;
  }
  return open_postgres_end(url.location, use);
}

}  // namespace lictor::store
