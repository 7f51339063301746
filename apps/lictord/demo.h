// What --demo puts into an empty data directory: two products to try everything with.
#pragma once

#include "base/clock.h"
#include "crypto/crypto.h"
#include "store/store.h"

namespace lictor::daemon {

inline constexpr const char* kDemoClientKeyFile = "demo-client.key";

struct Demo {
  std::string license_key;  // of product demo, policy perpetual
  bool created = false;     // now, not in an earlier run
};

// Creates the products, policies, the imported key TEST-KEY-001, a license and a client's API key, once; later runs
// read the license key again. Writes the API key to `client_key_path` (mode 0600).
Demo prepare_demo(store::Store& store, const crypto::Prf& key_digest, base::UnixSeconds now,
                  const std::string& client_key_path);

}  // namespace lictor::daemon
