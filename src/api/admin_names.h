// Products and policies by the names that a request gives. What is not there is answered with the nearest name, or with
// what there is: for callers with an admin scope only, to whom those are no secret.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "api/call.h"
#include "api/fields.h"

namespace lictor::api {

using ProductPtr = std::shared_ptr<const service::Product>;
using PolicyPtr = std::shared_ptr<const service::Policy>;

// Nothing: there is none, and `fault` says so of the member `product` or `policy`.
ProductPtr named_product(const App& app, std::string_view name, std::optional<RequestFault>& fault);
PolicyPtr named_policy(const App& app, const service::Product& product, std::string_view name,
                       std::optional<RequestFault>& fault);

// The same for many rows: what was said of a pair of names is remembered, and beyond a hundred such pairs nothing is
// suggested, so that rows at fault cost little. Not thread-safe.
class PolicyNames {
 public:
  explicit PolicyNames(const App& app) : app_(app) {}
  PolicyPtr find(const std::string& product, const std::string& policy, std::optional<RequestFault>& fault);

 private:
  const App& app_;
  std::map<std::pair<std::string, std::string>, RequestFault> faults_;
};

// `product` and `policy` of a query, the rows of what they name.
std::optional<RequestFault> read_product(const App& app, const Arguments& arguments, store::Row& product);
std::optional<RequestFault> read_owner(const App& app, const Arguments& arguments, store::LicenseFilter& filter);

}  // namespace lictor::api
