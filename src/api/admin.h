// Administration: /api/v1/admin, see docs/http-api.md.
#pragma once

#include "api/call.h"

namespace lictor::api {

void handle_create_licenses(Call& call);  // admin_licenses.cpp
void handle_list_licenses(Call& call);
void handle_lookup_license(Call& call);
void handle_show_license(Call& call);
void handle_change_license(Call& call);  // admin_license_changes.cpp
void handle_renew(Call& call);
void handle_extend(Call& call);
void handle_transfer(Call& call);
void handle_suspend(Call& call);
void handle_resume(Call& call);
void handle_revoke(Call& call);
void handle_import(Call& call);  // admin_import.cpp
void handle_export(Call& call);
void handle_seats(Call& call);         // admin_seats.cpp
void handle_list_clients(Call& call);  // admin_clients.cpp
void handle_show_client(Call& call);
void handle_deactivate_client(Call& call);
void handle_block_client(Call& call);
void handle_unblock_client(Call& call);
void handle_forget_client(Call& call);
void handle_create_product(Call& call);  // admin_catalog.cpp
void handle_list_products(Call& call);
void handle_show_product(Call& call);
void handle_change_product(Call& call);
void handle_delete_product(Call& call);
void handle_create_policy(Call& call);
void handle_list_policies(Call& call);
void handle_show_policy(Call& call);
void handle_change_policy(Call& call);
void handle_delete_policy(Call& call);
void handle_create_api_key(Call& call);  // admin_api_keys.cpp
void handle_list_api_keys(Call& call);
void handle_show_api_key(Call& call);
void handle_change_api_key(Call& call);
void handle_revoke_api_key(Call& call);
void handle_list_events(Call& call);    // admin_events.cpp
void handle_list_refusals(Call& call);  // admin_refusals.cpp
void handle_usage_report(Call& call);   // admin_reports.cpp
void handle_seat_report(Call& call);
void handle_refusal_report(Call& call);

}  // namespace lictor::api
