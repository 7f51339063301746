#include "api/routes.h"

#include <algorithm>

#include "api/admin.h"
#include "api/admin_fields.h"
#include "api/data_plane.h"
#include "api/operation.h"
#include "base/ascii.h"

namespace lictor::api {
namespace {

using auth::Scope;
using licensing::Code;

constexpr Route kRoutes[] = {
    // method, path, scope, handler, endpoint of the metrics, license key alone may do
    {"POST", "/api/v1/licenses/validate", Scope::license_validate, handle_validate, "/validate", true},
    {"POST", "/api/v1/licenses/activate", Scope::license_activate, handle_activate, "/activate", true},
    {"POST", "/api/v1/activate", Scope::license_activate, handle_activate, "/activate", true},
    {"POST", "/api/v1/licenses/deactivate", Scope::license_activate, handle_deactivate, "/deactivate", true},
    {"POST", "/api/v1/licenses/usage", Scope::usage_write, handle_usage, "/usage"},
    {"GET", "/api/v1/licenses/{id}", Scope::license_read, handle_get_license, "/licenses/{id}"},
    {"GET", "/api/v1/clients/{id}", Scope::license_read, handle_get_client, "/clients/{id}"},
    {"GET", "/health", Scope::none, handle_health, "/health"},
    {"GET", "/ready", Scope::none, handle_ready, "/ready"},
    {"GET", "/metrics", Scope::none, handle_metrics, "/metrics"},
    {"POST", "/api/v1/admin/products", Scope::admin_write, handle_create_product, "/admin/products", false,
     fields::kCreateProduct, "Creates a product.", "*product*"},
    {"GET",
     "/api/v1/admin/products",
     Scope::admin_read,
     handle_list_products,
     "/admin/products",
     false,
     {},
     "All products, by name.",
     "`products`: array of *product*"},
    {"GET",
     "/api/v1/admin/products/{id}",
     Scope::admin_read,
     handle_show_product,
     "/admin/products/{id}",
     false,
     {},
     "A product, by its name or id.",
     "*product*"},
    {"PATCH", "/api/v1/admin/products/{id}", Scope::admin_write, handle_change_product, "/admin/products/{id}", false,
     fields::kChangeProduct, "Changes what is given; at once for all its licenses.", "*product*"},
    {"DELETE",
     "/api/v1/admin/products/{id}",
     Scope::admin_write,
     handle_delete_product,
     "/admin/products/{id}",
     false,
     {},
     "Deletes a product that has no policies and no API keys but revoked ones, which go with it (else `IN_USE`).",
     "`id`, `deleted`"},
    {"POST", "/api/v1/admin/policies", Scope::admin_write, handle_create_policy, "/admin/policies", false,
     fields::kCreatePolicy, "Creates a policy of a product.", "*policy*"},
    {"GET", "/api/v1/admin/policies", Scope::admin_read, handle_list_policies, "/admin/policies", false,
     fields::kListPolicies, "Policies, by product and name.", "`policies`: array of *policy*"},
    {"GET",
     "/api/v1/admin/policies/{id}",
     Scope::admin_read,
     handle_show_policy,
     "/admin/policies/{id}",
     false,
     {},
     "A policy.",
     "*policy*"},
    {"PATCH", "/api/v1/admin/policies/{id}", Scope::admin_write, handle_change_policy, "/admin/policies/{id}", false,
     fields::kChangePolicy, "Changes its terms; at once for all its licenses.", "*policy*"},
    {"DELETE",
     "/api/v1/admin/policies/{id}",
     Scope::admin_write,
     handle_delete_policy,
     "/admin/policies/{id}",
     false,
     {},
     "Deletes a policy that has no licenses (else `IN_USE`).",
     "`id`, `deleted`"},
    {"POST", "/api/v1/admin/licenses", Scope::admin_write, handle_create_licenses, "/admin/licenses", false,
     fields::kCreateLicenses, "Issues licenses, all in one transaction.", "`licenses`: array of *license*"},
    {"GET", "/api/v1/admin/licenses", Scope::admin_read, handle_list_licenses, "/admin/licenses", false,
     fields::kListLicenses, "Licenses, filtered and sorted.", "`licenses`: array of *license*, `next_cursor`"},
    {"POST", "/api/v1/admin/licenses/lookup", Scope::admin_read, handle_lookup_license, "/admin/licenses/lookup", false,
     fields::kLookup, "Finds a license by its key.", "*license*"},
    {"POST", "/api/v1/admin/licenses/import", Scope::admin_write, handle_import, "/admin/licenses/import", false,
     fields::kImport, "Imports licenses; bodies up to 8 MiB. All or nothing (`ROWS_REJECTED`), unless `partial`.",
     "`dry_run`, `created`, `updated`, `unchanged`, `skipped`, `failed`, `rows`: array of *row result*",
     8 * 1024 * 1024},
    {"GET", "/api/v1/admin/licenses/export", Scope::admin_read, handle_export, "/admin/licenses/export", false,
     fields::kExport, "Licenses as import takes them, oldest first.",
     "`licenses`: array of *import row*, `next_cursor`"},
    {"GET",
     "/api/v1/admin/licenses/{id}",
     Scope::admin_read,
     handle_show_license,
     "/admin/licenses/{id}",
     false,
     {},
     "A license.",
     "*license*"},
    {"PATCH", "/api/v1/admin/licenses/{id}", Scope::admin_write, handle_change_license, "/admin/licenses/{id}", false,
     fields::kChangeLicense, "Changes what is given. Seats that are held stay held, also when fewer are allowed now.",
     "*license*"},
    {"POST", "/api/v1/admin/licenses/{id}/renew", Scope::admin_write, handle_renew, "/admin/licenses/{id}/renew", false,
     fields::kRenew, "One more term.", "*license*"},
    {"POST", "/api/v1/admin/licenses/{id}/extend", Scope::admin_write, handle_extend, "/admin/licenses/{id}/extend",
     false, fields::kExtend, "Moves the expiry, counted from the present one.", "*license*"},
    {"POST", "/api/v1/admin/licenses/{id}/suspend", Scope::admin_write, handle_suspend, "/admin/licenses/{id}/suspend",
     false, fields::kReasonOnly, "Refuses the license until it is resumed.", "*license*"},
    {"POST", "/api/v1/admin/licenses/{id}/resume", Scope::admin_write, handle_resume, "/admin/licenses/{id}/resume",
     false, fields::kReasonOnly, "Ends a suspension.", "*license*"},
    {"POST", "/api/v1/admin/licenses/{id}/revoke", Scope::admin_write, handle_revoke, "/admin/licenses/{id}/revoke",
     false, fields::kReasonOnly, "Refuses the license for good.", "*license*"},
    {"POST", "/api/v1/admin/licenses/{id}/transfer", Scope::admin_write, handle_transfer,
     "/admin/licenses/{id}/transfer", false, fields::kTransfer,
     "Gives the license to another holder and frees its seats.", "*license*"},
    {"GET", "/api/v1/admin/licenses/{id}/clients", Scope::admin_read, handle_list_clients,
     "/admin/licenses/{id}/clients", false, fields::kListClients, "The clients of a license, by `client_id`.",
     "`clients`: array of *client*, `next_cursor`"},
    {"GET",
     "/api/v1/admin/clients/{id}",
     Scope::admin_read,
     handle_show_client,
     "/admin/clients/{id}",
     false,
     {},
     "A client, by its server id `cli_…`.",
     "*client*"},
    {"POST", "/api/v1/admin/clients/{id}/deactivate", Scope::admin_write, handle_deactivate_client,
     "/admin/clients/{id}/deactivate", false, fields::kReasonOnly, "Frees its seat.", "*client*"},
    {"POST", "/api/v1/admin/clients/{id}/block", Scope::admin_write, handle_block_client, "/admin/clients/{id}/block",
     false, fields::kReasonOnly, "Frees its seat and refuses it from now on (`CLIENT_BLOCKED`).", "*client*"},
    {"POST", "/api/v1/admin/clients/{id}/unblock", Scope::admin_write, handle_unblock_client,
     "/admin/clients/{id}/unblock", false, fields::kReasonOnly, "Lets it activate again.", "*client*"},
    {"DELETE",
     "/api/v1/admin/clients/{id}",
     Scope::admin_write,
     handle_forget_client,
     "/admin/clients/{id}",
     false,
     {},
     "Frees its seat and forgets it; a block is forgotten too.",
     "*client* as it was"},
    {"GET", "/api/v1/admin/seats", Scope::admin_read, handle_seats, "/admin/seats", false, fields::kSeats,
     "Licenses with their seats and who holds them.", "`licenses`: array of *seats*, `next_cursor`"},
    {"POST", "/api/v1/admin/api-keys", Scope::admin_write, handle_create_api_key, "/admin/api-keys", false,
     fields::kCreateApiKey, "Makes an API key.", "*API key*, and this once only `api_key` (the secret `lk_live_…`)"},
    {"GET",
     "/api/v1/admin/api-keys",
     Scope::admin_read,
     handle_list_api_keys,
     "/admin/api-keys",
     false,
     {},
     "All API keys.",
     "`api_keys`: array of *API key*"},
    {"GET",
     "/api/v1/admin/api-keys/{id}",
     Scope::admin_read,
     handle_show_api_key,
     "/admin/api-keys/{id}",
     false,
     {},
     "An API key.",
     "*API key*"},
    {"PATCH", "/api/v1/admin/api-keys/{id}", Scope::admin_write, handle_change_api_key, "/admin/api-keys/{id}", false,
     fields::kChangeApiKey, "Changes what is given.", "*API key*"},
    {"POST",
     "/api/v1/admin/api-keys/{id}/revoke",
     Scope::admin_write,
     handle_revoke_api_key,
     "/admin/api-keys/{id}/revoke",
     false,
     {},
     "Refuses the key from now on.",
     "*API key*"},
    {"GET", "/api/v1/admin/events", Scope::admin_read, handle_list_events, "/admin/events", false, fields::kListEvents,
     "The audit log.", "`events`: array of *event*, `next_cursor`, `head` {`sequence`, `hash`}"},
    {"GET", "/api/v1/admin/refusals", Scope::admin_read, handle_list_refusals, "/admin/refusals", false,
     fields::kListRefusals, "What clients were refused, newest first.",
     "`refusals`: array of *refusal*, `next_cursor`"},
    {"GET", "/api/v1/admin/reports/usage", Scope::admin_read, handle_usage_report, "/admin/reports/usage", false,
     fields::kUsageReport, "Usage of each metric and day.",
     "`rows`: array of `day`, `product`, `license_id`, `metric`, `quantity`; `next_cursor`"},
    {"GET", "/api/v1/admin/reports/seats", Scope::admin_read, handle_seat_report, "/admin/reports/seats", false,
     fields::kSeatReport,
     "Seats held on each day: the most at once, the number that was not exceeded for 95 % of the day, the mean. What "
     "happened in the last second is not in a product's figures yet; on a database server, in the last 10.",
     "`rows`: array of `day`, `product`, `license_id`, `peak`, `p95`, `mean`, `seat_seconds`; `next_cursor`"},
    {"GET", "/api/v1/admin/reports/refusals", Scope::admin_read, handle_refusal_report, "/admin/reports/refusals",
     false, fields::kRefusalReport, "Refusals of each code and day; `product` is null where the license is not known.",
     "`rows`: array of `day`, `product`, `license_id`, `code`, `count`; `next_cursor`"},
    {"GET",
     "/api/v1/admin/status",
     Scope::admin_read,
     handle_status,
     "/admin/status",
     false,
     {},
     "How the server is doing.",
     "`version`, `uptime_seconds`, `database`, `server_time`, `licenses`, `active_licenses`, `seats_held`, `events`, "
     "`refusals` (kept), `cached_licenses`, `cached_activations`, `write_queue`, `connections`, `clock_steps`"},
    // What matches nothing; kept last, so that it has a number for the metrics.
    {"", "", Scope::none, nullptr, "other"},
};
constexpr const Route& kNoRoute = kRoutes[std::size(kRoutes) - 1];

// Matches a path against a route's; `id` gets the segment that stands for {id}.
bool matches(std::string_view pattern, std::string_view path, std::string_view& id) noexcept {
  const std::size_t brace = pattern.find('{');
  if (brace == std::string_view::npos) return pattern == path;
  if (!path.starts_with(pattern.substr(0, brace))) return false;
  path.remove_prefix(brace);
  const std::string_view tail = pattern.substr(brace + 4);  // behind "{id}"
  const std::size_t end = std::min(path.find('/'), path.size());
  if (end == 0 || path.substr(end) != tail) return false;
  id = path.substr(0, end);
  return true;
}

// The guide's snippets join a base that ends in /api/v1 with paths that begin with it.
std::string_view without_doubled_prefix(std::string_view path) noexcept {
  constexpr std::string_view kPrefix = "/api/v1";
  // Not so administration, which a proxy may guard by its path.
  const bool doubled = path.starts_with("/api/v1/api/v1/") && !path.starts_with("/api/v1/api/v1/admin/");
  return doubled ? path.substr(kPrefix.size()) : path;
}

struct Match {
  const Route* route = &kNoRoute;
  std::string allow;  // methods of the path, when the method is none of them
};

Match find_route(const http::Request& request) {
  const std::string_view path = without_doubled_prefix(request.path);
  const std::string_view method = request.method == "HEAD" ? std::string_view("GET") : request.method;
  Match match;
  std::string_view id;
  bool is_literal = false;
  // A literal path goes before a pattern, as the table has it, whatever the method; of the routes of one path the one
  // that has the method.
  for (const Route& route : kRoutes) {
    if (!matches(route.path, path, id) || &route == &kNoRoute) continue;
    if (route.path != path && is_literal) break;
    is_literal = route.path == path;
    if (route.method == method) return {&route, {}};
    if (match.allow.find(route.method) == std::string::npos)
      match.allow.append(match.allow.empty() ? "" : ", ").append(route.method == "GET" ? "GET, HEAD" : route.method);
  }
  return match;
}

RequestId make_request_id(const http::Request& request) {
  constexpr auto is_plain = [](char c) { return base::is_alphanumeric(c) || c == '.' || c == '_' || c == '-'; };
  const std::string_view given = request.header("X-Request-Id");
  if (!given.empty() && given.size() <= RequestId::kMaxLength && std::ranges::all_of(given, is_plain))
    return RequestId(given);
  char text[base::kRequestPrefix.size() + 1 + base::kIdDigits];
  base::kRequestPrefix.copy(text, base::kRequestPrefix.size());
  text[base::kRequestPrefix.size()] = '_';
  base::write_id_digits(crypto::random_id(), text + base::kRequestPrefix.size() + 1);
  return RequestId({text, sizeof text});
}

bool administers(const Route& route) noexcept {
  return route.scope == Scope::admin_read || route.scope == Scope::admin_write;
}

}  // namespace

std::span<const Route> route_table() { return {kRoutes, std::size(kRoutes) - 1}; }

std::vector<base::RouteLabel> route_labels() {
  std::vector<base::RouteLabel> labels;
  for (const Route& route : kRoutes) {
    labels.push_back({std::string(route.method.empty() ? "other" : route.method), std::string(route.endpoint)});
  }
  return labels;
}

std::vector<std::string> failure_reasons() {
  std::vector<std::string> reasons;
  for (std::size_t i = 0; i < licensing::kCodeCount; ++i)
    reasons.emplace_back(licensing::wire_name(static_cast<Code>(i)));
  return reasons;
}

bool authenticate(Call& call) {
  const Route& route = call.route();
  matches(route.path, without_doubled_prefix(call.request().path), call.path_id);
  if (route.scope == Scope::none) return true;
  const std::string_view key = call.request().header("X-API-Key");
  if (key.empty()) {
    const bool other_credential = !call.request().header("Authorization").empty();
    if (route.license_auth && !other_credential) return true;
    return call.fail(Code::unauthenticated), false;
  }
  const auto is_key = [](const http::Header& header) { return http::equal_names(header.name, "X-API-Key"); };
  if (std::ranges::count_if(call.request().headers, is_key) > 1) {
    return call.fail(RequestFault{Code::bad_request, "X-API-Key", "must be there once"}), false;
  }
  call.caller = call.app().api_keys.find(call.io_thread(), key, call.app().clock.now());
  if (call.caller == nullptr) return call.fail(Code::unauthenticated), false;
  if (call.caller->addresses != nullptr && !call.caller->addresses->allows(call.request().peer)) {
    return call.fail(Failure{Code::forbidden, "The API key may not be used from this address", {}, 0, {}}), false;
  }
  if (!auth::grants(call.caller->scopes, route.scope)) return call.fail(Code::forbidden), false;
  // Administration is of the whole server: a key that is limited to one product must not see or change the others.
  if (administers(route) && call.caller->product != 0) return call.fail(Code::forbidden), false;
  return true;
}

std::size_t body_limit(App& app, const http::Request& request, unsigned io_thread, std::size_t standard) {
  const Route& route = *find_route(request).route;
  if (route.max_body_bytes <= standard) return standard;
  const auth::Caller* caller = app.api_keys.find(io_thread, request.header("X-API-Key"), app.clock.now());
  const bool may = caller != nullptr && auth::grants(caller->scopes, route.scope) && caller->product == 0 &&
                   (caller->addresses == nullptr || caller->addresses->allows(request.peer));
  return may ? route.max_body_bytes : standard;
}

namespace {

constexpr std::chrono::milliseconds kCatchUp{2000};

// With replicas, an administrator sees what any of them acknowledged before; an API key that another one has just made
// is known, as long as not too many unknown ones come; and API keys, products and policies are not believed for longer
// than licenses are.
bool must_catch_up(const Call& call) {
  const App& app = call.app();
  if (app.feed == nullptr || call.route().scope == Scope::none) return false;
  const std::string_view key = call.request().header("X-API-Key");
  if (key.empty()) return !app.feed->is_current();
  const auth::Caller* const caller = app.api_keys.find(call.io_thread(), key, app.clock.now());
  if (caller == nullptr) return app.api_keys.may_be_new(key) && app.feed->may_look();
  if (!app.feed->is_current()) return true;
  return administers(call.route()) && auth::grants(caller->scopes, call.route().scope);
}

// With the database away, callers other than administrators are believed from memory for as long as licenses are.
void catch_up(Call& call) {
  const auto go_on = [](Call& again) {
    if (authenticate(again)) again.route().handle(again);
  };
  const auto read = [&app = call.app(), go_on](store::Reader& reader) -> ReadCall::Reply {
    if (app.feed->catch_up_catalog(reader, kCatchUp)) return go_on;
    return [](Call& again) { again.fail(Code::unavailable); };
  };
  if (administers(call.route())) return ReadCall::submit(call, read);
  const auto if_failed = [&app = call.app(), go_on]() -> ReadCall::Reply {
    return app.feed->is_usable() ? ReadCall::Reply(go_on) : ReadCall::Reply();
  };
  ReadCall::submit(call, read, if_failed);
}

}  // namespace

// The order of a request's way: route, (address lists and rate limits will stand here), identity and scope, handler.
void dispatch(App& app, http::Exchange& exchange) {
  const Match match = find_route(exchange.request());
  Call call(app, exchange, {match.route, make_request_id(exchange.request())});
  call.guard([&](Call& guarded) {
    if (match.route == &kNoRoute) {
      if (match.allow.empty()) return guarded.fail(Code::not_found);
      return guarded.fail(Failure{Code::method_not_allowed, {}, {}, 0, match.allow});
    }
    if (must_catch_up(guarded)) return catch_up(guarded);
    if (authenticate(guarded)) match.route->handle(guarded);
  });
}

std::string render_protocol_error(http::ProtocolError error, std::string_view message) {
  Failure failure;
  failure.code = code_of(error);
  failure.message = message;
  std::string body;
  append_failure(body, failure, base::format_id(base::kRequestPrefix, crypto::random_id()));
  return body;
}

}  // namespace lictor::api
