#include "store/conformance.h"

#include <algorithm>
#include <cstring>

#include "store/audit_chain.h"

namespace lictor::test {

store::Id id_of(char kind, std::uint64_t number) {
  store::Id id;
  id.bytes[0] = static_cast<std::uint8_t>(kind);
  std::memcpy(id.bytes.data() + 8, &number, sizeof number);
  return id;
}
store::LicenseRef by_id(std::uint64_t number, std::string_view client) {
  return {store::LicenseRef::By::id, id_of('l', number), client};
}
store::LicenseRef by_key(std::uint64_t number, std::string_view client) {
  return {store::LicenseRef::By::key_digest, id_of('k', number), client};
}

store::NewLicense new_license(std::uint64_t number, store::Row policy) {
  store::NewLicense license;
  license.id = id_of('l', number);
  license.key_digest = id_of('k', number);
  license.key = "KEY-" + std::to_string(number);
  license.policy = policy;
  license.holder = number % 2 == 0 ? "even" : "odd";
  license.state.issued_at = kNow;
  return license;
}

store::ActivationUpdate held_seat(store::Row license, const std::string& client_id,
                                  store::UnixSeconds lease_expires_at) {
  store::ActivationUpdate update;
  update.license = license;
  update.client_id = client_id;
  update.state.client = id_of('c', std::hash<std::string>()(client_id + "/" + std::to_string(license)));
  update.state.held = true;
  update.state.activated_at = kNow;
  update.state.lease_expires_at = lease_expires_at;
  update.last_seen_at = kNow;
  return update;
}

store::Event event(const std::string& action, const std::string& subject) {
  return {.at = kNow,
          .actor = "system",
          .action = action,
          .subject = subject,
          .client = "c",
          .code = "",
          .request_id = "req_1",
          .detail = "{}"};
}

StoreTest::StoreTest() : database_(GetParam().make()), store_(database_->open()), reader_(store_->open_reader()) {}

void StoreTest::reopen() {
  reader_.reset();
  store_.reset();
  store_ = database_->open();
  reader_ = store_->open_reader();
}

store::Row StoreTest::make_policy(const std::string& name) {
  const auto number = std::hash<std::string>()(name);
  store::Row policy = 0;
  store_->write([&](store::Tx& tx) {
    const store::Row product = tx.insert_product(
        {.row = 0, .id = id_of('p', number), .name = "product-" + name, .settings = "{}", .created_at = kNow});
    policy = tx.insert_policy({.row = 0,
                               .id = id_of('q', number),
                               .product = product,
                               .name = name,
                               .terms = "{\"max_clients\":10}",
                               .created_at = kNow});
  });
  return policy;
}

void StoreTest::make_licenses(std::uint64_t count) {
  if (policy_ == 0) policy_ = make_policy("floating");
  std::vector<store::NewLicense> licenses;
  for (std::uint64_t number = 1; number <= count; ++number) licenses.push_back(new_license(number, policy_));
  store_->write([&](store::Tx& tx) { tx.insert_licenses(licenses); });
}

void StoreTest::apply(const store::Changes& changes) {
  std::vector<store::LicenseRef> refs;  // licenses are numbered as their rows are
  for (const auto& update : changes.licenses) refs.push_back(by_id(static_cast<std::uint64_t>(update.row)));
  store_->write([&](store::Tx& tx) {
    tx.lock(refs);
    tx.apply(changes);
  });
}

void StoreTest::give_seat(std::uint64_t license, const std::string& client_id, store::UnixSeconds lease_expires_at) {
  store_->write([&](store::Tx& tx) {
    const std::vector refs{by_id(license)};
    auto locked = tx.lock(refs).front().value();
    ++locked.state.seats_held;
    locked.state.next_lease_end = std::min(locked.state.next_lease_end, lease_expires_at);
    store::Changes changes;
    changes.licenses.push_back({locked.row, locked.state});
    changes.activations.push_back(held_seat(locked.row, client_id, lease_expires_at));
    tx.apply(changes);
  });
}

store::LicenseRow StoreTest::row_of(std::uint64_t license) {
  return reader_->license(by_id(license), std::nullopt, 0).value().license;
}

std::string StoreTest::chain_fault() {
  constexpr std::size_t kPage = 64;
  store::ChainLink link;
  while (true) {
    store::EventFilter rest;
    rest.after = link.sequence;
    const auto page = reader_->events(rest, kPage).events;
    if (page.empty()) break;
    if (const auto fault = store::verify_chain(link, page)) {
      return std::string(store::fault_text(fault->kind)) + " at " + std::to_string(fault->sequence);
    }
  }
  const auto fault = store::verify_head(link, reader_->audit_head());
  return fault ? std::string(store::fault_text(fault->kind)) + " at " + std::to_string(fault->sequence) : "";
}

}  // namespace lictor::test
