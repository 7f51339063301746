// What the administrative calls take: the tables behind the reading of requests and docs/http-api.md.
#pragma once

#include "api/fields.h"

namespace lictor::api::fields {

inline constexpr std::int64_t kName = 63, kText = 256, kReason = 512, kKeyText = 128, kCursorText = 800;
inline constexpr std::int64_t kMostRows = 10'000;

inline constexpr Field kReasonField{"reason", FieldType::text, "Why; kept in the audit log", kReason};
inline constexpr Field kCursorField{"cursor", FieldType::cursor, "Where to go on", kCursorText};
constexpr Field limit(std::int64_t most, std::string_view standard) {
  return {"limit", FieldType::integer, "Most items in the answer", most, 1, {}, standard};
}
constexpr Field product(std::string_view help, bool required = false) {
  return {.name = "product", .type = FieldType::text, .help = help, .most = kName, .required = required};
}

inline constexpr Field kReasonOnly[] = {kReasonField};

// ---- products and policies ----

inline constexpr Field kClientAuth{
    "client_auth",     FieldType::choice, "What clients show: an API key, or the license key alone", 0, 0,
    "api_key|license", "api_key"};
inline constexpr Field kSignature{"require_signature",
                                  FieldType::boolean,
                                  "Refuse requests of clients that carry no signature and timestamp",
                                  0,
                                  0,
                                  {},
                                  "false"};
inline constexpr Field kReleases{"releases", FieldType::object, "When versions came out: {version: Unix seconds}"};
inline constexpr Field kCreateProduct[] = {
    {.name = "name", .type = FieldType::text, .help = "Unique: [a-z0-9][a-z0-9._-]*", .most = kName, .required = true},
    kClientAuth,
    kSignature,
    kReleases};
inline constexpr Field kChangeProduct[] = {kClientAuth, kSignature, kReleases};

inline constexpr Field kCreatePolicy[] = {product("Name of the product", true),
                                          {.name = "name",
                                           .type = FieldType::text,
                                           .help = "Unique in the product: [a-z0-9][a-z0-9._-]*",
                                           .most = kName,
                                           .required = true},
                                          {"terms", FieldType::object, "What it grants: see Terms"}};
inline constexpr Field kUnset{"unset", FieldType::array,
                              "Names of terms that go back to the default or to the policy's", 32};
inline constexpr Field kChangePolicy[] = {{"terms", FieldType::object, "Members to change: see Terms"}, kUnset};
inline constexpr Field kListPolicies[] = {product("Only of this product")};

// ---- licenses ----

inline constexpr Field kHolder{"holder", FieldType::text, "The customer it is issued to", kText};
inline constexpr Field kStartsAt{"starts_at", FieldType::time, "Not valid before", kMaxStartTime, 0, {}, "now"};
inline constexpr Field kExpiresAt{"expires_at", FieldType::time,           "Expires then", kMaxTime, 1,
                                  {},           "by the policy's duration"};
inline constexpr Field kOverrides{"overrides", FieldType::object,
                                  "Members of the policy's terms that differ: see Terms"};
inline constexpr Field kLicenseKey{"license_key", FieldType::text, "A key of 4 to 64 characters of [A-Z0-9-]",
                                   kKeyText};
inline constexpr Field kPolicyName{
    .name = "policy", .type = FieldType::text, .help = "Name of the policy", .most = kName, .required = true};

inline constexpr Field kCreateLicenses[] = {
    product("Name of the product", true),
    kPolicyName,
    {"count", FieldType::integer, "How many to issue", kMostRows, 1, {}, "1"},
    {"license_key", FieldType::text, "Import this key of 4 to 64 characters of [A-Z0-9-] instead of making one",
     kKeyText},
    kHolder,
    kStartsAt,
    kExpiresAt,
    kOverrides};
inline constexpr Field kChangeLicense[] = {
    {.name = "holder", .type = FieldType::text, .help = "The customer; null: none", .most = kText, .nullable = true},
    {"policy", FieldType::text, "Another policy of the same product", kName},
    {"starts_at", FieldType::time, "Not valid before", kMaxStartTime},
    {.name = "expires_at",
     .type = FieldType::time,
     .help = "Expires then; null: never",
     .most = kMaxTime,
     .least = 1,
     .nullable = true},
    {"overrides", FieldType::object, "Members to override: see Terms; others stay as they are"},
    kUnset,
    kReasonField};
inline constexpr Field kRenew[] = {
    {"expires_at", FieldType::time,
     "The new expiry; without it one more duration, from the later of now and the expiry", kMaxTime, 1},
    kReasonField};
inline constexpr Field kExtend[] = {
    {"seconds", FieldType::integer, "How much later it expires", 100LL * 366 * 86400, 1},
    {"expires_at", FieldType::time, "The new expiry, instead of seconds", kMaxTime, 1},
    kReasonField};
inline constexpr Field kTransfer[] = {
    {.name = "holder", .type = FieldType::text, .help = "The new customer", .most = kText, .required = true},
    {"keep_clients", FieldType::boolean, "Leave seats that are held to their clients", 0, 0, {}, "false"},
    {"new_key", FieldType::boolean, "Give the license a new key; the old one is no longer valid", 0, 0, {}, "false"},
    kReasonField};
inline constexpr Field kLookup[] = {
    {.name = "license_key", .type = FieldType::text, .help = "The license key", .most = kKeyText, .required = true}};
inline constexpr Field kListLicenses[] = {
    product("Only of this product"),
    {"policy", FieldType::text, "Only of this policy of the product", kName},
    {"status", FieldType::choice, "Only with this status now", 0, 0,
     "active|grace|expired|not_yet_valid|suspended|revoked"},
    {"holder", FieldType::text, "Only of exactly this holder", kText},
    {"holder_prefix", FieldType::text, "Only of holders that begin so; in their order", kText},
    {"issued_after", FieldType::time, "Issued then or later", kMaxTime},
    {"issued_before", FieldType::time, "Issued before", kMaxTime},
    {"expires_after", FieldType::time, "Expiring then or later", kMaxTime},
    {"expires_before", FieldType::time, "Expiring before", kMaxTime},
    {"sort", FieldType::choice,
     "issued: as they were issued or imported; expires: those that expire; - is the other way round", 0, 0,
     "issued|-issued|expires|-expires", "-issued; expires with status expired or grace or expires_…"},
    limit(1000, "50"),
    kCursorField};
inline constexpr Field kListClients[] = {
    {"held", FieldType::boolean, "Only clients that hold a seat, or only those that hold none"},
    limit(1000, "50"),
    kCursorField};
inline constexpr Field kImport[] = {
    {.name = "licenses",
     .type = FieldType::array,
     .help = "Rows: see Import rows",
     .most = kMostRows,
     .least = 1,
     .required = true},
    {"dry_run", FieldType::boolean, "Say what would happen, and do nothing", 0, 0, {}, "false"},
    {"on_conflict", FieldType::choice, "What happens to a row whose key or id exists and differs", 0, 0,
     "fail|skip|update", "fail"},
    {"partial",
     FieldType::boolean,
     "Take the good rows although others fail; otherwise all or nothing",
     0,
     0,
     {},
     "false"}};
inline constexpr Field kImportRow[] = {
    {"license_key", FieldType::text, "4 to 64 characters of [A-Z0-9-]; made when missing", kKeyText},
    {"license_id", FieldType::text, "lic_…; made when missing", 30},
    product("Name of the product", true),
    kPolicyName,
    {.name = "holder", .type = FieldType::text, .help = "The customer; null: none", .most = kText, .nullable = true},
    {"status", FieldType::choice, "Its status", 0, 0, "active|suspended|revoked", "active"},
    {"issued_at", FieldType::time, "When it was issued", kMaxStartTime, 0, {}, "now"},
    {"starts_at", FieldType::time, "Not valid before", kMaxStartTime, 0, {}, "issued_at"},
    {"expires_at", FieldType::time, "Expires then; null: never", kMaxTime, 1, {}, "by the policy's duration"},
    {"first_activated_at", FieldType::time, "When it was first activated", kMaxStartTime, 0},
    kOverrides};
inline constexpr Field kExport[] = {product("Only of this product"),
                                    {"policy", FieldType::text, "Only of this policy of the product", kName},
                                    limit(5000, "1000"),
                                    kCursorField};
inline constexpr Field kSeats[] = {
    product("Only of this product"),
    {"policy", FieldType::text, "Only of this policy of the product", kName},
    {"license_id", FieldType::text, "Only this license", 30},
    {"in_use", FieldType::boolean, "Only licenses of which seats are held", 0, 0, {}, "false"},
    {"clients", FieldType::integer, "Most clients named for each license", 100, 0, {}, "10"},
    limit(5000, "100"),
    kCursorField};

// ---- API keys, events ----

inline constexpr Field kAddresses{
    "addresses", FieldType::array,
    "From where it may be used: IPv4 or IPv6 addresses and networks such as 10.0.0.0/8; none: "
    "from anywhere",
    64};
inline constexpr Field kCreateApiKey[] = {
    {.name = "name", .type = FieldType::text, .help = "What it is for", .most = 100, .required = true},
    {.name = "scopes", .type = FieldType::array, .help = "What it may do", .most = 16, .least = 1, .required = true},
    product("Only licenses of this product; not with admin scopes"),
    {"expires_at", FieldType::time, "Until then; never longer than the caller's own", kMaxTime, 1},
    {"require_signature", FieldType::boolean, "Refuse requests that are not signed with it", 0, 0, {}, "false"},
    kAddresses};
inline constexpr Field kChangeApiKey[] = {
    {"name", FieldType::text, "What it is for", 100},
    {.name = "expires_at",
     .type = FieldType::time,
     .help = "Until then; null: for ever",
     .most = kMaxTime,
     .least = 1,
     .nullable = true},
    {"require_signature", FieldType::boolean, "Refuse requests that are not signed with it"},
    kAddresses};
inline constexpr Field kListEvents[] = {
    {"order", FieldType::choice, "Oldest or newest first", 0, 0, "asc|desc", "asc"},
    {"after", FieldType::integer, "With a larger sequence", kMaxCursor, 0},
    {"before", FieldType::integer, "With a smaller sequence", kMaxCursor, 0},
    {"subject", FieldType::text, "Only of this license, product, policy or API key (its id)", 64},
    {"actor", FieldType::text, "Only by this API key (its id), license or system", 64},
    {"action", FieldType::text, "Only actions that begin so, such as license. or seat.refused", 64},
    {"code", FieldType::text, "Only refusals with this code", 64},
    {"request_id", FieldType::text, "Only of this request", 64},
    {"from", FieldType::time, "At or after", kMaxTime},
    {"to", FieldType::time, "Before", kMaxTime},
    limit(1000, "100"),
    kCursorField};

// ---- refusals, reports ----

inline constexpr Field kOnlyLicense{"license_id", FieldType::text, "Only of this license", 30};
inline constexpr Field kOnlyCode{"code", FieldType::text, "Only with this code", 64};
inline constexpr Field kListRefusals[] = {{"request_id", FieldType::text, "Only of this request", 64},
                                          kOnlyLicense,
                                          {"client_id", FieldType::text, "Only of this client", kText},
                                          kOnlyCode,
                                          limit(500, "50"),
                                          kCursorField};

inline constexpr Field kReportFrom{"from", FieldType::time, "From the day (UTC) of this time on", kMaxTime, 1,
                                   {},     "30 days"};
inline constexpr Field kReportTo{"to", FieldType::time, "Before this time; the day it is in is whole", kMaxTime, 1, {},
                                 "now"};
inline constexpr Field kReportBy{"by",
                                 FieldType::choice,
                                 "A row for each product, or for each license",
                                 0,
                                 0,
                                 "product|license",
                                 "product; license with license_id"};
inline constexpr Field kReportFormat{"format",
                                     FieldType::choice,
                                     "csv: text/csv with a header line; where to go on is in X-Next-Cursor",
                                     0,
                                     0,
                                     "json|csv",
                                     "json"};
inline constexpr Field kUsageReport[] = {product("Only of this product"),
                                         kOnlyLicense,
                                         {"metric", FieldType::text, "Only of this metric", 64},
                                         kReportFrom,
                                         kReportTo,
                                         kReportBy,
                                         kReportFormat,
                                         limit(10'000, "1000"),
                                         kCursorField};
inline constexpr Field kSeatReport[] = {
    product("Only of this product"), kOnlyLicense, kReportFrom, kReportTo, kReportBy, kReportFormat,
    limit(10'000, "1000"),           kCursorField};
inline constexpr Field kRefusalReport[] = {
    product("Only of this product"), kOnlyLicense, kOnlyCode, kReportFrom, kReportTo, kReportBy, kReportFormat,
    limit(10'000, "1000"),           kCursorField};

}  // namespace lictor::api::fields
