#include "lictord/demo.h"

#include <algorithm>
#include <stdexcept>
#include <string_view>

#include "auth/api_keys.h"
#include "base/id.h"
#include "licensing/decide.h"
#include "licensing/license_key.h"
#include "lictord/key_file.h"
#include "service/policy_document.h"

namespace lictor::daemon {
namespace {

struct DemoPolicy {
  std::string_view name;
  std::string_view terms;
};

constexpr DemoPolicy kDemoPolicies[] = {
    {"perpetual", R"({"type":"perpetual","max_clients":3,"features":{"basic":null,"export":null}})"},
    {"subscription",
     R"({"type":"subscription","duration":31536000,"grace":604800,"max_clients":5,"features":{"basic":null,"sync":null,"support":null}})"},
    {"trial",
     R"({"type":"trial","duration":1209600,"starts":"on_first_activation","max_clients":1,"features":{"basic":null}})"},
    {"metered",
     R"({"type":"metered","duration":31536000,"max_clients":null,"quotas":{"api_calls":{"amount":10000,"period":"month"}},"features":{"api":{"limit":10000}}})"},
    {"node-locked",
     R"({"type":"perpetual","max_clients":2,"binding":"normal","max_transfers":3,"transfer_period":31536000,"features":{"basic":null}})"},
    {"floating",
     R"({"type":"subscription","duration":31536000,"max_clients":5,"lease":600,"features":{"basic":null,"render":null}})"},
};
constexpr std::string_view kSandboxSettings = R"({"client_auth":"license"})";
constexpr std::string_view kSandboxTerms =
    R"({"type":"perpetual","max_clients":100,"features":{"feature_a":null,"feature_b":null,"feature_c":null}})";
constexpr std::string_view kSandboxKey = "TEST-KEY-001";
constexpr std::string_view kClientScopes = "license:validate license:activate license:read usage:write";
constexpr std::string_view kDemoHolder = "Demo customer";

store::Event demo_event(std::string_view action, std::string_view prefix, const base::Id& id, base::UnixSeconds now) {
  store::Event event;
  event.at = now;
  event.actor = "system";
  event.action = action;
  event.subject = base::format_id(prefix, id);
  event.detail = R"({"demo":true})";
  return event;
}

// Writes the demo into one transaction and gathers its audit events.
class Seeder {
 public:
  Seeder(store::Tx& tx, const crypto::Prf& key_digest, base::UnixSeconds now)
      : tx_(tx), key_digest_(key_digest), now_(now) {}

  store::Row product(std::string_view name, std::string_view settings) {
    store::Product product{0, crypto::random_id(), std::string(name), std::string(settings), now_};
    changes_.events.push_back(demo_event("product.created", base::kProductPrefix, product.id, now_));
    return tx_.insert_product(product);
  }

  store::Row policy(store::Row product, std::string_view name, std::string_view terms) {
    store::Policy policy{0, crypto::random_id(), product, std::string(name), std::string(terms), now_};
    changes_.events.push_back(demo_event("policy.created", base::kPolicyPrefix, policy.id, now_));
    return tx_.insert_policy(policy);
  }

  void license(store::Row policy, std::string_view terms_text, std::string key, std::string_view holder) {
    licensing::Terms terms;
    service::apply_stored_terms(terms_text, terms);
    store::NewLicense license;
    license.id = crypto::random_id();
    license.key_digest = key_digest_(key);
    license.key = std::move(key);
    license.policy = policy;
    license.holder = holder;
    license.state = licensing::issue(terms, now_, std::nullopt, std::nullopt);
    changes_.events.push_back(demo_event("license.issued", base::kLicensePrefix, license.id, now_));
    tx_.insert_licenses({&license, 1});
  }

  void api_key(const auth::NewApiKey& made, std::string_view name, std::string_view scopes) {
    store::ApiKey key;
    key.id = made.id;
    key.name = name;
    key.secret_hash = made.secret_hash;
    key.scopes = scopes;
    key.created_at = now_;
    changes_.events.push_back(demo_event("api_key.created", base::kApiKeyPrefix, key.id, now_));
    tx_.insert_api_key(key);
  }

  void finish() { tx_.apply(changes_); }

 private:
  store::Tx& tx_;
  const crypto::Prf& key_digest_;
  const base::UnixSeconds now_;
  store::Changes changes_;
};

std::string make_license_key() {
  std::array<std::uint8_t, licensing::kLicenseKeyRandomSymbols> random;
  crypto::random_bytes(random);
  return licensing::make_license_key(random);
}

std::string find_license_key(store::Reader& reader, store::Row product, base::UnixSeconds now) {
  store::LicenseFilter filter;
  filter.product = product;
  filter.holder = kDemoHolder;
  filter.status = licensing::LicenseStatus::active;
  const auto page = reader.licenses(filter, store::LicenseOrder::newest, std::nullopt, 1, now);
  return page.licenses.empty() ? std::string() : page.licenses.front().key;
}

}  // namespace

Demo prepare_demo(store::Store& store, const crypto::Prf& key_digest, base::UnixSeconds now,
                  const std::string& client_key_path) {
  const auto reader = store.open_reader();
  const auto products = reader->products();
  const auto existing = std::ranges::find(products, "demo", &store::Product::name);
  if (existing != products.end()) return {find_license_key(*reader, existing->row, now), false};
  const Demo demo{make_license_key(), true};
  const auth::NewApiKey client_key = auth::make_api_key();
  write_key_file(client_key_path, client_key.text.reveal());
  store.write([&](store::Tx& tx) {
    Seeder seeder(tx, key_digest, now);
    const store::Row product = seeder.product("demo", "{}");
    for (const DemoPolicy& policy : kDemoPolicies) {
      const store::Row row = seeder.policy(product, policy.name, policy.terms);
      if (policy.name == "perpetual") seeder.license(row, policy.terms, demo.license_key, kDemoHolder);
    }
    const store::Row sandbox = seeder.product("sandbox", kSandboxSettings);
    const store::Row sandbox_policy = seeder.policy(sandbox, "sandbox", kSandboxTerms);
    seeder.license(sandbox_policy, kSandboxTerms, std::string(kSandboxKey), kDemoHolder);
    seeder.api_key(client_key, "demo client", kClientScopes);
    seeder.finish();
  });
  return demo;
}

}  // namespace lictor::daemon
