// What /metrics tells beside what requests count: queues, memory, the database, other replicas, connections.
#pragma once

#include "api/app.h"

namespace lictor::daemon {

// Both must outlive the metrics.
void register_metrics(api::App& app, const store::Store& store);

}  // namespace lictor::daemon
