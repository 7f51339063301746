// Administration: /api/v1/admin, see docs/http-api.md.
#pragma once

#include "api/call.h"

namespace lictor::api {

void handle_create_licenses(Call& call);  // admin_licenses.cpp
void handle_list_licenses(Call& call);
void handle_lookup_license(Call& call);
void handle_show_license(Call& call);
void handle_list_clients(Call& call);
void handle_suspend(Call& call);
void handle_resume(Call& call);
void handle_revoke(Call& call);
void handle_create_product(Call& call);  // admin_catalog.cpp
void handle_list_products(Call& call);
void handle_create_policy(Call& call);
void handle_list_policies(Call& call);
void handle_create_api_key(Call& call);  // admin_api_keys.cpp
void handle_list_api_keys(Call& call);
void handle_revoke_api_key(Call& call);
void handle_list_events(Call& call);  // admin_events.cpp

}  // namespace lictor::api
