// API keys: `lk_live_<id>_<secret>`, 26 symbols of identity, 26 random symbols (130 bits) and 6 check symbols, in lower
// case Crockford base32. The database holds a SHA-256 of the whole key: a dump yields none that works.
//
// All keys are in memory (a vendor has few). A presented key is looked up by a keyed digest among those that this I/O
// thread has verified before; only a key seen for the first time costs a SHA-256 and a lock.
#pragma once

#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "auth/address_list.h"
#include "auth/scope.h"
#include "base/clock.h"
#include "crypto/crypto.h"
#include "store/store.h"

namespace lictor::auth {

struct NewApiKey {
  base::Id id;
  crypto::Secret text;      // shown once
  std::string secret_hash;  // what is stored
};
NewApiKey make_api_key();

// What a key may do now.
struct KeyRights {
  ScopeSet scopes = 0;
  AddressList addresses;  // from where it may be used
};
// Nothing: the key is revoked or expired, or what is stored of it can't be read.
std::optional<KeyRights> rights_of(const store::ApiKey& key, base::UnixSeconds now);

// A caller that proved who it is. `hmac` belongs to the I/O thread that asked and is keyed with the API key's text.
struct Caller {
  base::Id key;
  ScopeSet scopes = 0;
  store::Row product = 0;  // 0: any
  bool require_signature = false;
  base::UnixSeconds expires_at = licensing::kNever;
  const AddressList* addresses = nullptr;  // from where it may be used; belongs to the I/O thread as hmac does
  crypto::HmacSha256* hmac = nullptr;
};

class ApiKeys {
 public:
  ApiKeys(unsigned io_threads, const crypto::Prf::Key& process_key);
  ~ApiKeys();
  // Becomes what the database has: what it has not is not known any more. Not while add() or revoke() is called for
  // what `reader` does not see yet: all three belong to one thread (the write path's) once there is one. Seen by every
  // thread's next find().
  void load(store::Reader& reader);
  void add(const store::ApiKey& key);  // also replaces
  // Whether a key other than this one may do all that this one may, from this address, now and as long: without one,
  // nobody could make such keys again. Thread-safe.
  bool has_substitute(const store::ApiKey& key, std::string_view address, base::UnixSeconds now);
  void revoke(const base::Id& id, base::UnixSeconds now);  // seen by every thread's next find(); thread-safe

  // Whether it may be a key that was made a moment ago, by another process: well formed, and of an id that is not known
  // here. Thread-safe.
  bool may_be_new(std::string_view presented);

  // Nullptr for what is malformed, unknown, revoked or expired. Call only on the I/O thread of that number; the Caller
  // stays valid until its next find().
  const Caller* find(unsigned io_thread, std::string_view presented, base::UnixSeconds now);

 private:
  struct Verified;
  struct Lane;

  const Caller* verify(Lane& lane, const base::Digest& digest, std::string_view presented, base::UnixSeconds now);

  crypto::Prf prf_;
  std::atomic<std::uint64_t> generation_{1};
  std::mutex mutex_;
  std::unordered_map<std::string, store::ApiKey> keys_;  // by the 26 digits of the id
  std::vector<std::unique_ptr<Lane>> lanes_;
};

}  // namespace lictor::auth
