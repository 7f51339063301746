#include "api/admin.h"
#include "api/admin_view.h"
#include "api/json_document.h"
#include "api/query.h"
#include "base/encoding.h"

namespace lictor::api {
namespace {

namespace json = boost::json;
using licensing::Code;

constexpr std::string_view kNameRule = "must be 1-63 characters of [a-z0-9._-], the first a letter or digit";

std::string read_name(DocumentReader& reader) {
  const auto name = reader.text("name", 63, true);
  if (name && !service::is_resource_name(*name)) reader.fault("name", std::string(kNameRule));
  return name.value_or("");
}

store::Event created_event(std::string_view action, std::string subject, std::string_view name, base::UnixSeconds now) {
  store::Event event;
  event.at = now;
  event.action = action;
  event.subject = std::move(subject);
  event.detail = "{\"name\":" + base::json_string(name) + "}";
  return event;
}

// The members of a product but its name.
json::object settings_of(json::object document) {
  document.erase("name");
  return document;
}

}  // namespace

void handle_create_product(Call& call) {
  with_document(call, false, [&](const json::object& document) {
    DocumentReader reader(document);
    auto product = std::make_shared<store::Product>();
    product->name = read_name(reader);
    const json::object settings = settings_of(document);
    for (const auto& member : settings) reader.any(member.key());
    service::ProductSettings checked;
    reader.fault(service::apply_settings(settings, checked));
    if (const auto fault = reader.finish()) return call.fail(*fault);
    product->id = crypto::random_id();
    product->settings = json::serialize(settings);
    const auto added = std::make_shared<std::shared_ptr<const service::Product>>();
    auto job = std::make_unique<AdminCall>(
        call, [added](Call& again) { again.succeed(201, view_product(**added), "Product created"); });
    job->exists_message = "A product of this name exists already";
    job->work = [product](store::Tx& tx, base::UnixSeconds now, std::vector<store::Event>& events) {
      product->created_at = now;
      product->row = tx.insert_product(*product);
      events.push_back(
          created_event("product.created", base::format_id(base::kProductPrefix, product->id), product->name, now));
    };
    job->committed = [&app = call.app(), product, added] { *added = app.catalog.add(*product); };
    AdminCall::submit(call, std::move(job));
  });
}

void handle_list_products(Call& call) {
  std::vector<std::string> views;
  for (const auto& product : call.app().catalog.products()) views.push_back(view_product(*product));
  call.succeed(200, begin_list("products", views) + "}", "Products");
}

void handle_create_policy(Call& call) {
  with_document(call, false, [&](const json::object& document) {
    DocumentReader reader(document);
    auto policy = std::make_shared<store::Policy>();
    policy->name = read_name(reader);
    const auto product_name = reader.text("product", 63, true);
    const auto product = product_name ? call.app().catalog.product(*product_name) : nullptr;
    if (product_name && !product) reader.fault("product", "'" + *product_name + "' is not known");
    const json::object* terms = reader.object("terms");
    licensing::Terms checked;
    if (terms != nullptr) reader.fault(service::apply_terms(*terms, "terms", checked));
    if (const auto fault = reader.finish()) return call.fail(*fault);
    policy->id = crypto::random_id();
    policy->product = product->stored.row;
    policy->terms = terms == nullptr ? "{}" : json::serialize(*terms);
    const auto added = std::make_shared<std::shared_ptr<const service::Policy>>();
    auto job = std::make_unique<AdminCall>(
        call, [added](Call& again) { again.succeed(201, view_policy(**added), "Policy created"); });
    job->exists_message = "The product has a policy of this name already";
    job->work = [policy](store::Tx& tx, base::UnixSeconds now, std::vector<store::Event>& events) {
      policy->created_at = now;
      policy->row = tx.insert_policy(*policy);
      events.push_back(
          created_event("policy.created", base::format_id(base::kPolicyPrefix, policy->id), policy->name, now));
    };
    job->committed = [&app = call.app(), policy, added] { *added = app.catalog.add(*policy); };
    AdminCall::submit(call, std::move(job));
  });
}

void handle_list_policies(Call& call) {
  const Query query(call.request().query);
  if (const auto unknown = query.unknown({"product"})) {
    return call.fail(RequestFault{Code::bad_request, *unknown, "is no parameter of this call, or is there twice"});
  }
  const auto product = query.get("product");
  std::vector<std::string> views;
  for (const auto& policy : call.app().catalog.policies()) {
    if (!product || policy->product->stored.name == *product) views.push_back(view_policy(*policy));
  }
  call.succeed(200, begin_list("policies", views) + "}", "Policies");
}

}  // namespace lictor::api
