// The one table of routes, and the way of a request through it: route → identity → handler.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "api/app.h"
#include "api/call.h"
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
};

std::span<const Route> route_table();
std::vector<base::RouteLabel> route_labels();  // in the order of the table, then one for everything else
std::vector<std::string> failure_reasons();    // in the order of licensing::Code

// Sets call.caller, and call.path_id for the route's path. False: the call was answered with the refusal.
bool authenticate(Call& call);

// Answers the exchange, now or later.
void dispatch(App& app, http::Exchange& exchange);

// A request that never became one.
std::string render_protocol_error(http::ProtocolError error, std::string_view message);

}  // namespace lictor::api
