#include "api/admin_license.h"

#include <fmt/format.h>

#include "api/admin_view.h"
#include "licensing/license_key.h"
#include "service/batch.h"
#include "service/policy_document.h"

namespace lictor::api {

namespace json = boost::json;
using licensing::Code;

std::string license_etag(const App& app, const store::LicenseDetails& details) {
  const licensing::License& state = details.license.state;
  return make_etag(
      app, fmt::format("license\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}", details.license.policy, details.license.overrides,
                       details.key, details.holder, static_cast<int>(state.status), state.issued_at, state.starts_at,
                       state.expires_at));
}

std::string client_etag(const App& app, const store::ClientView& client) {
  const licensing::Activation& seat = client.activation;
  return make_etag(app, fmt::format("client\n{}\n{}\n{}\n{}", base::format_id(base::kClientPrefix, seat.client),
                                    seat.held, seat.blocked, seat.activated_at));
}

std::optional<store::LicenseDetails> lock_license(Change& change, const store::LicenseRef& ref) {
  auto locked = change.tx.lock_details({&ref, 1});
  if (!locked.front()) return std::nullopt;
  store::LicenseDetails details = *std::move(locked.front());
  licensing::License& state = details.license.state;
  if (state.next_lease_end > change.now) return details;
  const base::Id id = details.license.id;
  for (const store::EndedLease& ended : change.tx.reclaim({&details.license.row, 1}, change.now)) {
    state.seats_held -= state.seats_held > 0 ? 1 : 0;
    change.events.push_back(service::lease_ended_event(id, ended, state.seats_held, change.now));
    change.after_commit([&cache = change.app.cache, id, client = ended.client_id] { cache.publish(id, client, {}); });
  }
  state.next_lease_end = change.tx.next_lease_end(details.license.row);
  return details;
}

void store_license(Change& change, const store::LicenseDetails& details) {
  const store::LicenseRow& license = details.license;
  change.tx.change_license(
      {license.row, license.policy, license.overrides, license.key_digest, details.key, details.holder, license.state});
  change.after_commit([&app = change.app, license] {
    app.cache.begin_publish();
    app.cache.publish(license, app.catalog.terms(license.policy, license.overrides));
  });
}

void release_seat(Change& change, store::LicenseDetails& details, store::ClientView& client, std::string_view reason) {
  const auto terms = change.app.catalog.terms(details.license.policy, details.license.overrides);
  auto decision =
      licensing::decide(details.license.state, terms->terms, &client.activation, licensing::Deactivate{}, change.now);
  if (!decision.activation) return;
  // It is not the customer who moves a seat, so it is none of his transfers.
  decision.license->vacant_seats = details.license.state.vacant_seats;
  decision.activation->vacated = false;
  details.license.state = *decision.license;
  client.activation = *std::move(decision.activation);
  change.record("seat.released", base::format_id(base::kLicensePrefix, details.license.id),
                fmt::format(R"({{"client":"{}","seats_held":{},"reason":"{}"}})",
                            base::format_id(base::kClientPrefix, client.activation.client),
                            details.license.state.seats_held, reason),
                client.client_id);
}

Outcome show_changed(const Change& change, const store::LicenseDetails& details, std::string_view message) {
  Outcome outcome;
  outcome.data = view_license(change.app, details, change.now);
  outcome.message = message;
  outcome.etag = license_etag(change.app, details);
  return outcome;
}

std::optional<Failure> refuse_revoked(const store::LicenseDetails& details) {
  if (details.license.state.status != licensing::LicenseStatus::revoked) return std::nullopt;
  return Failure{Code::license_revoked, "A revoked license can't be changed", {}, 0, {}};
}

std::optional<std::string> change_terms(std::string_view text, const TermsChange& change, std::string_view where,
                                        std::optional<RequestFault>& fault) {
  json::object merged;
  if (!text.empty()) merged = json::parse(json::string_view(text.data(), text.size())).as_object();
  if (change.set != nullptr) {
    for (const auto& member : *change.set) merged[member.key()] = member.value();
  }
  if (change.unset != nullptr) {
    for (const auto& name : *change.unset) {
      const bool known = name.is_string() && service::is_term(name.get_string());
      if (!known) {
        fault = RequestFault{Code::bad_request, "unset", "must name members of the terms: " + service::term_names()};
        return std::nullopt;
      }
      merged.erase(name.get_string());
    }
  }
  licensing::Terms checked;
  if (const auto problem = service::apply_terms(merged, where, checked)) {
    fault = RequestFault{problem->unknown_field ? Code::unknown_field : Code::bad_request, problem->field,
                         problem->message};
    return std::nullopt;
  }
  return merged.empty() ? std::string() : json::serialize(merged);
}

std::string new_license_key() {
  std::array<std::uint8_t, licensing::kLicenseKeyRandomSymbols> random;
  crypto::random_bytes(random);
  return licensing::make_license_key(random);
}

}  // namespace lictor::api
