#include "api/data_plane.h"

#include "api/license_data.h"
#include "api/routes.h"
#include "api/signed_request.h"
#include "base/encoding.h"

namespace lictor::api {
namespace {

using licensing::Code;
using service::Answer;

std::string license_text(const Answer& answer) {
  return answer.license_id ? base::format_id(base::kLicensePrefix, answer.license_id) : std::string();
}

void refuse(Call& call, const Answer& answer, std::string_view client_id) {
  call.concerned.license = answer.license_id;
  if (answer.terms) call.concerned.product = answer.terms->product->stored.row;
  const Failure failure = describe(*answer.denial);
  call.app().log.warning("license.refused", "License refused",
                         {{"endpoint", call.route().endpoint},
                          {"code", licensing::wire_name(failure.code)},
                          {"license_id", license_text(answer)},
                          {"client_id", client_id},
                          {"request_id", call.request_id()}});
  call.fail(failure);
}

void log_seat(Call& call, const Answer& answer, std::string_view client_id, std::string_view event,
              std::string_view message) {
  call.app().log.info(event, message,
                      {{"license_id", license_text(answer)},
                       {"client_id", client_id},
                       {"seats_held", answer.license.seats_held},
                       {"request_id", call.request_id()}});
}

// Of a seat that was granted or renewed. The log has the license when a seat brings it over the line; the metric goes
// on counting as long as it is there.
void note_nearly_full(Call& call, const Answer& answer) {
  const licensing::Terms& terms = answer.terms->terms;
  const std::uint32_t held = answer.license.seats_held;
  if (!licensing::is_nearly_full(held, terms)) return;
  call.app().nearly_full->add();
  if (answer.seat != licensing::SeatChange::granted || licensing::is_nearly_full(held - 1, terms)) return;
  call.app().log.warning("license.nearly_full", "A tenth of the seats or less is free",
                         {{"license_id", license_text(answer)},
                          {"seats_held", held},
                          {"max_clients", terms.max_clients},
                          {"request_id", call.request_id()}});
}

std::string& begin_data() {
  std::string& body = Call::begin_success();
  body += '{';
  return body;
}

service::Urgency urgency_of(Call& call, const store::LicenseRef& ref, std::string_view client_id) {
  if (call.app().writes.is_short()) return service::Urgency::new_work;
  service::CachedView view;
  const bool holds = call.app().cache.find(ref, &client_id, call.app().clock.now(), view);
  return holds ? service::Urgency::renewal : service::Urgency::new_work;
}

void reply_activate(Call& call, LicenseCall& job) {
  const Answer& answer = job.answer;
  if (answer.denial) return refuse(call, answer, job.client_id);
  const bool granted = answer.seat == licensing::SeatChange::granted;
  if (granted) log_seat(call, answer, job.client_id, "seat.granted", "License activated");
  note_nearly_full(call, answer);
  std::string& data = begin_data();
  append_license_data(data, answer, job.client_id);
  data += '}';
  call.end_success(200, data, granted ? "License activated successfully" : "License is activated already");
}

void reply_deactivate(Call& call, LicenseCall& job) {
  const Answer& answer = job.answer;
  if (answer.denial) return refuse(call, answer, job.client_id);
  const bool released = answer.seat == licensing::SeatChange::released;
  if (released) log_seat(call, answer, job.client_id, "seat.released", "License deactivated");
  std::string& data = begin_data();
  data += "\"license_id\":" + base::json_string(license_text(answer)) + ",\"client_id\":";
  base::append_json_string(data, job.client_id);
  data += released ? ",\"released\":true,\"active_clients\":" : ",\"released\":false,\"active_clients\":";
  base::append_number(data, answer.license.seats_held);
  append_time(data, "server_time", answer.now);
  data += '}';
  call.end_success(200, data, released ? "License deactivated successfully" : "Client holds no seat");
}

void reply_usage(Call& call, LicenseCall& job) {
  const Answer& answer = job.answer;
  if (answer.denial) return refuse(call, answer, job.client_id);
  std::string& data = begin_data();
  data += "\"license_id\":" + base::json_string(license_text(answer)) + ",";
  data += answer.usage;
  data += '}';
  call.end_success(200, data, "Usage recorded");
}

void succeed_validate(Call& call, const Answer& answer, std::string_view client_id, std::string_view nonce) {
  std::string& data = begin_data();
  append_license_data(data, answer, client_id);
  if (!nonce.empty()) {
    data += ",\"nonce\":";
    base::append_json_string(data, nonce);
  }
  data += '}';
  call.end_success(200, data, "License is valid");
}

struct ValidateState {  // of one I/O thread, reused
  JsonBody body;
  ValidateRequest request;
  service::CachedView view;
};

void reply_validate(Call& call, LicenseCall& job) {
  if (job.answer.denial) return refuse(call, job.answer, job.client_id);
  note_nearly_full(call, job.answer);
  JsonBody body;
  const JsonMember* const nonce = body.parse(call.request().body) ? nullptr : body.find(JsonName::nonce);
  succeed_validate(call, job.answer, job.client_id, nonce != nullptr ? nonce->text : std::string_view());
}

// A lease that is due to be extended: decided again, in a transaction. What it is worth without is answered when there
// can be none.
void renew(Call& call, const Subject& subject, const ValidateRequest& request, Answer&& unrenewed) {
  auto job = std::make_unique<LicenseCall>(call, reply_validate);
  job->ref = subject.ref;
  job->access = subject.access;
  job->client_id = *request.client_id;
  service::ValidateInput input{true, request.fingerprint, std::string(request.client_version), {}};
  input.features.assign(request.features.begin(), request.features.end());
  job->command = std::move(input);
  job->unrecorded = std::move(unrenewed);
  LicenseCall::submit(call, std::move(job), service::Urgency::renewal);
}

void decide_validate(Call& call, const Subject& subject, ValidateState& state, base::UnixSeconds now) {
  const ValidateRequest& request = state.request;
  Answer answer;
  answer.now = now;
  answer.license_id = state.view.id;
  answer.terms = std::move(state.view.terms);  // the thread keeps none: it may outlive the catalog
  const std::string_view client_id = request.client_id.value_or(std::string_view());
  if (const auto refusal = service::refuse_access(*answer.terms->product, subject.access)) return call.fail(*refusal);
  const licensing::Validate command{request.client_id.has_value(),
                                    request.fingerprint ? &*request.fingerprint : nullptr, request.client_version,
                                    request.features};
  const licensing::Activation* seat = state.view.has_activation ? &state.view.activation : nullptr;
  const licensing::Decision decision = licensing::decide(state.view.license, answer.terms->terms, seat, command, now);
  answer.denial = decision.denial;
  if (answer.denial) return refuse(call, answer, client_id);
  answer.license = state.view.license;
  answer.over_limit = decision.over_limit;
  answer.expired = decision.expired;
  answer.grace_until = decision.grace_until;
  if (seat != nullptr) {
    answer.names_client = true;
    answer.client = seat->client;
    answer.activated_at = seat->activated_at;
    answer.lease_expires_at = seat->lease_expires_at;
  }
  if (decision.writes()) return renew(call, subject, request, std::move(answer));
  succeed_validate(call, answer, client_id, request.nonce);
}

struct Loaded {
  std::optional<store::LicenseView> view;
  service::TermsHandle terms;
  bool failed = false;  // the database can't be read
};

constexpr std::chrono::milliseconds kCatchUp{1000};

// Of a policy that another process may have made a moment ago. On a thread that reads the database.
service::TermsHandle terms_of(App& app, const store::LicenseRow& license) {
  try {
    return app.catalog.terms(license.policy, license.overrides);
  } catch (const std::runtime_error&) {
    if (app.feed == nullptr || !app.feed->catch_up(kCatchUp)) throw;
    return app.catalog.terms(license.policy, license.overrides);
  }
}

// Reads what the cache does not have, and gives it to the cache.
Loaded load(App& app, store::Reader& reader, const store::LicenseRef& ref,
            const std::optional<std::string>& client_id) {
  Loaded loaded;
  const std::uint64_t ticket = app.cache.fill_ticket();
  const std::optional<std::string_view> client(client_id);
  loaded.view = reader.license(ref, client, app.clock.now());
  if (!loaded.view) return loaded;
  loaded.terms = terms_of(app, loaded.view->license);
  app.cache.fill(*loaded.view, loaded.terms, ref.by == store::LicenseRef::By::key_digest, client ? &*client : nullptr,
                 ticket);
  return loaded;
}

void use(service::CachedView& view, Loaded& loaded) {
  view.id = loaded.view->license.id;
  view.license = loaded.view->license.state;
  view.terms = loaded.terms;
  view.has_activation = loaded.view->activation.has_value();
  if (view.has_activation) view.activation = *loaded.view->activation;
}

// Whether memory has what other processes changed.
bool is_current(const App& app) { return app.feed == nullptr || app.feed->is_current(); }

// What is answered when the database can't be read: from memory, for a while.
ReadCall::Reply stale_answer(const App& app, void (*answer)(Call&, Loaded*)) {
  if (app.feed == nullptr) return {};
  return [answer](Call& again) {
    if (!again.app().feed->is_usable()) return again.fail(nothing_recorded(Code::unavailable));
    Loaded failed;
    failed.failed = true;
    if (authenticate(again)) answer(again, &failed);
  };
}

// The cache does not keep what version a client told; where a decision needs it, the database is asked.
// Nor is a license of another owner answered from it: it must take as long as one that does not exist (security.md,
// A8).
bool find_cached(App& app, const Subject& subject, ValidateState& state, base::UnixSeconds now) {
  const ValidateRequest& request = state.request;
  if (!app.cache.find(subject.ref, request.client_id ? &*request.client_id : nullptr, now, state.view, subject.place))
    return false;
  if (service::refuse_access(*state.view.terms->product, subject.access)) return false;
  // Another process may have seen a check-in that it told nobody of.
  if (licensing::is_check_in_overdue(state.view.license, state.view.terms->terms, now)) return false;
  const bool needs_version = request.client_id && request.client_version.empty();
  return !needs_version || !licensing::depends_on_version(state.view.license, state.view.terms->terms, now);
}

void validate(Call& call, Loaded* loaded) {
  thread_local ValidateState state;
  state.request = {};
  const auto subject = read_signed(call, state.body, state.request);
  if (!subject) return;
  const base::UnixSeconds now = call.app().clock.now();
  const auto& client_id = state.request.client_id;
  if (loaded != nullptr && loaded->failed) {
    if (!find_cached(call.app(), *subject, state, now)) {
      state.view.terms = {};
      return call.fail(nothing_recorded(Code::unavailable));
    }
  } else if (loaded != nullptr) {
    if (!loaded->view) return call.fail(service::unknown_license(subject->access));
    use(state.view, *loaded);
  } else if (!is_current(call.app()) || !find_cached(call.app(), *subject, state, now)) {
    state.view.terms = {};
    const auto read = [&app = call.app(), ref = subject->ref,
                       client = std::optional<std::string>(client_id)](store::Reader& reader) -> ReadCall::Reply {
      auto found = std::make_shared<Loaded>(load(app, reader, ref, client));
      return [found](Call& again) {
        if (authenticate(again)) validate(again, found.get());
      };
    };
    return ReadCall::submit(call, read, stale_answer(call.app(), validate));
  }
  decide_validate(call, *subject, state, now);
}

void get_license(Call& call, Loaded* loaded) {
  const auto ref = ref_of_id(call.path_id);
  if (!ref) return call.fail(Code::not_found);
  service::CachedView view;
  const base::UnixSeconds now = call.app().clock.now();
  if (loaded != nullptr && loaded->failed) {
    const bool found = call.app().cache.find(*ref, nullptr, now, view);
    const bool foreign = found && call.caller->product != 0 && view.terms->product->stored.row != call.caller->product;
    if (!found || foreign) return call.fail(nothing_recorded(Code::unavailable));
  } else if (loaded != nullptr) {
    if (!loaded->view) return call.fail(Code::not_found);
    use(view, *loaded);
  } else if (!is_current(call.app()) || !call.app().cache.find(*ref, nullptr, now, view)) {
    const auto read = [&app = call.app(), ref = *ref](store::Reader& reader) -> ReadCall::Reply {
      auto found = std::make_shared<Loaded>(load(app, reader, ref, std::nullopt));
      return [found](Call& again) {
        if (authenticate(again)) get_license(again, found.get());
      };
    };
    return ReadCall::submit(call, read, stale_answer(call.app(), get_license));
  }
  if (call.caller->product != 0 && view.terms->product->stored.row != call.caller->product)
    return call.fail(Code::not_found);
  Answer answer;
  answer.now = now;
  answer.license_id = view.id;
  answer.license = view.license;
  answer.terms = view.terms;
  std::string& data = begin_data();
  append_license_data(data, answer, {});
  data += '}';
  call.end_success(200, data, "License found");
}

}  // namespace

void handle_validate(Call& call) { validate(call, nullptr); }
void handle_get_license(Call& call) { get_license(call, nullptr); }

void handle_activate(Call& call) {
  thread_local JsonBody body;
  ActivateRequest request;
  const auto subject = read_signed(call, body, request);
  if (!subject) return;
  auto job = std::make_unique<LicenseCall>(call, reply_activate);
  job->ref = subject->ref;
  job->access = subject->access;
  job->client_id = request.client_id;
  job->command = service::ActivateInput{request.fingerprint, std::string(request.client_version), crypto::random_id()};
  const service::Urgency urgency = urgency_of(call, subject->ref, request.client_id);
  LicenseCall::submit(call, std::move(job), urgency);
}

void handle_deactivate(Call& call) {
  thread_local JsonBody body;
  DeactivateRequest request;
  const auto subject = read_signed(call, body, request);
  if (!subject) return;
  auto job = std::make_unique<LicenseCall>(call, reply_deactivate);
  job->ref = subject->ref;
  job->access = subject->access;
  job->client_id = request.client_id;
  job->command = service::DeactivateInput{};
  // What frees a seat is worth more under load than what takes one.
  LicenseCall::submit(call, std::move(job), service::Urgency::renewal);
}

void handle_usage(Call& call) {
  thread_local JsonBody body;
  UsageRequest request;
  const auto subject = read_signed(call, body, request);
  if (!subject) return;
  auto job = std::make_unique<LicenseCall>(call, reply_usage);
  job->ref = subject->ref;
  job->access = subject->access;
  job->client_id = request.client_id.value_or(std::string_view());
  service::UsageInput input{request.client_id.has_value(),
                            std::string(request.metric),
                            request.quantity,
                            std::string(request.idempotency_key),
                            {},
                            {}};
  const crypto::Prf& digest = call.app().key_digest;
  // Neither a number nor a metric holds a space, so no other members give the same text.
  input.request = digest("usage " + std::to_string(input.quantity) + " " + input.metric + " " + job->client_id);
  if (subject->access.is_signed) {
    input.signature = digest({reinterpret_cast<const char*>(subject->mac.data()), subject->mac.size()});
  }
  job->command = std::move(input);
  LicenseCall::submit(call, std::move(job), service::Urgency::new_work);
}

}  // namespace lictor::api
