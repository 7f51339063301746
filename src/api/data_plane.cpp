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

// False, and nothing answered: it would be a refusal, and may not be one.
bool decide_validate(Call& call, const Subject& subject, ValidateState& state, base::UnixSeconds now, bool may_refuse) {
  const ValidateRequest& request = state.request;
  Answer answer;
  answer.now = now;
  answer.license_id = state.view.id;
  answer.terms = std::move(state.view.terms);  // the thread keeps none: it may outlive the catalog
  const std::string_view client_id = request.client_id.value_or(std::string_view());
  if (const auto refusal = service::refuse_access(*answer.terms->product, subject.access)) {
    if (may_refuse) call.fail(*refusal);
    return may_refuse;
  }
  const licensing::Validate command{request.client_id.has_value(),
                                    request.fingerprint ? &*request.fingerprint : nullptr, request.client_version,
                                    request.features};
  const licensing::Activation* seat = state.view.has_activation ? &state.view.activation : nullptr;
  const licensing::Decision decision = licensing::decide(state.view.license, answer.terms->terms, seat, command, now);
  answer.denial = decision.denial;
  if (answer.denial) {
    if (may_refuse) refuse(call, answer, client_id);
    return may_refuse;
  }
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
  if (decision.writes()) {
    renew(call, subject, request, std::move(answer));
  } else {
    succeed_validate(call, answer, client_id, request.nonce);
  }
  return true;
}

struct Loaded {
  std::optional<store::LicenseView> view;
  service::TermsHandle terms;
  bool failed = false;  // the database can't be read
  bool shared = false;  // from the second level, which refuses nobody
};

// What is asked about a license.
struct LicenseQuestion {
  store::LicenseRef ref;
  std::optional<std::string> client_id;
  service::Access access;

