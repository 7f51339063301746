#include "api/admin_view.h"

#include <fmt/format.h>

#include <iterator>

#include "api/license_data.h"
#include "base/encoding.h"

namespace lictor::api {
namespace {

using base::json_string;

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

// ["a","b"] of words separated by single spaces.
std::string word_list(std::string_view words) {
  std::string list;
  while (!words.empty()) {
    const std::string_view word = words.substr(0, words.find(' '));
    words.remove_prefix(std::min(words.size(), word.size() + 1));
    list += (list.empty() ? "" : ",") + json_string(word);
  }
  return "[" + list + "]";
}

}  // namespace

std::string text_or_null(std::string_view text) { return text.empty() ? "null" : json_string(text); }
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

void LicenseViewer::append(std::string& out, const store::LicenseDetails& details, base::UnixSeconds now) const {
  const store::LicenseRow& license = details.license;
  if (!terms_ || policy_ != license.policy || overrides_ != license.overrides) {
    policy_ = license.policy;
    overrides_ = license.overrides;
    terms_ = app_.catalog.terms(policy_, overrides_);
    names_ = fmt::format(R"(,"product":{},"policy":{},"holder":)", json_string(terms_->product->stored.name),
                         json_string(terms_->policy->stored.name));
    std::string features;
    service::append_features(features, terms_->terms, now);
    tail_ = fmt::format(R"(,"lease":{},{},"overrides":{}}})", terms_->terms.lease, features,
                        overrides_.empty() ? std::string_view("{}") : std::string_view(overrides_));
  }
  const licensing::License& state = license.state;
  const auto max_clients = terms_->terms.max_clients;
  fmt::format_to(std::back_inserter(out), R"({{"license_id":"{}","license_key":)",
                 base::format_id(base::kLicensePrefix, license.id));
  base::append_json_string(out, details.key);
  out += names_;
  details.holder.empty() ? void(out += "null") : base::append_json_string(out, details.holder);
  fmt::format_to(
      std::back_inserter(out),
      R"(,"status":"{}","type":"{}","issued_at":{},"starts_at":{},"expires_at":{},"max_clients":{},"active_clients":{})",
      licensing::status_text(state, terms_->terms, now), service::name_of(terms_->terms.type), state.issued_at,
      state.starts_at, time_or_null(state.expires_at),
      max_clients == licensing::kUnlimited ? "null" : std::to_string(max_clients), state.seats_held);
  out += tail_;
}

std::string view_license(App& app, const store::LicenseDetails& details, base::UnixSeconds now) {
  std::string view;
  LicenseViewer(app).append(view, details, now);
  return view;
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

std::string_view client_status(const licensing::Activation& seat, base::UnixSeconds now) {
  if (seat.blocked) return "blocked";
  if (licensing::holds_seat(seat, now)) return "active";
  return seat.released_at == 0 ? "lease_expired" : "released";
}

std::string view_client(const store::ClientView& client, base::UnixSeconds now) {
  const licensing::Activation& seat = client.activation;
  return fmt::format(
      R"({{"id":"{}","client_id":{},"license_id":"{}","status":"{}","held":{},"blocked":{},"over_limit":{},)"
      R"("activated_at":{},"lease_expires_at":{},"last_seen_at":{},"client_version":{},"bound":{}}})",
      base::format_id(base::kClientPrefix, seat.client), json_string(client.client_id),
      base::format_id(base::kLicensePrefix, client.license_id), client_status(seat, now),
      bool_text(licensing::holds_seat(seat, now)), bool_text(seat.blocked), bool_text(seat.over_limit),
      time_or_null(seat.activated_at), time_or_null(seat.lease_expires_at), time_or_null(client.last_seen_at),
      text_or_null(seat.version), bound_classes(seat.fingerprint));
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
  licensing::Terms terms;
  service::apply_stored_terms(policy.stored.terms, terms);
  std::string warnings;
  for (const auto& warning : service::warn_of_terms(terms))
    warnings += (warnings.empty() ? "" : ",") + json_string(warning);
  return fmt::format(R"({{"id":"{}","name":{},"product":{},"terms":{},"created_at":{},"warnings":[{}]}})",
                     base::format_id(base::kPolicyPrefix, policy.stored.id), json_string(policy.stored.name),
                     json_string(policy.product->stored.name),
                     policy.stored.terms.empty() ? std::string_view("{}") : std::string_view(policy.stored.terms),
                     policy.stored.created_at, warnings);
}

std::string view_api_key(const App& app, const store::ApiKey& key) {
  return fmt::format(
      R"({{"id":"{}","name":{},"scopes":{},"product":{},"require_signature":{},"addresses":{},"created_at":{},)"
      R"("expires_at":{},"revoked_at":{}}})",
      base::format_id(base::kApiKeyPrefix, key.id), json_string(key.name), word_list(key.scopes),
      text_or_null(product_name(app, key.product)), bool_text(key.require_signature), word_list(key.addresses),
      key.created_at, time_or_null(key.expires_at), time_or_null(key.revoked_at));
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
