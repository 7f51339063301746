// The administrator's API key that a file beside the database holds: made at the first start, and again when it is
// lost.
#pragma once

#include <filesystem>
#include <string>

#include "base/clock.h"
#include "store/store.h"

namespace lictor::daemon {

// The first administrator: an API key that only this file holds. False when the database has API keys already.
bool ensure_admin_key(store::Store& store, const std::filesystem::path& path, base::UnixSeconds now);

// One more administrator, for whoever lost the key and owns the machine: recorded in the audit trail. A file that is
// there is kept as PATH.previous; its key stays in force. Returns the id of the new API key.
std::string replace_admin_key(store::Store& store, const std::filesystem::path& path, base::UnixSeconds now);

}  // namespace lictor::daemon
