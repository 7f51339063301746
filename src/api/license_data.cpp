#include "api/license_data.h"

#include "base/encoding.h"

namespace lictor::api {
namespace {

void append_id(std::string& out, std::string_view prefix, const base::Id& id) {
  char digits[base::kIdDigits];
  base::write_id_digits(id, digits);
  out += '"';
  out.append(prefix).append("_").append(digits, base::kIdDigits);
  out += '"';
}

void append_client(std::string& out, const service::Answer& answer, std::string_view client_id) {
  out += ",\"client\":{\"id\":";
  append_id(out, base::kClientPrefix, answer.client);
  out += ",\"client_id\":";
  base::append_json_string(out, client_id);
  append_time(out, "activated_at", answer.activated_at);
  append_time(out, "lease_expires_at", answer.lease_expires_at);
  out += '}';
}

void append_warnings(std::string& out, const service::Answer& answer) {
  if (!answer.expired && !answer.over_limit) return;
  out += ",\"warnings\":[";
  if (answer.expired) out += "\"LICENSE_EXPIRED\"";
  if (answer.over_limit) out += answer.expired ? ",\"MAX_CLIENTS_REACHED\"" : "\"MAX_CLIENTS_REACHED\"";
  out += ']';
}

}  // namespace

void append_time(std::string& out, std::string_view name, base::UnixSeconds time) {
  out.append(",\"").append(name).append("\":");
  time == licensing::kNever ? void(out += "null") : base::append_number(out, time);
}

void append_license_data(std::string& out, const service::Answer& answer, std::string_view client_id) {
  const service::TermsEntry& entry = *answer.terms;
  const licensing::License& license = answer.license;
  out += "\"license_id\":";
  append_id(out, base::kLicensePrefix, answer.license_id);
  out += ",\"status\":\"";
  out += licensing::status_text(license, entry.terms, answer.now);
  out += "\",";
  if (answer.now < entry.fragment_until) {
    out += entry.fragment;
  } else {
    out.append("\"type\":\"").append(service::name_of(entry.terms.type)).append("\",");
    service::append_features(out, entry.terms, answer.now);
  }
  append_time(out, "expires_at", license.expires_at);
  out += ",\"max_clients\":";
  entry.terms.max_clients == licensing::kUnlimited ? void(out += "null")
                                                   : base::append_number(out, entry.terms.max_clients);
  out += ",\"active_clients\":";
  base::append_number(out, license.seats_held);
  append_time(out, "issued_at", license.issued_at);
  if (answer.names_client) {
    append_client(out, answer, client_id);
  } else {
    out += ",\"client\":null";
  }
  append_time(out, "grace_until", answer.grace_until == 0 ? licensing::kNever : answer.grace_until);
  append_time(out, "server_time", answer.now);
  append_warnings(out, answer);
}

}  // namespace lictor::api
