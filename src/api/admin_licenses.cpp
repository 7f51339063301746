// Licenses: issue, show, list.
#include <fmt/format.h>

#include "api/admin.h"
#include "api/admin_license.h"
#include "api/admin_list.h"
#include "api/admin_names.h"
#include "api/admin_view.h"
#include "api/signed_request.h"
#include "base/encoding.h"
#include "licensing/license_key.h"

namespace lictor::api {
namespace {

namespace json = boost::json;
using licensing::Code;

struct Order {  // licenses to be issued
  base::Id policy;
  std::int64_t count = 1;
  std::optional<std::string> key;
  std::string holder;
  std::optional<std::int64_t> starts_at, expires_at;
  std::string overrides;
};

std::optional<RequestFault> read_order(App& app, const Arguments& arguments, Order& order) {
  std::optional<RequestFault> fault;
  const auto product = named_product(app, arguments.text_or("product"), fault);
  if (!product) return fault;
  const auto policy = named_policy(app, *product, arguments.text_or("policy"), fault);
  if (!policy) return fault;
  order.policy = policy->stored.id;
  order.count = arguments.integer("count").value_or(1);
  if (const auto key = arguments.text("license_key")) {
    const auto normal = licensing::normalize_license_key(*key);
    if (!normal) return bad_request("license_key", "must be 4 to 64 characters of [A-Z0-9-]");
    if (order.count != 1) return bad_request("count", "must be 1 when license_key is given");
    order.key = std::string(normal->view());
  }
  order.holder = arguments.text_or("holder");
  order.starts_at = arguments.integer("starts_at");
  order.expires_at = arguments.integer("expires_at");
  if (order.expires_at && *order.expires_at <= order.starts_at.value_or(app.clock.now()))
    return bad_request("expires_at", order.starts_at ? "must be after starts_at" : "must be in the future");
  const auto overrides = change_terms({}, {arguments.object("overrides"), nullptr}, "overrides", fault);
  if (!overrides) return fault;
  order.overrides = *overrides;
  return std::nullopt;
}

store::NewLicense make_license(const App& app, const Order& order, store::Row policy, const licensing::Terms& terms,
                               base::UnixSeconds now) {
  store::NewLicense license;
  license.id = crypto::random_id();
  license.key = order.key ? *order.key : new_license_key();
  license.key_digest = app.key_digest(license.key);
  license.policy = policy;
  license.overrides = order.overrides;
  license.holder = order.holder;
  license.state = licensing::issue(terms, now, order.starts_at, order.expires_at);
  return license;
}

Outcome issue(Change& change, const Order& order) {
  const auto policy = change.app.catalog.policy(order.policy);
  if (!policy) return refused(bad_request("policy", "was deleted"));
  const auto terms = change.app.catalog.terms(policy->stored.row, order.overrides);
  const std::string detail =
      fmt::format(R"({{"product":{},"policy":{}}})", base::json_string(policy->product->stored.name),
                  base::json_string(policy->stored.name));
  std::vector<store::NewLicense> issued;
  issued.reserve(static_cast<std::size_t>(order.count));
  for (std::int64_t i = 0; i < order.count; ++i)
    issued.push_back(make_license(change.app, order, policy->stored.row, terms->terms, change.now));
  change.tx.insert_licenses(issued);
  Outcome outcome;
  outcome.status = 201;
  outcome.message = "Licenses issued";
  outcome.data = "{\"licenses\":[";
  const LicenseViewer viewer(change.app);
  for (const store::NewLicense& license : issued) {
    change.record("license.issued", base::format_id(base::kLicensePrefix, license.id), detail);
    if (outcome.data.back() != '[') outcome.data += ',';
    viewer.append(outcome.data, details_of(license), change.now);
  }
  outcome.data += "]}";
  return outcome;
}

void show(Call& call, const store::LicenseRef& ref, Code missing) {
  ReadCall::submit(call, [&app = call.app(), ref, missing](store::Reader& reader) -> ReadCall::Reply {
    return [details = reader.license_details(ref, app.clock.now()), missing](Call& again) {
      if (!details) return again.fail(missing);
      again.set_header("ETag", license_etag(again.app(), *details));
      again.succeed(200, view_license(again.app(), *details, again.app().clock.now()), "License found");
    };
  });
}

// ---- list ----

bool is_status(std::string_view wanted, App& app, const store::LicenseRow& license, base::UnixSeconds now) {
  const auto terms = app.catalog.terms(license.policy, license.overrides);
  return licensing::status_text(license.state, terms->terms, now) == wanted;
}

// The status of now: the database knows two of them, the rest follows from times and terms.
void filter_by_status(App& app, const std::string& status, base::UnixSeconds now, store::LicenseFilter& filter) {
  using licensing::LicenseStatus;
  if (status.empty()) return;
  filter.status = status == "suspended" ? LicenseStatus::suspended
                  : status == "revoked" ? LicenseStatus::revoked
                                        : LicenseStatus::active;
  if (*filter.status != LicenseStatus::active) return;
  filter.keep = [&app, status, now](const store::LicenseRow& license) { return is_status(status, app, license, now); };
  // What has not expired can't be expired: the index takes it out.
  const bool is_over = status == "expired" || status == "grace";
  if (is_over && (!filter.expires_before || *filter.expires_before > now)) filter.expires_before = now + 1;
}

store::LicenseOrder order_of(const Arguments& arguments) {
  using store::LicenseOrder;
  const std::string status = arguments.text_or("status");
  const bool by_expiry = status == "expired" || status == "grace" || arguments.integer("expires_after") ||
                         arguments.integer("expires_before");
  const bool by_holder = arguments.text("holder_prefix").has_value();
  const std::string sort = arguments.text_or("sort", by_expiry ? "expires" : by_holder ? "issued" : "-issued");
  return sort == "issued"    ? LicenseOrder::oldest
         : sort == "-issued" ? LicenseOrder::newest
         : sort == "expires" ? LicenseOrder::expires
                             : LicenseOrder::expires_last;
}

}  // namespace

void handle_create_licenses(Call& call) {
  const auto arguments = read_arguments(call);
  if (!arguments) return;
  Order order;
  if (const auto fault = read_order(call.app(), *arguments, order)) return call.fail(*fault);
  submit_change(call, [order](Change& change) { return issue(change, order); },
                {.exists = "A license with this key exists already", .in_use = {}});
}

void handle_list_licenses(Call& call) {
  const auto arguments = read_arguments(call);
  if (!arguments) return;
  App& app = call.app();
  store::LicenseFilter filter;
  if (const auto fault = read_owner(app, *arguments, filter)) return call.fail(*fault);
  filter.holder = arguments->text_or("holder");
  filter.holder_prefix = arguments->text_or("holder_prefix");
  filter.issued_after = arguments->integer("issued_after");
  filter.issued_before = arguments->integer("issued_before");
  filter.expires_after = arguments->integer("expires_after");
  filter.expires_before = arguments->integer("expires_before");
  filter_by_status(app, arguments->text_or("status"), app.clock.now(), filter);
  const auto order = order_of(*arguments);
  std::optional<store::Position> after;
  if (const auto fault = read_position(*arguments, after)) return call.fail(*fault);
  const auto limit = static_cast<std::size_t>(arguments->integer("limit").value_or(50));
  ReadCall::submit(call, [&app, filter, order, after, limit](store::Reader& reader) -> ReadCall::Reply {
    const base::UnixSeconds now = app.clock.now();
    const store::LicensePage page = reader.licenses(filter, order, after, limit, now);
    std::string data = "{\"licenses\":[";
    const LicenseViewer viewer(app);
    for (const auto& license : page.licenses) {
      if (data.back() != '[') data += ',';
      viewer.append(data, license, now);
    }
    append_next(data += ']', page.next);
    return [data = std::move(data)](Call& again) { again.succeed(200, data, "Licenses"); };
  });
}

void handle_lookup_license(Call& call) {
  const auto arguments = read_arguments(call);
  if (!arguments) return;
  const auto ref = ref_of_key(call.app(), arguments->text_or("license_key"));
  ref ? show(call, *ref, Code::license_key_invalid) : call.fail(Code::license_key_invalid);
}

void handle_show_license(Call& call) {
  if (!read_arguments(call)) return;
  const auto ref = ref_of_id(call.path_id);
  ref ? show(call, *ref, Code::not_found) : call.fail(Code::not_found);
}

}  // namespace lictor::api
