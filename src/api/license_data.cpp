#include "api/license_data.h"

#include "base/encoding.h"
#include "base/text_writer.h"

namespace lictor::api {
namespace {

using base::TextWriter;

void write_id(TextWriter& out, std::string_view prefix, const base::Id& id) {
  out.text("\"").text(prefix).text("_");
  base::write_id_digits(id, out.skip(base::kIdDigits));
  out.text("\"");
}

// `name` with its comma, quotes and colon.
void write_time(TextWriter& out, std::string_view name, base::UnixSeconds time) {
  out.text(name);
  time == licensing::kNever ? out.text("null") : out.number(time);
}

void write_client(TextWriter& out, const service::Answer& answer, std::string_view client_id) {
  thread_local std::string quoted;
  quoted.clear();
  base::append_json_string(quoted, client_id);
  out.text(R"(,"client":{"id":)");
  write_id(out, base::kClientPrefix, answer.client);
  out.text(R"(,"client_id":)").text(quoted);
  write_time(out, R"(,"activated_at":)", answer.activated_at);
  write_time(out, R"(,"lease_expires_at":)", answer.lease_expires_at);
  out.text("}");
}

void write_warnings(TextWriter& out, const service::Answer& answer) {
  if (!answer.expired && !answer.over_limit) return;
  out.text(R"(,"warnings":[)");
  if (answer.expired) out.text(R"("LICENSE_EXPIRED")");
  if (answer.over_limit) out.text(answer.expired ? R"(,"MAX_CLIENTS_REACHED")" : R"("MAX_CLIENTS_REACHED")");
  out.text("]");
}

// What follows from the terms alone: rendered once, unless a feature has expired since.
void write_terms(TextWriter& out, const service::TermsEntry& entry, base::UnixSeconds now) {
  if (now < entry.fragment_until) return void(out.text(entry.fragment));
  std::string features;
  service::append_features(features, entry.terms, now);
  out.text(R"("type":")").text(service::name_of(entry.terms.type)).text(R"(",)").text(features);
}

}  // namespace

void append_time(std::string& out, std::string_view name, base::UnixSeconds time) {
  out.append(",\"").append(name).append("\":");
  time == licensing::kNever ? void(out += "null") : base::append_number(out, time);
}

void append_license_data(std::string& data, const service::Answer& answer, std::string_view client_id) {
  constexpr std::size_t kUsual = 512;
  const service::TermsEntry& entry = *answer.terms;
  const licensing::License& license = answer.license;
  TextWriter out(data, kUsual + entry.fragment.size() + client_id.size());
  out.text(R"("license_id":)");
  write_id(out, base::kLicensePrefix, answer.license_id);
  out.text(R"(,"status":")").text(licensing::status_text(license, entry.terms, answer.now)).text(R"(",)");
  write_terms(out, entry, answer.now);
  write_time(out, R"(,"expires_at":)", license.expires_at);
  out.text(R"(,"max_clients":)");
  entry.terms.max_clients == licensing::kUnlimited ? out.text("null") : out.number(entry.terms.max_clients);
  out.text(R"(,"active_clients":)").number(license.seats_held);
  write_time(out, R"(,"issued_at":)", license.issued_at);
  answer.names_client ? write_client(out, answer, client_id) : void(out.text(R"(,"client":null)"));
  write_time(out, R"(,"grace_until":)", answer.grace_until == 0 ? licensing::kNever : answer.grace_until);
  write_time(out, R"(,"server_time":)", answer.now);
  write_warnings(out, answer);
}

}  // namespace lictor::api
