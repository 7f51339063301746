#include "api/reference.h"

#include <fmt/format.h>

#include "api/admin_fields.h"
#include "api/errors.h"
#include "api/routes.h"

namespace lictor::api {
namespace {

using licensing::Code;

constexpr std::string_view kPrefix = "/api/v1/admin";

// What the details of a refusal hold, see details_of() in errors.cpp and the calls that make their own.
std::string_view details_of(Code code) {
  switch (code) {
    case Code::bad_request:
    case Code::unknown_field:
    case Code::idempotency_conflict:
      return "`field`";
    case Code::precondition_failed:
      return "`etag`: the present one";
    case Code::rows_rejected:
      return "`failed`, `rows` (the first 100): `row`, `code`, `field`, `message`";
    case Code::license_not_yet_valid:
      return "`starts_at`";
    case Code::license_expired:
    case Code::version_not_covered:
      return "`expired_at`";
    case Code::check_in_overdue:
      return "`check_in_due_at`";
    case Code::lease_expired:
      return "`lease_expired_at`";
    case Code::hardware_mismatch:
      return "`matched`, `differed`, `missing`: component classes";
    case Code::feature_not_licensed:
      return "`feature`, `expired_at`";
    case Code::usage_quota_exceeded:
      return "`used`, `quota`, `period_ends_at`";
    case Code::max_clients_reached:
      return "`max_clients`, `active_clients`, `next_release_at`";
    case Code::unavailable:
      return "`recorded`: `unknown` when the database did not confirm it, and only then";
    case Code::transfer_limit_reached:
      return "`max_transfers`, `next_transfer_at`";
    default:
      return "";
  }
}

void append_fields(std::string& out, std::span<const Field> fields) {
  out += "| member | allowed | meaning | default |\n| --- | --- | --- | --- |\n";
  for (const Field& field : fields) {
    out += fmt::format("| `{}`{} | {} | {} | {} |\n", field.name, field.required ? " (required)" : "",
                       allowed_text(field), field.help, field.standard.empty() ? "" : field.standard);
  }
}

std::string_view scope_name(auth::Scope scope) {
  for (const auto& name : auth::kScopes) {
    if (name.grants == static_cast<auth::ScopeSet>(scope)) return name.name;
  }
  return "";
}

}  // namespace

std::string render_codes_markdown() {
  std::string out = "| code | HTTP | meaning | details |\n| --- | --- | --- | --- |\n";
  for (std::size_t i = 0; i < licensing::kCodeCount; ++i) {
    const CodeInfo& info = info_of(static_cast<Code>(i));
    out += fmt::format("| `{}` | {} | {} | {} |\n", licensing::wire_name(info.code), info.status, info.message,
                       details_of(info.code));
  }
  return out;
}

std::string render_administration_markdown() {
  std::string out;
  for (const Route& route : route_table()) {
    if (!route.path.starts_with(kPrefix)) continue;
    out += fmt::format("#### {} {}\n\n{} Scope `{}`. Data: {}.\n\n", route.method, route.path.substr(kPrefix.size()),
                       route.summary, scope_name(route.scope), route.answer);
    if (route.fields.empty()) continue;
    append_fields(out, route.fields);
    out += '\n';
  }
  out.pop_back();
  return out;
}

std::string render_import_rows_markdown() {
  std::string out;
  append_fields(out, fields::kImportRow);
  return out;
}

}  // namespace lictor::api
