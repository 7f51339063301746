// Products and policies.
#include "api/admin.h"
#include "api/admin_change.h"
#include "api/admin_license.h"
#include "api/admin_names.h"
#include "api/admin_view.h"
#include "base/encoding.h"

namespace lictor::api {
namespace {

namespace json = boost::json;
using licensing::Code;

std::optional<RequestFault> refuse_name(const Arguments& arguments) {
  if (service::is_resource_name(arguments.text_or("name"))) return std::nullopt;
  return RequestFault{Code::bad_request, "name", "must be 1-63 characters of [a-z0-9._-], the first a letter or digit"};
}

RequestFault fault_of(const base::Problem& problem) {
  return {problem.unknown_field ? Code::unknown_field : Code::bad_request, problem.field, problem.message};
}

std::string product_id(const store::Product& product) { return base::format_id(base::kProductPrefix, product.id); }
std::string policy_id(const store::Policy& policy) { return base::format_id(base::kPolicyPrefix, policy.id); }
std::string name_detail(std::string_view name) { return "{\"name\":" + base::json_string(name) + "}"; }

std::string product_etag(const App& app, const store::Product& product) {
  return make_etag(app, "product\n" + product.name + "\n" + product.settings);
}
std::string policy_etag(const App& app, const store::Policy& policy) {
  return make_etag(app, "policy\n" + policy.name + "\n" + policy.terms);
}

// By its name or its id.
std::shared_ptr<const service::Product> find_product(const Call& call) {
  if (const auto id = base::parse_id(base::kProductPrefix, call.path_id)) {
    for (const auto& product : call.app().catalog.products()) {
      if (product->stored.id == *id) return product;
    }
    return nullptr;
  }
  return call.app().catalog.product(call.path_id);
}

std::shared_ptr<const service::Policy> find_policy(const Call& call) {
  const auto id = base::parse_id(base::kPolicyPrefix, call.path_id);
  return id ? call.app().catalog.policy(*id) : nullptr;
}

// The settings with the members that were given in the place of what was.
json::object merged_settings(std::string_view stored, const Arguments& arguments) {
  json::object settings;
  if (!stored.empty()) settings = json::parse(json::string_view(stored.data(), stored.size())).as_object();
  for (const auto& member : arguments.members()) {
    if (member.key() != "name" && !member.value().is_null()) settings[member.key()] = member.value();
  }
  return settings;
}

Outcome change_product(Change& change, store::Row row, const Arguments& arguments) {
  const auto product = change.app.catalog.product(row);
  if (!product) return refused(Code::not_found);
  if (auto failure = change.refuse_stale(product_etag(change.app, product->stored))) return refused(*failure);
  const json::object settings = merged_settings(product->stored.settings, arguments);
  service::ProductSettings checked;
  if (const auto problem = service::apply_settings(settings, checked)) return refused(fault_of(*problem));
  store::Product changed = product->stored;
  changed.settings = json::serialize(settings);
  if (changed.settings != product->stored.settings) {
    change.tx.update_product_settings(row, changed.settings);
    ChangedMembers members;
    members.add("settings", product->stored.settings, changed.settings);
    change.record("product.changed", product_id(changed), members.detail({}));
    change.after_commit([&app = change.app, changed] {
      const auto replacements = app.catalog.replace(changed);
      app.cache.begin_publish();
      app.cache.replace_terms(replacements);
    });
  }
  Outcome outcome;
  outcome.data = view_product({changed, checked});
  outcome.message = "Product changed";
  outcome.etag = product_etag(change.app, changed);
  return outcome;
}

Outcome change_policy(Change& change, const base::Id& id, const Arguments& arguments) {
  const auto policy = change.app.catalog.policy(id);
  if (!policy) return refused(Code::not_found);
  if (auto failure = change.refuse_stale(policy_etag(change.app, policy->stored))) return refused(*failure);
  std::optional<RequestFault> fault;
  const auto terms =
      change_terms(policy->stored.terms, {arguments.object("terms"), arguments.array("unset")}, "terms", fault);
  if (!terms) return refused(*fault);
  store::Policy changed = policy->stored;
  changed.terms = terms->empty() ? "{}" : *terms;
  if (changed.terms != policy->stored.terms) {
    change.tx.update_policy_terms(changed.row, changed.terms);
    ChangedMembers members;
    members.add("terms", policy->stored.terms, changed.terms);
    change.record("policy.changed", policy_id(changed), members.detail({}));
    change.after_commit([&app = change.app, changed] {
      const auto replacements = app.catalog.replace(changed);
      app.cache.begin_publish();
      app.cache.replace_terms(replacements);
    });
  }
  Outcome outcome;
  outcome.data = view_policy({changed, policy->product});
  outcome.message = "Policy changed";
  outcome.etag = policy_etag(change.app, changed);
  return outcome;
}

Outcome deleted(std::string id, std::string_view message) {
  Outcome outcome;
  outcome.data = "{\"id\":\"" + id + "\",\"deleted\":true}";
  outcome.message = message;
  return outcome;
}

}  // namespace

void handle_create_product(Call& call) {
  const auto arguments = read_arguments(call);
  if (!arguments) return;
  if (const auto fault = refuse_name(*arguments)) return call.fail(*fault);
  store::Product product;
  product.name = arguments->text_or("name");
  const json::object settings = merged_settings({}, *arguments);
  service::ProductSettings checked;
  if (const auto problem = service::apply_settings(settings, checked)) return call.fail(fault_of(*problem));
  product.id = crypto::random_id();
  product.settings = json::serialize(settings);
  const auto work = [product, checked](Change& change) {
    store::Product added = product;
    added.created_at = change.now;
    added.row = change.tx.insert_product(added);
    change.record("product.created", product_id(added), name_detail(added.name));
    change.after_commit([&app = change.app, added] { app.catalog.add(added); });
    Outcome outcome;
    outcome.status = 201;
    outcome.data = view_product({added, checked});
    outcome.message = "Product created";
    outcome.etag = product_etag(change.app, added);
    return outcome;
  };
  submit_change(call, work, {.exists = "A product of this name exists already", .in_use = {}});
}

void handle_list_products(Call& call) {
  if (!read_arguments(call)) return;
  std::vector<std::string> views;
  for (const auto& product : call.app().catalog.products()) views.push_back(view_product(*product));
  call.succeed(200, begin_list("products", views) + "}", "Products");
}

void handle_show_product(Call& call) {
  if (!read_arguments(call)) return;
  const auto product = find_product(call);
  if (!product) return call.fail(Code::not_found);
  call.set_header("ETag", product_etag(call.app(), product->stored));
  call.succeed(200, view_product(*product), "Product found");
}

void handle_change_product(Call& call) {
  const auto arguments = read_arguments(call);
  if (!arguments) return;
  const auto product = find_product(call);
  if (!product) return call.fail(Code::not_found);
  submit_change(call, [row = product->stored.row, arguments = *arguments](Change& change) {
    return change_product(change, row, arguments);
  });
}

void handle_delete_product(Call& call) {
  if (!read_arguments(call)) return;
  const auto found = find_product(call);
  if (!found) return call.fail(Code::not_found);
  const auto work = [row = found->stored.row](Change& change) {
    const auto product = change.app.catalog.product(row);
    if (!product) return refused(Code::not_found);
    if (auto failure = change.refuse_stale(product_etag(change.app, product->stored))) return refused(*failure);
    change.tx.delete_product(row);
    change.record("product.deleted", product_id(product->stored), name_detail(product->stored.name));
    change.after_commit([&app = change.app, row] { app.catalog.remove_product(row); });
    return deleted(product_id(product->stored), "Product deleted");
  };
  submit_change(
      call, work,
      {.exists = {}, .in_use = "The product has policies or API keys that are not revoked: it can't be deleted"});
}

void handle_create_policy(Call& call) {
  const auto arguments = read_arguments(call);
  if (!arguments) return;
  if (const auto fault = refuse_name(*arguments)) return call.fail(*fault);
  std::optional<RequestFault> fault;
  const auto product = named_product(call.app(), arguments->text_or("product"), fault);
  if (!product) return call.fail(*fault);
  const json::object* terms = arguments->object("terms");
  licensing::Terms checked;
  if (terms != nullptr) {
    if (const auto problem = service::apply_terms(*terms, "terms", checked)) return call.fail(fault_of(*problem));
  }
  store::Policy policy;
  policy.id = crypto::random_id();
  policy.name = arguments->text_or("name");
  policy.product = product->stored.row;
  policy.terms = terms == nullptr ? "{}" : json::serialize(*terms);
  const auto work = [policy](Change& change) {
    const auto owner = change.app.catalog.product(policy.product);
    if (!owner) return refused(RequestFault{Code::bad_request, "product", "was deleted"});
    store::Policy added = policy;
    added.created_at = change.now;
    added.row = change.tx.insert_policy(added);
    change.record("policy.created", policy_id(added), name_detail(added.name));
    change.after_commit([&app = change.app, added] { app.catalog.add(added); });
    Outcome outcome;
    outcome.status = 201;
    outcome.data = view_policy({added, owner});
    outcome.message = "Policy created";
    outcome.etag = policy_etag(change.app, added);
    return outcome;
  };
  submit_change(call, work, {.exists = "The product has a policy of this name already", .in_use = {}});
}

void handle_list_policies(Call& call) {
  const auto arguments = read_arguments(call);
  if (!arguments) return;
  store::Row product = 0;  // all
  if (const auto fault = read_product(call.app(), *arguments, product)) return call.fail(*fault);
  std::vector<std::string> views;
  for (const auto& policy : call.app().catalog.policies()) {
    if (product == 0 || policy->stored.product == product) views.push_back(view_policy(*policy));
  }
  call.succeed(200, begin_list("policies", views) + "}", "Policies");
}

void handle_show_policy(Call& call) {
  if (!read_arguments(call)) return;
  const auto policy = find_policy(call);
  if (!policy) return call.fail(Code::not_found);
  call.set_header("ETag", policy_etag(call.app(), policy->stored));
  call.succeed(200, view_policy(*policy), "Policy found");
}

void handle_change_policy(Call& call) {
  const auto arguments = read_arguments(call);
  if (!arguments) return;
  const auto policy = find_policy(call);
  if (!policy) return call.fail(Code::not_found);
  submit_change(call, [id = policy->stored.id, arguments = *arguments](Change& change) {
    return change_policy(change, id, arguments);
  });
}

void handle_delete_policy(Call& call) {
  if (!read_arguments(call)) return;
  const auto found = find_policy(call);
  if (!found) return call.fail(Code::not_found);
  const auto work = [id = found->stored.id](Change& change) {
    const auto policy = change.app.catalog.policy(id);
    if (!policy) return refused(Code::not_found);
    if (auto failure = change.refuse_stale(policy_etag(change.app, policy->stored))) return refused(*failure);
    change.tx.delete_policy(policy->stored.row);
    change.record("policy.deleted", policy_id(policy->stored), name_detail(policy->stored.name));
    change.after_commit([&app = change.app, row = policy->stored.row] { app.catalog.remove_policy(row); });
    return deleted(policy_id(policy->stored), "Policy deleted");
  };
  submit_change(call, work, {.exists = {}, .in_use = "There are licenses of this policy: it can't be deleted"});
}

}  // namespace lictor::api
