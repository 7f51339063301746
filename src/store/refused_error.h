// A database server was reached and takes this user, password or database for none: to wait for it is of no use.
#pragma once

#include "store/store.h"

namespace lictor::store {

class RefusedError final : public StoreError {  // of the kind connection_lost
 public:
  explicit RefusedError(const std::string& message) : StoreError(Kind::connection_lost, message) {}
};

}  // namespace lictor::store
