#include "api/routes.h"

#include <algorithm>

#include "api/admin.h"
#include "api/data_plane.h"
#include "api/operation.h"

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
    {"POST", "/api/v1/admin/licenses", Scope::admin_write, handle_create_licenses, "/admin/licenses"},
    {"GET", "/api/v1/admin/licenses", Scope::admin_read, handle_list_licenses, "/admin/licenses"},
    {"POST", "/api/v1/admin/licenses/lookup", Scope::admin_read, handle_lookup_license, "/admin/licenses/lookup"},
    {"GET", "/api/v1/admin/licenses/{id}", Scope::admin_read, handle_show_license, "/admin/licenses/{id}"},
    {"GET", "/api/v1/admin/licenses/{id}/clients", Scope::admin_read, handle_list_clients,
     "/admin/licenses/{id}/clients"},
    {"POST", "/api/v1/admin/licenses/{id}/suspend", Scope::admin_write, handle_suspend, "/admin/licenses/{id}/suspend"},
    {"POST", "/api/v1/admin/licenses/{id}/resume", Scope::admin_write, handle_resume, "/admin/licenses/{id}/resume"},
    {"POST", "/api/v1/admin/licenses/{id}/revoke", Scope::admin_write, handle_revoke, "/admin/licenses/{id}/revoke"},
    {"POST", "/api/v1/admin/products", Scope::admin_write, handle_create_product, "/admin/products"},
    {"GET", "/api/v1/admin/products", Scope::admin_read, handle_list_products, "/admin/products"},
    {"POST", "/api/v1/admin/policies", Scope::admin_write, handle_create_policy, "/admin/policies"},
    {"GET", "/api/v1/admin/policies", Scope::admin_read, handle_list_policies, "/admin/policies"},
    {"POST", "/api/v1/admin/api-keys", Scope::admin_write, handle_create_api_key, "/admin/api-keys"},
    {"GET", "/api/v1/admin/api-keys", Scope::admin_read, handle_list_api_keys, "/admin/api-keys"},
    {"POST", "/api/v1/admin/api-keys/{id}/revoke", Scope::admin_write, handle_revoke_api_key,
     "/admin/api-keys/{id}/revoke"},
    {"GET", "/api/v1/admin/events", Scope::admin_read, handle_list_events, "/admin/events"},
    {"GET", "/api/v1/admin/status", Scope::admin_read, handle_status, "/admin/status"},
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
  const bool doubled = path.starts_with("/api/v1/api/v1/");
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
  constexpr auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  const std::string_view given = request.header("X-Request-Id");
  if (!given.empty() && given.size() <= RequestId::kMaxLength && std::ranges::all_of(given, is_plain))
    return RequestId(given);
  char text[base::kRequestPrefix.size() + 1 + base::kIdDigits];
  base::kRequestPrefix.copy(text, base::kRequestPrefix.size());
  text[base::kRequestPrefix.size()] = '_';
  base::write_id_digits(crypto::random_id(), text + base::kRequestPrefix.size() + 1);
  return RequestId({text, sizeof text});
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
  if (!auth::grants(call.caller->scopes, route.scope)) return call.fail(Code::forbidden), false;
  // Administration is of the whole server: a key that is limited to one product must not see or change the others.
  const bool administers = route.scope == Scope::admin_read || route.scope == Scope::admin_write;
  if (administers && call.caller->product != 0) return call.fail(Code::forbidden), false;
  return true;
}

// The order of a request's way: route, (address lists and rate limits will stand here), identity and scope, handler.
void dispatch(App& app, http::Exchange& exchange) {
  const Match match = find_route(exchange.request());
  Call call(app, exchange, {match.route, make_request_id(exchange.request())});
  call.guard([&](Call& guarded) {
    if (match.route == &kNoRoute) {
      if (match.allow.empty()) return guarded.fail(Code::not_found);
      return guarded.fail(Failure{Code::method_not_allowed, {}, {}, 0, match.allow});
    }
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
