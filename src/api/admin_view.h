// How administrators see things: the objects of docs/http-api.md, as JSON text.
#pragma once

#include <string>
#include <vector>

#include "api/app.h"
#include "auth/scope.h"
#include "store/store.h"

namespace lictor::api {

std::string view_license(App& app, const store::LicenseDetails& details, base::UnixSeconds now);
std::string view_client(const store::ClientView& client);
std::string view_product(const service::Product& product);
std::string view_policy(const service::Policy& policy);
std::string view_api_key(const App& app, const store::ApiKey& key);
std::string view_event(const store::StoredEvent& event);
// {"name":[item,…]
std::string begin_list(std::string_view name, const std::vector<std::string>& items);
// `null` for kNever and for 0 when 0 means "none".
std::string time_or_null(base::UnixSeconds time);

}  // namespace lictor::api
