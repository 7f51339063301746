// Changes of one license: terms, dates, holder, status.
#include <fmt/format.h>

#include <algorithm>

#include "api/admin.h"
#include "api/admin_license.h"
#include "api/admin_names.h"
#include "api/admin_view.h"
#include "api/signed_request.h"
#include "base/encoding.h"

namespace lictor::api {
namespace {

namespace json = boost::json;
using licensing::Code;
using store::LicenseDetails;

std::string license_id(const LicenseDetails& details) {
  return base::format_id(base::kLicensePrefix, details.license.id);
}

// Changes `details`, or says why not. `action` and `detail` of the event are filled in; an empty action: nothing to do.
struct Edit {
  std::string action, detail, message;
  std::optional<Failure> failure;
};
using EditLicense = std::function<Edit(Change&, LicenseDetails&, const Arguments&)>;

Edit edit_refused(const RequestFault& fault) { return {{}, {}, {}, refused(fault).failure}; }

// Lock, compare with If-Match, edit, store, show.
void edit_license(Call& call, EditLicense edit) {
  const auto arguments = read_arguments(call);
  if (!arguments) return;
  const auto ref = ref_of_id(call.path_id);
  if (!ref) return call.fail(Code::not_found);
  submit_change(call,
                [ref = *ref, edit = std::move(edit), arguments = *arguments](Change& change) {
                  auto details = lock_license(change, ref);
                  if (!details) return refused(Code::not_found);
                  if (auto failure = change.refuse_stale(license_etag(change.app, *details))) return refused(*failure);
                  Edit done = edit(change, *details, arguments);
                  if (done.failure) return refused(*done.failure);
                  if (!done.action.empty()) {
                    store_license(change, *details);
                    change.record(done.action, license_id(*details), done.detail);
                  }
                  return show_changed(change, *details, done.message);
                },
                {.exists = "A license with this key exists already", .in_use = {}});
}

// ---- PATCH ----

std::string optional_time(base::UnixSeconds time) { return time == licensing::kNever ? "null" : std::to_string(time); }
std::string object_text(const std::string& text) { return text.empty() ? "{}" : text; }

std::optional<RequestFault> change_policy(Change& change, LicenseDetails& details, const std::string& name) {
  const auto terms = change.app.catalog.terms(details.license.policy, details.license.overrides);
  std::optional<RequestFault> fault;
  const auto policy = named_policy(change.app, *terms->product, name, fault);
  if (policy) details.license.policy = policy->stored.row;
  return fault;
}

std::optional<RequestFault> change_members(Change& change, LicenseDetails& details, const Arguments& arguments) {
  licensing::License& state = details.license.state;
  if (const auto holder = arguments.text("holder")) details.holder = *holder;
  if (arguments.is_null("holder")) details.holder.clear();
  if (const auto policy = arguments.text("policy")) {
    if (auto fault = change_policy(change, details, *policy)) return fault;
  }
  if (const auto time = arguments.integer("starts_at")) state.starts_at = *time;
  if (const auto time = arguments.integer("expires_at")) state.expires_at = *time;
  if (arguments.is_null("expires_at")) state.expires_at = licensing::kNever;
  if (state.expires_at <= state.starts_at) return bad_request("expires_at", "must be after starts_at");
  std::optional<RequestFault> fault;
  auto overrides = change_terms(details.license.overrides, {arguments.object("overrides"), arguments.array("unset")},
                                "overrides", fault);
  if (!overrides) return fault;
  details.license.overrides = *std::move(overrides);
  return std::nullopt;
}

Edit patch(Change& change, LicenseDetails& details, const Arguments& arguments) {
  if (auto failure = refuse_revoked(details)) return {{}, {}, {}, failure};
  const LicenseDetails before = details;
  const auto policy_name = [&](const LicenseDetails& license) {
    const auto terms = change.app.catalog.terms(license.license.policy, license.license.overrides);
    return base::json_string(terms->policy->stored.name);
  };
  if (const auto fault = change_members(change, details, arguments)) return edit_refused(*fault);
  ChangedMembers members;
  members.add("holder", base::json_string(before.holder), base::json_string(details.holder));
  members.add("policy", policy_name(before), policy_name(details));
  members.add("starts_at", std::to_string(before.license.state.starts_at),
              std::to_string(details.license.state.starts_at));
  members.add("expires_at", optional_time(before.license.state.expires_at),
              optional_time(details.license.state.expires_at));
  members.add("overrides", object_text(before.license.overrides), object_text(details.license.overrides));
  if (members.empty()) return {{}, {}, "License is as it was", {}};
  return {"license.changed", members.detail(arguments.text_or("reason")), "License changed", {}};
}

// ---- expiry ----

Edit set_expiry(LicenseDetails& details, base::UnixSeconds time, std::string_view action, std::string_view message,
                const Arguments& arguments) {
  licensing::License& state = details.license.state;
  if (time > kMaxTime) return edit_refused(bad_request("seconds", "would lead beyond the year 9999"));
  if (time <= state.starts_at) return edit_refused(bad_request("expires_at", "must be after starts_at"));
  ChangedMembers members;
  members.add("expires_at", optional_time(state.expires_at), optional_time(time));
  if (members.empty()) return {{}, {}, "License is as it was", {}};
  state.expires_at = time;
  return {std::string(action), members.detail(arguments.text_or("reason")), std::string(message), {}};
}

Edit renew(Change& change, LicenseDetails& details, const Arguments& arguments) {
  if (auto failure = refuse_revoked(details)) return {{}, {}, {}, failure};
  const auto terms = change.app.catalog.terms(details.license.policy, details.license.overrides);
  const auto given = arguments.integer("expires_at");
  const auto time = given ? given : licensing::renewed_expiry(details.license.state, terms->terms, change.now);
  if (!time) {
    return edit_refused(
        bad_request("expires_at", "is needed: the license has no duration to add, or does not expire yet"));
  }
  return set_expiry(details, *time, "license.renewed", "License renewed", arguments);
}

Edit extend(Change&, LicenseDetails& details, const Arguments& arguments) {
  if (auto failure = refuse_revoked(details)) return {{}, {}, {}, failure};
  const auto seconds = arguments.integer("seconds");
  const auto time = arguments.integer("expires_at");
  const base::UnixSeconds expires_at = details.license.state.expires_at;
  if (seconds.has_value() == time.has_value())
    return edit_refused(bad_request("seconds", "or expires_at must be given, not both"));
  if (time && *time < expires_at && expires_at != licensing::kNever)
    return edit_refused(bad_request("expires_at", "must not be before the present expiry; PATCH shortens a license"));
  if (expires_at == licensing::kNever)
    return edit_refused(bad_request(seconds ? "seconds" : "expires_at", "can't extend a license that does not expire"));
  return set_expiry(details, time ? *time : expires_at + *seconds, "license.extended", "License extended", arguments);
}

// ---- status, transfer ----

Edit change_status(LicenseDetails& details, licensing::StatusCommand command, const Arguments& arguments) {
  constexpr std::string_view kActions[] = {"license.suspended", "license.resumed", "license.revoked"};
  constexpr std::string_view kMessages[] = {"License suspended", "License resumed", "License revoked"};
  const auto at = static_cast<std::size_t>(command);
  const licensing::Decision decision = licensing::decide(details.license.state, command);
  if (decision.denial) return {{}, {}, {}, describe(*decision.denial)};
  if (!decision.license) return {{}, {}, std::string(kMessages[at]), {}};
  details.license.state = *decision.license;
  return {std::string(kActions[at]), reason_detail(arguments.text_or("reason")), std::string(kMessages[at]), {}};
}

void release_all(Change& change, LicenseDetails& details) {
  for (store::ClientView& client : change.tx.held_clients(details.license.row)) {
    release_seat(change, details, client, "transferred");
    store_client(change, details, client);
  }
}

Edit transfer(Change& change, LicenseDetails& details, const Arguments& arguments) {
  if (auto failure = refuse_revoked(details)) return {{}, {}, {}, failure};
  const bool new_key = arguments.boolean("new_key").value_or(false);
  const std::string holder = arguments.text_or("holder");
  ChangedMembers members;
  members.add("holder", base::json_string(details.holder), base::json_string(holder));
  members.add("key", "\"old\"", new_key ? "\"new\"" : "\"old\"");
  details.holder = holder;
  if (!arguments.boolean("keep_clients").value_or(false)) {
    release_all(change, details);
    details.license.state.vacant_seats = 0;  // the new holder begins with all seats
  }
  if (new_key) {
    details.key = new_license_key();
    details.license.key_digest = change.app.key_digest(details.key);
  }
  return {"license.transferred", members.detail(arguments.text_or("reason")), "License transferred", {}};
}

template <licensing::StatusCommand kCommand>
void handle_status_command(Call& call) {
  edit_license(call, [](Change&, LicenseDetails& details, const Arguments& arguments) {
    return change_status(details, kCommand, arguments);
  });
}

}  // namespace

void handle_change_license(Call& call) { edit_license(call, patch); }
void handle_renew(Call& call) { edit_license(call, renew); }
void handle_extend(Call& call) { edit_license(call, extend); }
void handle_transfer(Call& call) { edit_license(call, transfer); }
void handle_suspend(Call& call) { handle_status_command<licensing::StatusCommand::suspend>(call); }
void handle_resume(Call& call) { handle_status_command<licensing::StatusCommand::resume>(call); }
void handle_revoke(Call& call) { handle_status_command<licensing::StatusCommand::revoke>(call); }

}  // namespace lictor::api
