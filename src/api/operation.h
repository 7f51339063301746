// /health, /ready, /metrics and the status for administrators.
#pragma once

#include "api/call.h"

namespace lictor::api {

void handle_health(Call& call);
void handle_ready(Call& call);
void handle_metrics(Call& call);
void handle_status(Call& call);

}  // namespace lictor::api
