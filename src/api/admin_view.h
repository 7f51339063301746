// How administrators see things: the objects of docs/http-api.md, as JSON text.
#pragma once

#include <string>
#include <vector>

#include "api/app.h"
#include "auth/scope.h"
#include "store/store.h"

namespace lictor::api {

std::string view_license(App& app, const store::LicenseDetails& details, base::UnixSeconds now);
// The same for many: what licenses of one policy share is made once. Not thread-safe.
class LicenseViewer {
 public:
  explicit LicenseViewer(App& app) : app_(app) {}
  void append(std::string& out, const store::LicenseDetails& details, base::UnixSeconds now) const;

 private:
  App& app_;
  mutable store::Row policy_ = 0;
  mutable std::string overrides_;
  mutable service::TermsHandle terms_;
  mutable std::string names_, tail_;  // members that follow from the terms
};
store::LicenseDetails details_of(const store::NewLicense& license);
std::string view_client(const store::ClientView& client, base::UnixSeconds now);
// What a client does with its seat: active, released, lease_expired, blocked.
std::string_view client_status(const licensing::Activation& seat, base::UnixSeconds now);
std::string view_product(const service::Product& product);
std::string view_policy(const service::Policy& policy);
std::string view_api_key(const App& app, const store::ApiKey& key);
std::string view_event(const store::StoredEvent& event);
// {"name":[item,…]
std::string begin_list(std::string_view name, const std::vector<std::string>& items);
// `null` for kNever and for 0 when 0 means "none".
std::string time_or_null(base::UnixSeconds time);
std::string text_or_null(std::string_view text);  // `null` for an empty one

}  // namespace lictor::api
