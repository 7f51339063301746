#include "store/records.h"

#include "base/encoding.h"
#include "store/fingerprint_codec.h"

namespace lictor::store {
namespace {

licensing::LicenseStatus read_status(const Statement::Rows& rows, int column) {
  const std::int64_t value = rows.number(column);
  if (value < 1 || value > 3) rows.connection().fail_corrupt("a license has an unknown status");
  return static_cast<licensing::LicenseStatus>(value);
}

licensing::Activation activation_at(const Statement::Rows& rows, int first) {
  licensing::Activation activation;
  activation.client = rows.bytes16(first);
  activation.held = rows.flag(first + 1);
  activation.blocked = rows.flag(first + 2);
  activation.over_limit = rows.flag(first + 3);
  activation.activated_at = rows.number(first + 4);
  activation.lease_expires_at = rows.end_time(first + 5);
  activation.released_at = rows.number(first + 6);
  activation.vacated = rows.flag(first + 7);
  activation.vacated_at_transfer = rows.count(first + 8);
  const auto fingerprint = decode_fingerprint(rows.blob(first + 9));
  if (!fingerprint) rows.connection().fail_corrupt("a fingerprint can't be read");
  activation.fingerprint = *fingerprint;
  activation.version = rows.text(first + 10);
  return activation;
}

}  // namespace

LicenseRow read_license(const Statement::Rows& rows) {
  LicenseRow license;
  license.row = rows.number(0);
  license.id = rows.bytes16(1);
  license.key_digest = rows.bytes16(2);
  license.policy = rows.number(3);
  license.overrides = rows.text(4);
  licensing::License& state = license.state;
  state.status = read_status(rows, 5);
  state.issued_at = rows.number(6);
  state.starts_at = rows.number(7);
  state.expires_at = rows.end_time(8);
  state.first_activated_at = rows.number(9);
  state.last_check_in_at = rows.number(10);
  state.seats_held = rows.count(11);
  state.next_lease_end = rows.end_time(12);
  state.vacant_seats = rows.count(13);
  state.transfers = rows.count(14);
  state.transfers_in_period = rows.count(15);
  state.transfer_period_start = rows.number(16);
  return license;
}

LicenseDetails read_details(const Statement::Rows& rows) {
  return {.license = read_license(rows),
          .key = std::string(rows.text(kLicenseColumns)),
          .holder = std::string(rows.text(kLicenseColumns + 1))};
}

licensing::Activation read_activation(const Statement::Rows& rows) { return activation_at(rows, 0); }

LicenseView read_view(const Statement::Rows& rows) {
  LicenseView view{.license = read_license(rows), .activation = std::nullopt};
  if (!rows.is_null(kLicenseColumns)) view.activation = activation_at(rows, kLicenseColumns);
  return view;
}

ClientView read_client(const Statement::Rows& rows) {
  return {.license = rows.number(kActivationColumns),
          .license_id = rows.bytes16(kActivationColumns + 1),
          .client_id = std::string(rows.text(kActivationColumns + 2)),
          .activation = read_activation(rows),
          .last_seen_at = rows.number(kActivationColumns + 3)};
}

StoredEvent read_event(const Statement::Rows& rows) {
  StoredEvent stored;
  stored.sequence = rows.number(0);
  Event& event = stored.event;
  event.at = rows.number(1);
  event.actor = rows.text(2);
  event.action = rows.text(3);
  event.subject = rows.text(4);
  event.client = rows.text(5);
  event.code = rows.text(6);
  event.request_id = rows.text(7);
  event.detail = rows.text(8);
  stored.hash = base::to_hex(rows.blob(9));
  return stored;
}

ApiKey read_api_key(const Statement::Rows& rows) {
  const auto hash = rows.blob(2);
  return {.id = rows.bytes16(0),
          .name = std::string(rows.text(1)),
          .secret_hash = std::string(hash.begin(), hash.end()),
          .scopes = std::string(rows.text(3)),
          .product = rows.number(4),
          .require_signature = rows.flag(5),
          .created_at = rows.number(6),
          .expires_at = rows.end_time(7),
          .revoked_at = rows.number(8),
          .addresses = std::string(rows.text(9))};
}

}  // namespace lictor::store