  std::optional<std::string_view> client() const { return client_id; }
  bool by_key() const { return ref.by == store::LicenseRef::By::key_digest; }
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

void keep(App& app, const LicenseQuestion& question, const Loaded& loaded, std::uint64_t ticket) {
  const auto client = question.client();
  app.cache.fill(*loaded.view, loaded.terms, question.by_key(), client ? &*client : nullptr, ticket);
}

// Reads what the cache does not have, and gives it to the cache, and to the second level.
Loaded load(App& app, store::Reader& reader, const LicenseQuestion& question) {
  Loaded loaded;
  const std::uint64_t ticket = app.cache.fill_ticket();
  const auto mark = app.shared != nullptr ? app.shared->mark() : service::HistoryMark();
  loaded.view = reader.license(question.ref, question.client(), app.clock.now());
  if (!loaded.view) return loaded;
  loaded.terms = terms_of(app, loaded.view->license);
  keep(app, question, loaded, ticket);
  if (app.shared != nullptr) {
    app.shared->offer(*loaded.view, loaded.terms->policy->stored.id, question.client(), question.by_key(), mark);
  }
  return loaded;
}

// What the second level has. A license of another owner is read from the database for as long as one that does not
// exist (security.md, A8); a seat that nothing is bound to may have been bound since, of which no event tells.
std::shared_ptr<Loaded> load_shared(App& app, const LicenseQuestion& question) {
  auto loaded = std::make_shared<Loaded>();
  loaded->shared = true;
  const std::uint64_t ticket = app.cache.fill_ticket();
  loaded->view = app.shared->find(question.ref, question.client());
  if (!loaded->view) return nullptr;
  loaded->terms = app.catalog.terms(loaded->view->license.policy, loaded->view->license.overrides);
  if (service::refuse_access(*loaded->terms->product, question.access)) return nullptr;
  const auto& seat = loaded->view->activation;
  const bool unbound = seat && seat->fingerprint.kind == licensing::Fingerprint::Kind::absent;
  if (unbound && loaded->terms->terms.binding != licensing::Binding::none) return nullptr;
  keep(app, question, *loaded, ticket);
  return loaded;
}

void use(service::CachedView& view, const Loaded& loaded) {
  view.id = loaded.view->license.id;
  view.license = loaded.view->license.state;
  view.terms = loaded.terms;
  view.has_activation = loaded.view->activation.has_value();
  if (view.has_activation) view.activation = *loaded.view->activation;
}

// Whether memory has what other processes changed.
bool is_current(const App& app) { return app.feed == nullptr || app.feed->is_current(); }

using Answering = void (*)(Call&, const Loaded*);

ReadCall::Reply answer_with(Answering answer, std::shared_ptr<const Loaded> loaded) {
  return [answer, loaded = std::move(loaded)](Call& again) {
    if (authenticate(again)) answer(again, loaded.get());
  };
}

// What is answered when the database can't be read: from memory or the second level, for a while.
ReadCall::Reply answer_without_database(App& app, const LicenseQuestion& question, Answering answer) {
  if (app.feed == nullptr) return {};
  if (!app.feed->is_usable()) return [](Call& again) { again.fail(nothing_recorded(Code::unavailable)); };
  service::CachedView view;
  const auto client = question.client();
  const bool in_memory = app.cache.find(question.ref, client ? &*client : nullptr, app.clock.now(), view);
  auto loaded = in_memory || app.shared == nullptr ? nullptr : load_shared(app, question);
  if (!loaded) loaded = std::make_shared<Loaded>();
  loaded->failed = true;
  return answer_with(answer, std::move(loaded));
}

// Goes to a thread that may wait; `answer` is called again with what was found. `any`: wherever it is found; otherwise
// in the database alone.
void ask(Call& call, LicenseQuestion&& asked, Answering answer, bool any) {
  App& app = call.app();
  auto question = std::make_shared<const LicenseQuestion>(std::move(asked));
  const auto read = [&app, question, answer](store::Reader& reader) {
    return answer_with(answer, std::make_shared<Loaded>(load(app, reader, *question)));
  };
  const auto if_failed = [&app, question, answer] { return answer_without_database(app, *question, answer); };
  ReadCall::Substitute before;
  if (any && app.shared != nullptr && is_current(app)) {
    before = [&app, question, answer]() -> ReadCall::Reply {
      auto found = is_current(app) ? load_shared(app, *question) : nullptr;  // it may have waited
      return found ? answer_with(answer, std::move(found)) : ReadCall::Reply();
    };
  }
  ReadCall::submit(call, read, if_failed, std::move(before));
}

// Whether a decision can be made from what was kept somewhere. What version a client told is not (or not for sure);
// where a decision needs it, the database is asked. Nor is a license of another owner answered from memory: it must
// take as long as one that does not exist (security.md, A8).
bool is_enough(const Subject& subject, const ValidateState& state, base::UnixSeconds now) {
  const ValidateRequest& request = state.request;
  if (service::refuse_access(*state.view.terms->product, subject.access)) return false;
  // Another process may have seen a check-in that it told nobody of.
  if (licensing::is_check_in_overdue(state.view.license, state.view.terms->terms, now)) return false;
  const bool needs_version = request.client_id && request.client_version.empty();
  return !needs_version || !licensing::depends_on_version(state.view.license, state.view.terms->terms, now);
}

bool find_cached(App& app, const Subject& subject, ValidateState& state, base::UnixSeconds now) {
  const auto& client_id = state.request.client_id;
  return app.cache.find(subject.ref, client_id ? &*client_id : nullptr, now, state.view, subject.place) &&
         is_enough(subject, state, now);
}

bool use_shared(const Subject& subject, ValidateState& state, const Loaded& loaded, base::UnixSeconds now) {
  use(state.view, loaded);
  return is_enough(subject, state, now);
}

void validate(Call& call, const Loaded* loaded) {
  thread_local ValidateState state;
  state.request = {};
  const auto subject = read_signed(call, state.body, state.request);
  if (!subject) return;
  const base::UnixSeconds now = call.app().clock.now();
  const bool is_shared = loaded != nullptr && loaded->shared;
  bool known = false;
  if (is_shared) {
    known = use_shared(*subject, state, *loaded, now);
  } else if (loaded != nullptr && !loaded->failed) {
    if (!loaded->view) return call.fail(service::unknown_license(subject->access));
    use(state.view, *loaded);
    known = true;
  } else {
    known = (loaded != nullptr || is_current(call.app())) && find_cached(call.app(), *subject, state, now);
  }
  if (known && decide_validate(call, *subject, state, now, !is_shared)) return;
  state.view.terms = {};
  if (loaded != nullptr && loaded->failed) return call.fail(nothing_recorded(Code::unavailable));
  const auto& client_id = state.request.client_id;
  ask(call, {subject->ref, client_id ? std::optional<std::string>(*client_id) : std::nullopt, subject->access},
      validate, loaded == nullptr);
}

void get_license(Call& call, const Loaded* loaded) {
  const auto ref = ref_of_id(call.path_id);
  if (!ref) return call.fail(Code::not_found);
  service::CachedView view;
  const base::UnixSeconds now = call.app().clock.now();
  if (loaded != nullptr && loaded->view) {
    use(view, *loaded);
  } else if (loaded != nullptr && loaded->failed) {
    const bool found = call.app().cache.find(*ref, nullptr, now, view);
    const bool foreign = found && call.caller->product != 0 && view.terms->product->stored.row != call.caller->product;
    if (!found || foreign) return call.fail(nothing_recorded(Code::unavailable));
  } else if (loaded != nullptr) {
    return call.fail(Code::not_found);
  } else if (!is_current(call.app()) || !call.app().cache.find(*ref, nullptr, now, view)) {
    service::Access access;
    access.product = call.caller->product;
    access.is_signed = true;  // not asked for here
    return ask(call, {*ref, std::nullopt, access}, get_license, true);
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
