#include "api/signed_request.h"

#include <array>

#include "auth/guide_signature.h"
#include "licensing/license_key.h"

namespace lictor::api {
namespace {

using licensing::Code;

std::optional<std::string_view> text_to_verify(const JsonBody& body) {
  std::array<auth::SignedMember, 16> members;
  std::size_t count = 0;
  body.for_each_member([&](const JsonMember& member) {
    if (member.known == JsonName::signature || count == members.size()) return;
    const bool plain = member.kind == JsonKind::string || member.kind == JsonKind::integer;
    members[count++] = {member.name, member.text, plain};
  });
  return auth::signed_text(std::span(members).first(count));
}

// Nothing when the signature holds.
std::optional<Code> refuse_signature(Call& call, const JsonBody& body, std::string_view signature, Subject& subject) {
  if (call.caller == nullptr) return Code::signature_invalid;  // without an API key there is nothing to verify with
  const auto text = text_to_verify(body);
  if (!text) return Code::signature_ambiguous;
  call.app().cache.prefetch_seat(subject.place);
  if (!auth::verify_guide_signature(*text, signature, *call.caller->hmac, subject.mac)) return Code::signature_invalid;
  return std::nullopt;
}

}  // namespace

bool is_json_content(std::string_view content_type) {
  constexpr std::string_view kJson = "application/json";
  if (!http::equal_names(content_type.substr(0, kJson.size()), kJson)) return false;
  content_type.remove_prefix(kJson.size());
  return content_type.empty() || content_type.front() == ';' || content_type.front() == ' ';
}

std::optional<store::LicenseRef> ref_of_key(const App& app, std::string_view license_key) {
  const auto normalized = licensing::normalize_license_key(license_key);
  if (!normalized) return std::nullopt;
  return store::LicenseRef{store::LicenseRef::By::key_digest, app.key_digest(normalized->view())};
}

std::optional<store::LicenseRef> ref_of_id(std::string_view license_id) {
  const auto id = base::parse_id(base::kLicensePrefix, license_id);
  if (!id) return std::nullopt;
  return store::LicenseRef{store::LicenseRef::By::id, *id};
}

bool read_json(Call& call, JsonBody& body) {
  if (!is_json_content(call.request().header("Content-Type"))) return call.fail(Code::unsupported_media_type), false;
  if (const auto problem = body.parse(call.request().body)) {
    return call.fail(RequestFault{Code::bad_request, problem->field, problem->message}), false;
  }
  return true;
}

std::optional<store::LicenseRef> find_ref(Call& call, const JsonBody& body) {
  const auto string_at = [&body](JsonName name) {
    const JsonMember* const member = body.find(name);
    return member != nullptr && member->kind == JsonKind::string ? member : nullptr;
  };
  std::optional<store::LicenseRef> ref;
  if (const JsonMember* const key = string_at(JsonName::license_key)) {
    ref = ref_of_key(call.app(), key->text);
  } else if (const JsonMember* const id = string_at(JsonName::license_id)) {
    ref = ref_of_id(id->text);
  }
  if (ref) call.app().cache.prefetch(*ref);
  return ref;
}

std::optional<Subject> verify(Call& call, const JsonBody& body, const RequestBasics& basics,
                              const std::optional<store::LicenseRef>& ref) {
  Subject subject;
  const auto refuse = [&](Code code) { return call.fail(code), std::nullopt; };
  subject.access.license_key_only = call.caller == nullptr;
  // An id is no credential: only a key may stand for one.
  if (call.caller == nullptr && !basics.license_key) return refuse(Code::unauthenticated);
  if (ref) subject.place = call.app().cache.approach(*ref);
  if (basics.timestamp && !auth::is_fresh(*basics.timestamp, call.app().clock.now())) return refuse(Code::clock_skew);
  if (basics.signature) {
    if (const auto code = refuse_signature(call, body, *basics.signature, subject)) return refuse(*code);
    subject.access.is_signed = basics.timestamp.has_value();
  }
  if (call.caller != nullptr) {
    if (call.caller->require_signature && !subject.access.is_signed) return refuse(Code::signature_invalid);
    subject.access.product = call.caller->product;
  }
  if (!ref) return refuse(service::unknown_license(subject.access));
  subject.ref = *ref;
  return subject;
}

}  // namespace lictor::api
