// The `data` of answers about one license (contract.md, section 3).
#pragma once

#include <string>
#include <string_view>

#include "service/job.h"

namespace lictor::api {

// Appends the members without braces. The client's part is there when the answer names one.
void append_license_data(std::string& out, const service::Answer& answer, std::string_view client_id);
// `,"name":123` or `,"name":null` for kNever.
void append_time(std::string& out, std::string_view name, base::UnixSeconds time);

}  // namespace lictor::api
