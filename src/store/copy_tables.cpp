#include "store/copy_tables.h"

#include <algorithm>
#include <array>

namespace lictor::store {
namespace {

constexpr auto N = CopiedColumn::Type::number;
constexpr auto T = CopiedColumn::Type::text;
constexpr auto B = CopiedColumn::Type::blob;

using Column = CopiedColumn;

constexpr std::array kProducts{Column{"row", N}, Column{"id", B}, Column{"name", T}, Column{"settings", T},
                               Column{"created_at", N}};
constexpr std::array kPolicies{Column{"row", N},  Column{"id", B},    Column{"product", N},
                               Column{"name", T}, Column{"terms", T}, Column{"created_at", N}};
constexpr std::array kLicenses{Column{"row", N},
                               Column{"id", B},
                               Column{"key_digest", B},
                               Column{"policy", N},
                               Column{"status", N},
                               Column{"issued_at", N},
                               Column{"starts_at", N},
                               Column{"expires_at", N},
                               Column{"first_activated_at", N},
                               Column{"last_check_in_at", N},
                               Column{"seats_held", N},
                               Column{"next_lease_end", N},
                               Column{"vacant_seats", N},
                               Column{"transfers", N},
                               Column{"transfers_in_period", N},
                               Column{"transfer_period_start", N},
                               Column{"overrides", T},
                               Column{"key", T},
                               Column{"holder", T}};
constexpr std::array kActivations{Column{"license", N},
                                  Column{"client_id", T},
                                  Column{"client", B},
                                  Column{"held", N},
                                  Column{"blocked", N},
                                  Column{"over_limit", N},
                                  Column{"activated_at", N},
                                  Column{"lease_expires_at", N},
                                  Column{"released_at", N},
                                  Column{"vacated", N},
                                  Column{"vacated_at_transfer", N},
                                  Column{"fingerprint", B},
                                  Column{"version", T},
                                  Column{"last_seen_at", N}};
constexpr std::array kUsageCounters{Column{"license", N}, Column{"metric", T}, Column{"period_start", N},
                                    Column{"total", N}};
constexpr std::array kUsageKeys{Column{"license", N},   Column{"idempotency_key", T}, Column{"request", B},
                                Column{"signature", B}, Column{"answer", T},          Column{"created_at", N}};
constexpr std::array kApiKeys{
    Column{"row", N},        Column{"id", B},         Column{"name", T},       Column{"secret_hash", B},
    Column{"scopes", T},     Column{"product", N},    Column{"created_at", N}, Column{"require_signature", N},
    Column{"expires_at", N}, Column{"revoked_at", N}, Column{"addresses", T}};
constexpr std::array kIdempotencyKeys{Column{"caller", B}, Column{"key", T},       Column{"request", B},
                                      Column{"status", N}, Column{"data", T},      Column{"message", T},
                                      Column{"etag", T},   Column{"created_at", N}};
constexpr std::array kRefusals{
    Column{"row", N},     Column{"at", N},      Column{"request_id", T}, Column{"endpoint", T},  Column{"code", T},
    Column{"message", T}, Column{"details", T}, Column{"license", N},    Column{"client_id", T}, Column{"actor", T}};
constexpr std::array kDays{Column{"day", N}, Column{"product", N}, Column{"license", N}, Column{"name", T},
                           Column{"amount", N}};
constexpr std::array kSeatSeries{
    Column{"product", N}, Column{"license", N}, Column{"sequence", N}, Column{"held", N},         Column{"since", N},
    Column{"changed", N}, Column{"start", N},   Column{"peak", N},     Column{"seat_seconds", N}, Column{"levels", B}};
constexpr std::array kSeatDays{Column{"product", N}, Column{"license", N}, Column{"day", N},         Column{"start", N},
                               Column{"peak", N},    Column{"p95", N},     Column{"seat_seconds", N}};
constexpr std::array kPendingSeats{Column{"product", N}, Column{"at", N}, Column{"ended", N}, Column{"net", N},
                                   Column{"top", N}};
constexpr std::array kStatistics{Column{"one", N}, Column{"license_sequence", N}, Column{"product_sequence", N},
                                 Column{"refusals", N}, Column{"seats_from", N}};
constexpr std::array kSpentRows{Column{"name", T}, Column{"row", N}};
constexpr std::array kEvents{Column{"sequence", N}, Column{"at", N},     Column{"actor", T}, Column{"action", T},
                             Column{"subject", T},  Column{"client", T}, Column{"code", T},  Column{"request_id", T},
                             Column{"detail", T},   Column{"hash", B}};
constexpr std::array kAuditHead{Column{"one", N}, Column{"sequence", N}, Column{"hash", B}};
constexpr std::array kTotals{Column{"one", N}, Column{"licenses", N}, Column{"active_licenses", N},
                             Column{"seats_held", N}};

constexpr std::array kTables{
    CopiedTable{"products", kProducts},
    CopiedTable{"policies", kPolicies},
    CopiedTable{"licenses", kLicenses, 1, true},
    CopiedTable{"activations", kActivations, 2},
    CopiedTable{"usage_counters", kUsageCounters, 3},
    CopiedTable{"usage_keys", kUsageKeys, 2},
    CopiedTable{"api_keys", kApiKeys, 1, true},
    CopiedTable{"idempotency_keys", kIdempotencyKeys, 2},
    CopiedTable{"refusals", kRefusals, 1, true},
    CopiedTable{"refusal_days", kDays, 4},
    CopiedTable{"usage_days", kDays, 4},
    CopiedTable{"seat_series", kSeatSeries, 2},
    CopiedTable{"seat_days", kSeatDays, 3},
    CopiedTable{"pending_seats", kPendingSeats, 2},
    CopiedTable{"statistics", kStatistics},
    CopiedTable{"spent_rows", kSpentRows},
    CopiedTable{"totals", kTotals},
    CopiedTable{"audit_head", kAuditHead},
    CopiedTable{"events", kEvents},
};

}  // namespace

std::string CopiedTable::column_list() const {
  std::string list;
  for (const CopiedColumn& column : columns) list.append(list.empty() ? "" : ", ").append(column.name);
  return list;
}

std::span<const CopiedTable> copied_tables() noexcept { return kTables; }
const CopiedTable& events_table() noexcept { return kTables.back(); }

}  // namespace lictor::store
