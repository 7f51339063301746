#pragma once

#include <functional>

#include "store/store.h"

namespace lictor::service {

// Runs work in a transaction of the write path; false: it was not committed.
using WriteFunction = std::function<bool(const std::function<void(store::Tx&)>&)>;

}  // namespace lictor::service
