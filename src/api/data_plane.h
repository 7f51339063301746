// The calls of clients: see contract.md, section 3. Each reads parse → verify → decide (in memory, or in a batch) →
// render.
#pragma once

#include "api/call.h"

namespace lictor::api {

void handle_activate(Call& call);
void handle_validate(Call& call);
void handle_deactivate(Call& call);
void handle_usage(Call& call);
void handle_get_license(Call& call);
void handle_get_client(Call& call);

}  // namespace lictor::api
