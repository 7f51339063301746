#include "api/admin_view.h"

#include <fmt/format.h>

#include "api/license_data.h"
#include "base/encoding.h"

namespace lictor::api {
namespace {

using base::json_string;

std::string text_or_null(std::string_view text) { return text.empty() ? "null" : json_string(text); }
std::string_view bool_text(bool value) { return value ? "true" : "false"; }

std::string_view product_name(const App& app, store::Row row) {
  static const std::string kNone;
  const auto product = row == 0 ? nullptr : app.catalog.product(row);
  return product ? std::string_view(product->stored.name) : std::string_view(kNone);
}

std::string bound_classes(const licensing::Fingerprint& fingerprint) {
  using Kind = licensing::Fingerprint::Kind;
  if (fingerprint.kind == Kind::absent) return "[]";
  if (fingerprint.kind == Kind::opaque) return R"(["hardware_fingerprint"])";
  std::string classes;
  for (const auto& row : licensing::kComponents) {
    if ((fingerprint.mask & licensing::bit_of(row.component)) != 0)
      classes += (classes.empty() ? "" : ",") + json_string(row.name);
  }
  return "[" + classes + "]";
}

std::string scope_list(std::string_view scopes) {
  std::string list;
  while (!scopes.empty()) {
    const std::string_view scope = scopes.substr(0, scopes.find(' '));
    scopes.remove_prefix(std::min(scopes.size(), scope.size() + 1));
    list += (list.empty() ? "" : ",") + json_string(scope);
  }
  return "[" + list + "]";
}

}  // namespace

std::string time_or_null(base::UnixSeconds time) {
  return time == 0 || time == licensing::kNever ? "null" : std::to_string(time);
}

std::string begin_list(std::string_view name, const std::vector<std::string>& items) {
  std::string list = fmt::format("{{\"{}\":[", name);
  for (const auto& item : items) {
    if (list.back() != '[') list += ',';
    list += item;
  }
  return list += ']';
}

std::string view_license(App& app, const store::LicenseDetails& details, base::UnixSeconds now) {
  const auto terms = app.catalog.terms(details.license.policy, details.license.overrides);
  const licensing::License& state = details.license.state;
  std::string features;
  service::append_features(features, terms->terms, now);
  const auto max_clients = terms->terms.max_clients;
  return fmt::format(
      R"({{"license_id":"{}","license_key":{},"product":{},"policy":{},"holder":{},"status":"{}","type":"{}","issued_at":{},)"
      R"("starts_at":{},"expires_at":{},"max_clients":{},"active_clients":{},"lease":{},{},"overrides":{}}})",
      base::format_id(base::kLicensePrefix, details.license.id), json_string(details.key),
      json_string(terms->product->stored.name), json_string(terms->policy->stored.name), text_or_null(details.holder),
      licensing::status_text(state, terms->terms, now), service::name_of(terms->terms.type), state.issued_at,
      state.starts_at, time_or_null(state.expires_at),
      max_clients == licensing::kUnlimited ? "null" : std::to_string(max_clients), state.seats_held, terms->terms.lease,
      features,
      details.license.overrides.empty() ? std::string_view("{}") : std::string_view(details.license.overrides));
}

std::string view_client(const store::ClientView& client) {
  const licensing::Activation& seat = client.activation;
  return fmt::format(
      R"({{"id":"{}","client_id":{},"license_id":"{}","held":{},"blocked":{},"over_limit":{},"activated_at":{},)"
      R"("lease_expires_at":{},"last_seen_at":{},"version":{},"bound":{}}})",
      base::format_id(base::kClientPrefix, seat.client), json_string(client.client_id),
      base::format_id(base::kLicensePrefix, client.license_id), bool_text(seat.held), bool_text(seat.blocked),
      bool_text(seat.over_limit), seat.activated_at, time_or_null(seat.lease_expires_at),
      time_or_null(client.last_seen_at), text_or_null(seat.version), bound_classes(seat.fingerprint));
}

std::string view_product(const service::Product& product) {
  std::string releases;
  for (const auto& [version, time] : product.settings.release_names) {
    releases += (releases.empty() ? "" : ",") + json_string(version) + ":" + std::to_string(time);
  }
  return fmt::format(
      R"({{"id":"{}","name":{},"client_auth":"{}","require_signature":{},"releases":{{{}}},"created_at":{}}})",
      base::format_id(base::kProductPrefix, product.stored.id), json_string(product.stored.name),
      product.settings.license_auth ? "license" : "api_key", bool_text(product.settings.require_signature), releases,
      product.stored.created_at);
}

std::string view_policy(const service::Policy& policy) {
  return fmt::format(R"({{"id":"{}","name":{},"product":{},"terms":{},"created_at":{}}})",
                     base::format_id(base::kPolicyPrefix, policy.stored.id), json_string(policy.stored.name),
                     json_string(policy.product->stored.name),
                     policy.stored.terms.empty() ? std::string_view("{}") : std::string_view(policy.stored.terms),
                     policy.stored.created_at);
}

std::string view_api_key(const App& app, const store::ApiKey& key) {
  return fmt::format(
      R"({{"id":"{}","name":{},"scopes":{},"product":{},"require_signature":{},"created_at":{},"expires_at":{},"revoked_at":{}}})",
      base::format_id(base::kApiKeyPrefix, key.id), json_string(key.name), scope_list(key.scopes),
      text_or_null(product_name(app, key.product)), bool_text(key.require_signature), key.created_at,
      time_or_null(key.expires_at), time_or_null(key.revoked_at));
}

std::string view_event(const store::StoredEvent& stored) {
  const store::Event& event = stored.event;
  return fmt::format(
      R"({{"sequence":{},"at":{},"actor":{},"action":{},"subject":{},"client":{},"code":{},"request_id":{},"detail":{},"hash":"{}"}})",
      stored.sequence, event.at, json_string(event.actor), json_string(event.action), json_string(event.subject),
      json_string(event.client), json_string(event.code), json_string(event.request_id), json_string(event.detail),
      stored.hash);
}

}  // namespace lictor::api
