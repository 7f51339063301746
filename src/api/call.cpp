#include "api/call.h"

#include <chrono>

#include "api/routes.h"
#include "base/encoding.h"

namespace lictor::api {
namespace {

constexpr std::string_view kJson = "application/json";

bool wants_problem(const http::Request& request) {
  return request.header("Accept").find("application/problem+json") != std::string_view::npos;
}

template <class T, class Base>
std::unique_ptr<T> downcast(std::unique_ptr<Base> pointer) noexcept {
  return std::unique_ptr<T>(static_cast<T*>(pointer.release()));
}

}  // namespace

Failure failure_of(const RequestFault& fault) {
  const std::string_view field = shown_field(fault);
  Failure failure{fault.code, {}, field_details(field), 0, {}};
  failure.message = field.empty() ? fault.message : "'" + std::string(field) + "' " + fault.message;
  return failure;
}

std::string_view shown_field(const RequestFault& fault) noexcept { return base::clip_utf8(fault.field, 128); }

Failure nothing_recorded(licensing::Code code) { return Failure{code, {}, {}, 1, {}}; }

Failure perhaps_recorded() {
  return Failure{licensing::Code::unavailable,
                 "The database did not confirm this; whether it was recorded is not known: send it again",
                 R"({"recorded":"unknown"})",
                 1,
                 {}};
}

void Call::set_header(std::string_view name, std::string_view value) {
  more_headers_.append(name).append(": ").append(value).append("\r\n");
}

std::string Call::actor() const {
  return caller == nullptr ? "license" : base::format_id(base::kApiKeyPrefix, caller->key);
}

void Call::finish(int status, std::string_view content_type, std::string_view extra_headers, std::string_view body) {
  const auto route = static_cast<unsigned>(ticket_.route - route_table().data());
  answered_ = true;
  exchange_.respond(status, content_type, extra_headers, body);
  app_.metrics.count_request(exchange_.io_thread(), route, std::chrono::steady_clock::now() - request().received_at);
}

const std::string& Call::usual_headers() const {
  thread_local std::string headers;
  headers.assign("Cache-Control: no-store\r\nX-Request-Id: ").append(request_id()).append("\r\n").append(more_headers_);
  return headers;
}

std::string& Call::begin_success() {
  thread_local std::string body;
  body.assign(R"({"status":"success","data":)");
  return body;
}

void Call::end_success(int status, std::string& body, std::string_view message) {
  body.append(R"(,"message":")").append(message).append(R"(","request_id":")").append(request_id()).append("\"}");
  finish(status, kJson, usual_headers(), body);
}

void Call::succeed(int status, std::string_view data, std::string_view message) {
  std::string& body = begin_success();
  body += data;
  end_success(status, body, message);
}

// What a client was refused is kept for those who ask why.
void Call::note_refusal(const Failure& failure) {
  service::RefusalNote note;
  note.at = app_.clock.now();
  note.request_id = request_id();
  note.endpoint = route().endpoint;
  note.message = failure.message.empty() ? info_of(failure.code).message : std::string_view(failure.message);
  note.details = failure.details;
  note.client_id = concerned.client_id;
  note.code = failure.code;
  note.license = concerned.license;
  note.product = concerned.product;
  note.claimed = concerned.claimed;
  note.only_of = caller != nullptr ? caller->product : concerned.only_of;
  // An id is no credential: what is claimed with it by somebody unknown is not filed under the license.
  const bool known = caller != nullptr || !actor_.empty();
  if (!known && note.claimed && note.claimed->by == store::LicenseRef::By::id) note.claimed.reset();
  if (caller != nullptr) {
    note.api_key = caller->key;
  } else if (const auto key = base::parse_id(base::kApiKeyPrefix, actor_)) {
    note.api_key = *key;
  } else {
    note.by_license_key = actor_ == "license";
  }
  app_.statistics.note_refusal(io_thread(), note);
}

