// What the second-level cache keeps of a license and one of its clients, as bytes that only holders of the database's
// secret can make. Format 1:
//
//   01 · seal (16) · written_at · sequence · hash_head (8) · license id (16) · key digest (16) · policy id (16) ·
//   overrides · status, issued_at, starts_at, expires_at, first_activated_at, last_check_in_at, seats_held,
//   next_lease_end, vacant_seats, transfers, transfers_in_period, transfer_period_start · 00, or 01 and the activation:
//   client id (16) · flags (1 held, 2 blocked, 4 over_limit, 8 vacated) · activated_at, lease_expires_at, released_at,
//   vacated_at_transfer · kind · mask · a tag (16) for each bit, one when opaque · version
//
// Numbers are zigzag LEB128, texts their length and bytes. The seal is the keyed digest of where the entry is kept and
// of all that follows it: an entry that was changed, cut, moved, or made for another database does not open.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "crypto/crypto.h"
#include "service/change_history.h"
#include "store/store.h"

namespace lictor::service {

struct SharedEntry {
  store::LicenseView view;  // without the store's own numbers of license and policy
  base::Id policy;
  HistoryMark mark;
  base::UnixSeconds written_at = 0;
};

// Where an entry is kept. Neither tells what it stands for without the database's secret.
struct SharedPlace {
  std::string name;   // of a Redis hash: "lictor:" and 32 hex digits
  std::string field;  // of the client, 16 bytes; "-" when the license was asked for without one
};

class SharedEntryCodec {
 public:
  explicit SharedEntryCodec(const crypto::Prf::Key& database_secret);

  std::string name(const store::LicenseRef& ref) const;
  std::string field(std::optional<std::string_view> client_id) const;

  // All behind the seal but the first two; the same wherever and whenever it is kept.
  static std::string encode(const store::LicenseView& view, const base::Id& policy, const HistoryMark& mark);
  std::string seal(const SharedPlace& place, base::UnixSeconds written_at, std::string_view encoded) const;
  // Nothing when it is not exactly what seal() made for this place.
  std::optional<SharedEntry> open(const SharedPlace& place, std::string_view bytes) const;

 private:
  base::Digest seal_of(const SharedPlace& place, std::string_view sealed) const;

  const crypto::Prf names_, seals_;
};

}  // namespace lictor::service
