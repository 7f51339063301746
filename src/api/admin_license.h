// What the calls that change licenses share: lock, look, change, tell the cache.
#pragma once

#include <optional>
#include <string>

#include "api/admin_change.h"

namespace lictor::api {

std::string license_etag(const App& app, const store::LicenseDetails& details);
std::string client_etag(const App& app, const store::ClientView& client);

// Locks the license and takes leases that have ended out of it, with their events.
std::optional<store::LicenseDetails> lock_license(Change& change, const store::LicenseRef& ref);
// Stores what was changed and has the cache told; `details` must have been locked in this transaction.
void store_license(Change& change, const store::LicenseDetails& details);
// Frees the seat of a client, if it holds one, as a deactivation by itself would; changes details.license.state.
void release_seat(Change& change, store::LicenseDetails& details, store::ClientView& client, std::string_view reason);
// Stores a client that was read in this transaction, and has the cache told (admin_clients.cpp).
void store_client(Change& change, const store::LicenseDetails& details, const store::ClientView& client);
// The outcome that shows the license as it is now.
Outcome show_changed(const Change& change, const store::LicenseDetails& details, std::string_view message);

// A refusal for a revoked license: it can't be changed any more.
std::optional<Failure> refuse_revoked(const store::LicenseDetails& details);

// The JSON object `text` with the members of `changes` put in and the ones that `unset` names taken out; "" when
// nothing is left. Nothing when that gives no terms: `fault` says why. Fields are named "`where`.member".
struct TermsChange {
  const boost::json::object* set = nullptr;
  const boost::json::array* unset = nullptr;
};
std::optional<std::string> change_terms(std::string_view text, const TermsChange& change, std::string_view where,
                                        std::optional<RequestFault>& fault);

// A key nobody has.
std::string new_license_key();

}  // namespace lictor::api
