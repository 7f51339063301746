// What administrators change. Statements are prepared when they are needed: these calls are few.
#include <limits>
#include <utility>

#include "store/queries.h"
#include "store/records.h"
#include "store/sql_tx.h"

namespace lictor::store {
namespace {

constexpr UnixSeconds kIdempotencySeconds = 24 * 3600;

}  // namespace

Row SqlTx::insert_product(const Product& product) {
  Statement(connection_, sql::kInsertProduct).run(product.id, product.name, product.settings, product.created_at);
  return row_of(sql::kProductRow, product.id);
}

void SqlTx::update_product_settings(Row product, std::string_view settings) {
  Statement(connection_, sql::kUpdateProductSettings).run(product, settings);
  expect_one("a product");
}

Row SqlTx::insert_policy(const Policy& policy) {
  Statement(connection_, sql::kInsertPolicy)
      .run(policy.id, policy.product, policy.name, policy.terms, policy.created_at);
  return row_of(sql::kPolicyRow, policy.id);
}

Row SqlTx::row_of(std::string_view query, const Id& id) {
  Statement statement(connection_, query);
  auto rows = statement.rows(id);
  if (!rows.next()) connection_.fail_corrupt("a record that was inserted is missing");
  return rows.number(0);
}

void SqlTx::insert_licenses(std::span<const NewLicense> licenses) {
  Statement insert(connection_, sql::kInsertLicense);
  for (const NewLicense& license : licenses) {
    const licensing::License& state = license.state;
    insert.run(license.id, license.key_digest, license.policy, static_cast<std::int64_t>(state.status), state.issued_at,
               state.starts_at, EndTime{state.expires_at}, state.first_activated_at, state.last_check_in_at,
               state.seats_held, EndTime{state.next_lease_end}, state.vacant_seats, state.transfers,
               state.transfers_in_period, state.transfer_period_start, license.overrides, license.key, license.holder);
    note_inserted(state);
  }
}

void SqlTx::insert_api_key(const ApiKey& key) {
  const std::span secret_hash(reinterpret_cast<const std::uint8_t*>(key.secret_hash.data()), key.secret_hash.size());
  Statement(connection_, sql::kInsertApiKey)
      .run(key.id, key.name, secret_hash, key.scopes, key.product, key.require_signature, key.created_at,
           EndTime{key.expires_at}, key.revoked_at, key.addresses);
}

bool SqlTx::revoke_api_key(const Id& id, UnixSeconds now) {
  Statement(connection_, sql::kRevokeApiKey).run(id, now);
  return connection_.changed_rows() == 1;
}

void SqlTx::update_api_key(const ApiKey& key) {
  Statement(connection_, sql::kUpdateApiKey)
      .run(key.id, key.name, key.require_signature, EndTime{key.expires_at}, key.addresses);
  expect_one("an API key");
}

std::optional<ApiKey> SqlTx::api_key(const Id& id) {
  Statement statement(connection_, sql::kApiKey);
  auto rows = statement.rows(id);
  return rows.next() ? std::optional(read_api_key(rows)) : std::nullopt;
}

void SqlTx::update_policy_terms(Row policy, std::string_view terms) {
  Statement(connection_, sql::kUpdatePolicyTerms).run(policy, terms);
  expect_one("a policy");
}

void SqlTx::delete_policy(Row policy) {
  Statement(connection_, sql::kDeletePolicy).run(policy);
  expect_one("a policy");
  Statement(connection_, sql::kSpendRow).run(std::string_view("policies"), policy);
}

void SqlTx::delete_product(Row product) {
  Statement(connection_, sql::kDeleteRevokedApiKeys).run(product);
  Statement(connection_, sql::kDeleteProduct).run(product);
  expect_one("a product");
  Statement(connection_, sql::kSpendRow).run(std::string_view("products"), product);
}

std::vector<std::optional<LicenseDetails>> SqlTx::lock_details(std::span<const LicenseRef> refs) {
  Statement by_id(connection_, sql::kDetailsById);
  Statement by_key(connection_, sql::kDetailsByKey);
  std::vector<std::optional<LicenseDetails>> all;
  all.reserve(refs.size());
  for (const LicenseRef& ref : refs) {
    auto rows = (ref.by == LicenseRef::By::id ? by_id : by_key).rows(ref.value);
    all.push_back(rows.next() ? std::optional(read_details(rows)) : std::nullopt);
    if (all.back()) note_locked(all.back()->license);
  }
  return all;
}

void SqlTx::change_license(const LicenseChange& change) {
  change_license_->run(change.row, change.policy, change.overrides, change.key_digest, change.key, change.holder);
  update_license({change.row, change.state});
}

std::optional<ClientView> SqlTx::client(const Id& client) {
  auto rows = client_by_id_->rows(client);
  return rows.next() ? std::optional(read_client(rows)) : std::nullopt;
}

std::vector<ClientView> SqlTx::held_clients(Row license) {
  // Leases that have ended were taken out before, so all that are held count.
  auto rows =
      held_clients_->rows(license, std::numeric_limits<UnixSeconds>::min(), std::numeric_limits<std::int64_t>::max());
  std::vector<ClientView> clients;
  while (rows.next()) clients.push_back(read_client(rows));
  return clients;
}

void SqlTx::delete_activation(Row license, std::string_view client_id) {
  Statement(connection_, sql::kDeleteActivation).run(license, client_id);
  expect_one("an activation");
}

std::optional<IdempotencyRecord> SqlTx::idempotency(const Id& caller, std::string_view key) {
  Statement statement(connection_, sql::kIdempotency);
  auto rows = statement.rows(caller, key);
  if (!rows.next()) return std::nullopt;
  return IdempotencyRecord{.caller = caller,
                           .key = std::string(key),
                           .request = rows.bytes16(0),
                           .status = static_cast<int>(rows.number(1)),
                           .data = std::string(rows.text(2)),
                           .message = std::string(rows.text(3)),
                           .etag = std::string(rows.text(4)),
                           .created_at = rows.number(5)};
}

void SqlTx::remember(const IdempotencyRecord& record) {
  constexpr std::int64_t kForgottenEach = 8;  // more than come in, so that the table can't grow for ever
  Statement(connection_, sql::kRemember)
      .run(record.caller, record.key, record.request, record.status, record.data, record.message, record.etag,
           record.created_at);
  std::vector<std::pair<Id, std::string>> old;
  {
    Statement statement(connection_, sql::kOldIdempotency);
    auto rows = statement.rows(record.created_at - kIdempotencySeconds, kForgottenEach);
    while (rows.next()) old.emplace_back(rows.bytes16(0), rows.text(1));
  }
  Statement forget(connection_, sql::kDeleteIdempotency);
  for (const auto& [caller, key] : old) forget.run(caller, key);
}

}  // namespace lictor::store
