#include "api/admin_names.h"

#include <fmt/format.h>

#include <span>
#include <string>
#include <vector>

#include "base/suggest.h"

namespace lictor::api {
namespace {

constexpr std::size_t kMostListed = 5;
constexpr std::size_t kMostFaultsSaid = 100;  // of one import with a suggestion

// "a, b and 7 more"
std::string listed(std::span<const std::string_view> names) {
  const std::size_t shown = names.size() == kMostListed + 1 ? names.size() : std::min(names.size(), kMostListed);
  std::string text = fmt::format("{}", fmt::join(names.first(shown), ", "));
  if (shown < names.size()) text += fmt::format(" and {} more", names.size() - shown);
  return text;
}

// "; did you mean demo?", or "; there are: a, b". `none` when there is nothing to name.
std::string way_out(std::string_view name, std::span<const std::string_view> names, std::string_view have,
                    std::string_view none) {
  if (names.empty()) return fmt::format("; {}", none);
  const std::string near = base::suggestion(name, names);
  return near.empty() ? fmt::format("; {} {}", have, listed(names)) : near;
}

// What follows on a name that is not there; `product`: whose policy it was to be.
using WayOut = std::string (*)(const App& app, const service::Product* product, std::string_view name);

std::string nothing(const App&, const service::Product*, std::string_view) { return {}; }

std::string near_product(const App& app, const service::Product*, std::string_view name) {
  const auto products = app.catalog.products();
  std::vector<std::string_view> names;
  for (const auto& product : products) names.push_back(product->stored.name);
  return way_out(name, names, "the products are", "there is no product yet");
}

std::string near_policy(const App& app, const service::Product* product, std::string_view name) {
  const auto policies = app.catalog.policies();
  std::vector<std::string_view> names;
  for (const auto& policy : policies) {
    if (policy->stored.product == product->stored.row) names.push_back(policy->stored.name);
  }
  return way_out(name, names, "its policies are", "it has no policy yet");
}

ProductPtr find_product(const App& app, std::string_view name, std::optional<RequestFault>& fault, WayOut way) {
  auto product = app.catalog.product(name);
  if (!product) fault = bad_request("product", fmt::format("'{}' is not known{}", name, way(app, nullptr, name)));
  return product;
}

PolicyPtr find_policy(const App& app, const service::Product& product, std::string_view name,
                      std::optional<RequestFault>& fault, WayOut way) {
  auto policy = app.catalog.policy(product.stored.row, name);
  if (!policy) {
    fault = bad_request("policy", fmt::format("'{}' is no policy of product '{}'{}", name, product.stored.name,
                                              way(app, &product, name)));
  }
  return policy;
}

}  // namespace

ProductPtr named_product(const App& app, std::string_view name, std::optional<RequestFault>& fault) {
  return find_product(app, name, fault, near_product);
}

PolicyPtr named_policy(const App& app, const service::Product& product, std::string_view name,
                       std::optional<RequestFault>& fault) {
  return find_policy(app, product, name, fault, near_policy);
}

PolicyPtr PolicyNames::find(const std::string& product, const std::string& policy, std::optional<RequestFault>& fault) {
  const auto said = faults_.find({product, policy});
  if (said != faults_.end()) {
    fault = said->second;
    return nullptr;
  }
  const bool suggests = faults_.size() < kMostFaultsSaid;
  const auto owner = find_product(app_, product, fault, suggests ? near_product : nothing);
  auto found = owner ? find_policy(app_, *owner, policy, fault, suggests ? near_policy : nothing) : nullptr;
  if (fault && suggests) faults_.emplace(std::pair(product, policy), *fault);
  return found;
}

std::optional<RequestFault> read_product(const App& app, const Arguments& arguments, store::Row& product) {
  const auto name = arguments.text("product");
  if (!name) return std::nullopt;
  std::optional<RequestFault> fault;
  if (const auto found = named_product(app, *name, fault)) product = found->stored.row;
  return fault;
}

std::optional<RequestFault> read_owner(const App& app, const Arguments& arguments, store::LicenseFilter& filter) {
  if (auto fault = read_product(app, arguments, filter.product)) return fault;
  const auto name = arguments.text("policy");
  if (!name) return std::nullopt;
  const auto product = filter.product == 0 ? nullptr : app.catalog.product(filter.product);
  if (!product)
    return bad_request("policy", "needs 'product' beside it: policies of several products may have one name");
  std::optional<RequestFault> fault;
  if (const auto policy = named_policy(app, *product, *name, fault)) filter.policy = policy->stored.row;
  return fault;
}

}  // namespace lictor::api
