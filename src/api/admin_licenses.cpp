#include "api/admin.h"
#include "api/admin_view.h"
#include "api/json_document.h"
#include "api/query.h"
#include "api/routes.h"
#include "api/signed_request.h"
#include "base/encoding.h"
#include "licensing/license_key.h"

namespace lictor::api {
namespace {

namespace json = boost::json;
using licensing::Code;

constexpr std::int64_t kMaxCount = 1000;
constexpr std::size_t kMaxHolder = 256;
constexpr std::int64_t kMaxStart = 4294967294;   // 2106
constexpr std::int64_t kMaxTime = 253402300799;  // the end of year 9999

struct Order {  // licenses to be issued
  std::shared_ptr<const service::Policy> policy;
  std::int64_t count = 1;
  std::optional<std::string> key;
  std::string holder;
  std::optional<std::int64_t> starts_at, expires_at;
  std::string overrides;
};

std::optional<RequestFault> read_order(App& app, const json::object& document, Order& order) {
  DocumentReader reader(document);
  const auto product_name = reader.text("product", 63, true);
  const auto policy_name = reader.text("policy", 63, true);
  const auto product = product_name ? app.catalog.product(*product_name) : nullptr;
  if (product_name && !product) reader.fault("product", "'" + *product_name + "' is not known");
  if (product && policy_name) order.policy = app.catalog.policy(product->stored.row, *policy_name);
  if (product && policy_name && !order.policy)
    reader.fault("policy", "'" + *policy_name + "' is no policy of this product");
  order.count = reader.integer("count", 1, kMaxCount).value_or(1);
  if (const auto key = reader.text("license_key", 128)) {
    const auto normal = licensing::normalize_license_key(*key);
    if (normal) order.key = std::string(normal->view());
    if (!normal) reader.fault("license_key", "must be 4 to 64 characters of [A-Z0-9-]");
    if (order.count != 1) reader.fault("count", "must be 1 when license_key is given");
  }
  order.holder = reader.text("holder", kMaxHolder).value_or("");
  order.starts_at = reader.integer("starts_at", 0, kMaxStart);
  order.expires_at = reader.integer("expires_at", 1, kMaxTime);
  if (order.expires_at && order.starts_at && *order.expires_at <= *order.starts_at) {
    reader.fault("expires_at", "must be after starts_at");
  }
  if (const json::object* overrides = reader.object("overrides"); overrides != nullptr && !overrides->empty()) {
    licensing::Terms terms;
    reader.fault(service::apply_terms(*overrides, "overrides", terms));
    order.overrides = json::serialize(*overrides);
  }
  return reader.finish();
}

store::NewLicense make_license(const App& app, const Order& order, const licensing::Terms& terms,
                               base::UnixSeconds now) {
  store::NewLicense license;
  license.id = crypto::random_id();
  if (order.key) {
    license.key = *order.key;
  } else {
    std::array<std::uint8_t, licensing::kLicenseKeyRandomSymbols> random;
    crypto::random_bytes(random);
    license.key = licensing::make_license_key(random);
  }
  license.key_digest = app.key_digest(license.key);
  license.policy = order.policy->stored.row;
  license.overrides = order.overrides;
  license.holder = order.holder;
  license.state = licensing::issue(terms, now, order.starts_at, order.expires_at);
  return license;
}

store::LicenseDetails details_of(const store::NewLicense& license) {
  store::LicenseDetails details;
  details.license.id = license.id;
  details.license.policy = license.policy;
  details.license.overrides = license.overrides;
  details.license.state = license.state;
  details.key = license.key;
  details.holder = license.holder;
  return details;
}

store::Event issued_event(const store::NewLicense& license, const service::Policy& policy, base::UnixSeconds now) {
  store::Event event;
  event.at = now;
  event.action = "license.issued";
  event.subject = base::format_id(base::kLicensePrefix, license.id);
  event.detail = "{\"product\":" + base::json_string(policy.product->stored.name) +
                 ",\"policy\":" + base::json_string(policy.stored.name) + "}";
  return event;
}

void issue(Call& call, const Order& order) {
  const auto issued = std::make_shared<std::vector<store::NewLicense>>();
  auto job = std::make_unique<AdminCall>(call, [issued](Call& again) {
    std::vector<std::string> views;
    for (const auto& license : *issued)
      views.push_back(view_license(again.app(), details_of(license), again.app().clock.now()));
    again.succeed(201, begin_list("licenses", views) + "}", "Licenses issued");
  });
  job->exists_message = "A license with this key exists already";
  job->work = [&app = call.app(), order, issued](store::Tx& tx, base::UnixSeconds now,
                                                 std::vector<store::Event>& events) {
    const auto terms = app.catalog.terms(order.policy->stored.row, order.overrides);
    issued->clear();
    for (std::int64_t i = 0; i < order.count; ++i) issued->push_back(make_license(app, order, terms->terms, now));
    tx.insert_licenses(*issued);
    for (const auto& license : *issued) events.push_back(issued_event(license, *order.policy, now));
  };
  AdminCall::submit(call, std::move(job));
}

// A cursor is the number of the last row seen; callers must not look into it.
constexpr std::int64_t kMaxPage = 500;
constexpr std::int64_t kStandardPage = 50;

std::optional<RequestFault> read_filter(const App& app, const Query& query, store::LicenseFilter& filter) {
  constexpr std::pair<std::string_view, licensing::LicenseStatus> kStatuses[] = {
      {"active", licensing::LicenseStatus::active},
      {"suspended", licensing::LicenseStatus::suspended},
      {"revoked", licensing::LicenseStatus::revoked}};
  const auto fault = [](std::string_view field, std::string message) {
    return RequestFault{Code::bad_request, std::string(field), std::move(message)};
  };
  if (const auto name = query.get("product")) {
    const auto product = app.catalog.product(*name);
    if (!product) return fault("product", "'" + *name + "' is not known");
    filter.product = product->stored.row;
  }
  if (const auto name = query.get("policy")) {
    const auto policy = filter.product == 0 ? nullptr : app.catalog.policy(filter.product, *name);
    if (!policy) return fault("policy", "must be a policy of the product that 'product' names");
    filter.policy = policy->stored.row;
  }
  if (const auto name = query.get("status")) {
    for (const auto& [text, status] : kStatuses) {
      if (text == *name) filter.status = status;
    }
    if (!filter.status) return fault("status", "must be active, suspended or revoked");
  }
  filter.holder = query.get("holder").value_or("");
  return std::nullopt;
}

void show(Call& call, const store::LicenseRef& ref, Code missing = Code::not_found,
          std::string_view message = "License found") {
  ReadCall::submit(call, [&app = call.app(), ref, missing, message](store::Reader& reader) -> ReadCall::Reply {
    return [details = reader.license_details(ref, app.clock.now()), missing, message](Call& again) {
      if (!details) return again.fail(missing);
      again.succeed(200, view_license(again.app(), *details, again.app().clock.now()), message);
    };
  });
}

void reply_status(Call& call, LicenseCall& job) {
  if (job.answer.denial) {
    const bool unknown = job.answer.denial->code == Code::license_key_invalid;
    return unknown ? call.fail(Code::not_found) : call.fail(describe(*job.answer.denial));
  }
  call.app().log.info("license.changed", "License changed",
                      {{"license_id", base::format_id(base::kLicensePrefix, job.answer.license_id)},
                       {"endpoint", call.route().endpoint},
                       {"request_id", call.request_id()}});
  const std::string_view path = call.route().path;
  const std::string_view message = path.ends_with("/suspend")  ? "License suspended"
                                   : path.ends_with("/resume") ? "License resumed"
                                                               : "License revoked";
  show(call, job.ref, Code::not_found, message);
}

void change_status(Call& call, licensing::StatusCommand command) {
  with_document(call, true, [&](const json::object& document) {
    DocumentReader reader(document);
    const auto reason = reader.text("reason", 512);
    if (const auto fault = reader.finish()) return call.fail(*fault);
    const auto ref = ref_of_id(call.path_id);
    if (!ref) return call.fail(Code::not_found);
    auto job = std::make_unique<LicenseCall>(call, reply_status);
    job->ref = *ref;
    job->access.is_signed = true;  // a product's rule for clients does not bind its administrator
    job->command = service::StatusInput{command, reason.value_or("")};
    LicenseCall::submit(call, std::move(job), service::Urgency::renewal);
  });
}

}  // namespace

void handle_create_licenses(Call& call) {
  with_document(call, false, [&](const json::object& document) {
    Order order;
    if (const auto fault = read_order(call.app(), document, order)) return call.fail(*fault);
    issue(call, order);
  });
}

void handle_list_licenses(Call& call) {
  const Query query(call.request().query);
  const auto refuse = [&](std::string_view field, std::string message) {
    call.fail(RequestFault{Code::bad_request, std::string(field), std::move(message)});
  };
  if (const auto unknown = query.unknown({"product", "policy", "status", "holder", "limit", "cursor"})) {
    return refuse(*unknown, "is no parameter of this call, or is there twice");
  }
  store::LicenseFilter filter;
  if (const auto fault = read_filter(call.app(), query, filter)) return call.fail(*fault);
  const auto limit = query.number("limit", kStandardPage, 1, kMaxPage);
  const auto before = query.number("cursor", 0, 1, licensing::kNever);
  if (!limit) return refuse("limit", "must be a whole number from 1 to 500");
  if (!before) return refuse("cursor", "must be a next_cursor of an earlier answer");
  ReadCall::submit(call, [&app = call.app(), filter, limit, before](store::Reader& reader) -> ReadCall::Reply {
    return [rows = reader.licenses(filter, *before, static_cast<std::size_t>(*limit), app.clock.now()),
            limit](Call& again) {
      std::vector<std::string> views;
      for (const auto& row : rows) views.push_back(view_license(again.app(), row, again.app().clock.now()));
      const bool more = rows.size() == static_cast<std::size_t>(*limit);
      const std::string next = more ? "\"" + std::to_string(rows.back().license.row) + "\"" : "null";
      again.succeed(200, begin_list("licenses", views) + ",\"next_cursor\":" + next + "}", "Licenses");
    };
  });
}

void handle_lookup_license(Call& call) {
  with_document(call, false, [&](const json::object& document) {
    DocumentReader reader(document);
    const auto key = reader.text("license_key", 128, true);
    if (const auto fault = reader.finish()) return call.fail(*fault);
    const auto ref = ref_of_key(call.app(), *key);
    ref ? show(call, *ref, Code::license_key_invalid) : call.fail(Code::license_key_invalid);
  });
}

void handle_show_license(Call& call) {
  const auto ref = ref_of_id(call.path_id);
  ref ? show(call, *ref) : call.fail(Code::not_found);
}

void handle_list_clients(Call& call) {
  const Query query(call.request().query);
  const auto refuse = [&](std::string_view field, std::string message) {
    call.fail(RequestFault{Code::bad_request, std::string(field), std::move(message)});
  };
  if (const auto unknown = query.unknown({"limit", "cursor"}))
    return refuse(*unknown, "is no parameter of this call, or is there twice");
  const auto ref = ref_of_id(call.path_id);
  if (!ref) return call.fail(Code::not_found);
  const auto limit = query.number("limit", kStandardPage, 1, kMaxPage);
  if (!limit) return refuse("limit", "must be a whole number from 1 to 500");
  const std::string after = query.get("cursor").value_or("");
  ReadCall::submit(call,
                   [&app = call.app(), ref = *ref, limit = static_cast<std::size_t>(*limit),
                    after](store::Reader& reader) -> ReadCall::Reply {
                     const auto license = reader.license(ref, std::nullopt, app.clock.now());
                     if (!license) return [](Call& again) { again.fail(Code::not_found); };
                     return [rows = reader.clients(license->license.row, after, limit), limit](Call& again) {
                       std::vector<std::string> views;
                       for (const auto& row : rows) views.push_back(view_client(row));
                       const std::string next =
                           rows.size() == limit ? base::json_string(rows.back().client_id) : "null";
                       again.succeed(200, begin_list("clients", views) + ",\"next_cursor\":" + next + "}", "Clients");
                     };
                   });
}

void handle_suspend(Call& call) { change_status(call, licensing::StatusCommand::suspend); }
void handle_resume(Call& call) { change_status(call, licensing::StatusCommand::resume); }
void handle_revoke(Call& call) { change_status(call, licensing::StatusCommand::revoke); }

}  // namespace lictor::api