void Call::fail(const Failure& failure) {
  const CodeInfo& info = info_of(failure.code);
  const bool problem = wants_problem(request());
  std::string body;
  problem ? append_problem(body, failure, request_id()) : append_failure(body, failure, request_id());
  std::string headers = usual_headers();
  if (failure.retry_after > 0) headers += "Retry-After: " + std::to_string(failure.retry_after) + "\r\n";
  if (!failure.allow.empty()) headers += "Allow: " + failure.allow + "\r\n";
  if (info.status == 401) headers += "WWW-Authenticate: ApiKey realm=\"lictor\"\r\n";
  if (route().endpoint == "/activate") {
    app_.metrics.count_activation_failure(exchange_.io_thread(), static_cast<unsigned>(failure.code));
  }
  if (route().keeps_refusals()) note_refusal(failure);
  finish(info.status, problem ? "application/problem+json" : kJson, headers, body);
}

void Call::fail(const RequestFault& fault) { fail(failure_of(fault)); }

void Call::fail_internal(std::string_view what) noexcept {
  app_.log.error("request.failed", "Request failed",
                 {{"endpoint", route().endpoint}, {"error", what}, {"request_id", request_id()}});
  if (!answered_) fail(licensing::Code::internal);
}

void Call::answer_text(int status, std::string_view content_type, std::string_view text) {
  finish(status, content_type, usual_headers(), text);
}

void LicenseCall::submit(Call& call, std::unique_ptr<LicenseCall> job, service::Urgency urgency) {
  job->deferred = call.defer();
  job->actor = call.actor();
  job->request_id = call.request_id();
  std::unique_ptr<service::LicenseJob> handed = std::move(job);
  if (call.app().writes.submit(handed, urgency)) return;
  auto back = downcast<LicenseCall>(std::move(handed));
  back->failure = nothing_recorded(licensing::Code::overloaded);
  resume_call(std::move(back));
}

void LicenseCall::finish(std::unique_ptr<Job> self, End end) noexcept {
  if (end == End::unavailable) failure = nothing_recorded(licensing::Code::unavailable);
  if (end == End::unknown) failure = perhaps_recorded();
  self.release();  // NOLINT(bugprone-unused-return-value): it is this object
  resume_call(std::unique_ptr<LicenseCall>(this));
}

void LicenseCall::run(http::Exchange& exchange) {
  Call call(app, exchange, ticket);
  call.set_actor(actor);
  call.concerned.claimed = ref;
  call.concerned.only_of = access.product;
  call.concerned.client_id = client_id;
  if (failure && unrecorded && app.clock.now() < unrecorded->lease_expires_at) {
    answer = std::move(*unrecorded);
    failure.reset();
  }
  if (failure) return call.fail(*failure);
  call.guard([this](Call& guarded) { reply(guarded, *this); });
}

void ReadCall::submit(Call& call, Read read, Substitute if_failed, Substitute before) {
  auto job = std::make_unique<ReadCall>(call, std::move(read), std::move(if_failed), std::move(before));
  job->deferred = call.defer();
  std::unique_ptr<service::ReadJob> handed = std::move(job);
  if (call.app().reads.submit(handed)) return;
  auto back = downcast<ReadCall>(std::move(handed));
  back->failure = licensing::Code::overloaded;
  resume_call(std::move(back));
}

bool ReadCall::run_without_database() noexcept {
  reply = ask(before);
  return reply != nullptr;
}

// What goes wrong on the way to an answer without the database is no reason not to ask the database.
ReadCall::Reply ReadCall::ask(const Substitute& substitute) noexcept {
  try {
    if (substitute) return substitute();
  } catch (const std::exception& error) {
    app.log.error("request.failed", "What would spare a read of the database failed", {{"error", error.what()}});
  }
  return {};
}

void ReadCall::finish(std::unique_ptr<ReadJob> self, bool failed) noexcept {
  if (failed) reply = ask(if_failed);
  if (!reply) failure = licensing::Code::unavailable;
  self.release();  // NOLINT(bugprone-unused-return-value): it is this object
  resume_call(std::unique_ptr<ReadCall>(this));
}

void ReadCall::run(http::Exchange& exchange) {
  Call call(app, exchange, ticket);
  failure ? call.fail(nothing_recorded(*failure)) : call.guard(reply);
}

}  // namespace lictor::api
