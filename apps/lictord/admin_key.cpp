#include "lictord/admin_key.h"

#include "auth/api_keys.h"
#include "base/encoding.h"
#include "base/id.h"
#include "lictord/key_file.h"

namespace lictor::daemon {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kScopes = "admin:*";

struct ExistsAlready {};

// `first`: only when there is none yet.
void insert(store::Store& store, const auth::NewApiKey& made, std::string_view name, base::UnixSeconds now,
            bool first = false) {
  store.write([&](store::Tx& tx) {
    if (tx.lock_catalog() != 0 && first) throw ExistsAlready();
    store::ApiKey key;
    key.id = made.id;
    key.name = name;
    key.secret_hash = made.secret_hash;
    key.scopes = kScopes;
    key.created_at = now;
    tx.insert_api_key(key);
    store::Event event;
    event.at = now;
    event.actor = "system";
    event.action = "api_key.created";
    event.subject = base::format_id(base::kApiKeyPrefix, key.id);
    event.detail = R"({"name":)" + base::json_string(name) + R"(,"scopes":)" + base::json_string(kScopes) + "}";
    store::Changes changes;
    changes.events.push_back(std::move(event));
    tx.apply(changes);
  });
}

void keep_previous(const fs::path& path) {
  if (fs::exists(path)) fs::rename(path, fs::path(path) += ".previous");
}

}  // namespace

bool ensure_admin_key(store::Store& store, const fs::path& path, base::UnixSeconds now) {
  if (!store.open_reader()->api_keys().empty()) return false;
  const auth::NewApiKey made = auth::make_api_key();
  // A key of another database, or of a start that did not come to its end: kept, in case it is still wanted.
  keep_previous(path);
  write_key_file(path.string(), made.text.reveal());
  try {
    insert(store, made, "first administrator", now, true);
  } catch (const ExistsAlready&) {  // another replica was faster
    fs::remove(path);
    return false;
  }
  return true;
}

std::string replace_admin_key(store::Store& store, const fs::path& path, base::UnixSeconds now) {
  const auth::NewApiKey made = auth::make_api_key();
  // Under its name only when the database knows it: whatever happens in between, the old file is still there.
  const fs::path next = fs::path(path) += ".next";
  write_key_file(next.string(), made.text.reveal());
  insert(store, made, "administrator, made anew by lictord admin-key", now);
  keep_previous(path);
  fs::rename(next, path);
  return base::format_id(base::kApiKeyPrefix, made.id);
}

}  // namespace lictor::daemon
