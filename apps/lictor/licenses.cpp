#include "lictor/licenses.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/id.h"
#include "licensing/license_key.h"
#include "lictor/error.h"
#include "lictor/json_fields.h"

namespace lictor::cli {
namespace json = boost::json;
namespace {

std::string entitlements_text(const json::object& license) {
  std::string out;
  for (const auto& [name, value] : object_of(license, "entitlements")) {
    if (!out.empty()) out += ", ";
    out += std::string(name);
    if (!value.is_object()) continue;
    if (const auto limit = number_of(value.get_object(), "limit")) out += fmt::format("={}", *limit);
    if (const auto end = number_of(value.get_object(), "expires_at")) out += " until " + format_time(*end);
  }
  return out;
}

}  // namespace

FoundLicense find_license(Session& session, const std::string& name) {
  if (const auto id = base::parse_id(base::kLicensePrefix, name))
    return {base::format_id(base::kLicensePrefix, *id), {}};
  if (name.starts_with("lic_")) {
    throw CommandError(ExitCode::usage, printable(name) + ": not the id of a license; one is lic_ and 26 characters");
  }
  try {
    json::object license = session.client().post("/licenses/lookup", {{"license_key", name}});
    std::string id = text_of(license, "license_id");
    return {std::move(id), std::move(license)};
  } catch (const CommandError& error) {
    const auto key = licensing::normalize_license_key(name);
    const bool mistyped = error.exit_code() == ExitCode::refused && key && key->view().size() == 36 &&
                          !licensing::is_generated_license_key(key->view());
    if (!mistyped) throw;
    throw CommandError(error.exit_code(), error.what(), "the key's check symbols do not fit: is there a typo?");
  }
}

json::object get_license(Session& session, const std::string& name) {
  FoundLicense found = find_license(session, name);
  return found.license ? *std::move(found.license) : session.client().get("/licenses/" + found.id);
}

void print_license(Session& session, const json::object& license) {
  const std::int64_t lease = number_of(license, "lease").value_or(0);
  const std::string seats = lease > 0 ? "floating, lease of " + format_duration(lease) : "node-locked";
  Table table;
  const auto add = [&table](const char* label, std::string text) {
    if (!text.empty()) table.add({{label, Colour::dim}, {std::move(text)}});
  };
  add("license key", text_of(license, "license_key"));
  add("license id", text_of(license, "license_id"));
  add("product", text_of(license, "product"));
  add("policy", text_of(license, "policy"));
  add("holder", text_of(license, "holder"));
  table.add({{"status", Colour::dim}, status_cell(text_of(license, "status"))});
  add("type", text_of(license, "type") + ", " + seats);
  add("clients",
      fmt::format("{} of {}", number_of(license, "active_clients").value_or(0), limit_text(license, "max_clients")));
  add("issued", time_or(license, "issued_at", ""));
  if (number_of(license, "starts_at") != number_of(license, "issued_at"))
    add("starts", time_or(license, "starts_at", ""));
  add("expires", time_or(license, "expires_at", "never"));
  add("features", entitlements_text(license));
  if (const json::object overrides = object_of(license, "overrides"); !overrides.empty()) {
    add("overrides", json::serialize(overrides));
  }
  session.output().print(table);
}

std::string client_state(const json::object& client) {
  if (is_true(client, "blocked")) return "blocked";
  if (!is_true(client, "held")) return text_of(client, "status") == "lease_expired" ? "lease ended" : "released";
  return is_true(client, "over_limit") ? "over limit" : "active";
}

json::object read_assignments(const std::vector<std::string>& texts) {
  json::object members;
  for (const std::string& text : texts) {
    add_member(members, "--set", required_value("--set", text, parse_assignment(text)));
  }
  return members;
}

}  // namespace lictor::cli
