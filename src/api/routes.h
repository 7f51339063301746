// The one table of routes, and the way of a request through it: route → identity → handler.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "api/app.h"
#include "api/call.h"
#include "api/fields.h"
#include "auth/scope.h"
#include "base/metrics.h"

namespace lictor::api {

struct Route {
  std::string_view method;
  std::string_view path;  // below the prefix; `{id}` stands for one segment
  auth::Scope scope;      // none: everybody may call
  void (*handle)(Call&);
  std::string_view endpoint;  // label of the metrics
  bool license_auth = false;  // the license key alone may do, where the product allows it
  // Administration: what it takes, in the body or (GET) the query, and what it does, for docs/http-api.md.
  std::span<const Field> fields = {};
  std::string_view summary = {};
  std::string_view answer = {};    // the data of a success
  std::size_t max_body_bytes = 0;  // more than the server's bound, for callers with the scope; 0: the bound holds

  // Whether those who are refused here are clients at work, so that somebody may ask why.
  bool keeps_refusals() const noexcept {
    return scope == auth::Scope::license_validate || scope == auth::Scope::license_activate ||
           scope == auth::Scope::usage_write;
  }
};

std::span<const Route> route_table();
std::vector<base::RouteLabel> route_labels();  // in the order of the table, then one for everything else
std::vector<std::string> failure_reasons();    // in the order of licensing::Code

// Sets call.caller, and call.path_id for the route's path. False: the call was answered with the refusal.
bool authenticate(Call& call);

// The bound of a body that is larger than the server's: the route's for callers who may call it, so that nobody else
// can fill the memory. Called on the I/O thread of that number.
std::size_t body_limit(App& app, const http::Request& request, unsigned io_thread, std::size_t standard);

// Answers the exchange, now or later.
void dispatch(App& app, http::Exchange& exchange);

// A request that never became one.
std::string render_protocol_error(http::ProtocolError error, std::string_view message);

}  // namespace lictor::api
