#include "api/admin_change.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/json_document.h"
#include "api/routes.h"
#include "base/encoding.h"

namespace lictor::api {
namespace {

namespace json = boost::json;
using licensing::Code;

constexpr std::size_t kMaxIdempotencyKey = 128;
constexpr std::size_t kMaxEtags = 16;
constexpr std::size_t kMaxEtag = 64;

// What of the header matters to the change.
struct Conditions {
  std::string idempotency_key;        // empty: none
  base::Digest request;               // of method, path and body
  std::vector<std::string> if_match;  // empty: none; "*": any state
};

std::optional<RequestFault> once(const Call& call, std::string_view name) {
  const auto is_it = [name](const http::Header& header) { return http::equal_names(header.name, name); };
  if (std::ranges::count_if(call.request().headers, is_it) <= 1) return std::nullopt;
  return RequestFault{Code::bad_request, std::string(name), "must be there once"};
}

bool has_header(const Call& call, std::string_view name) {
  return std::ranges::any_of(call.request().headers,
                             [name](const http::Header& header) { return http::equal_names(header.name, name); });
}

std::optional<RequestFault> read_idempotency_key(const Call& call, Conditions& conditions) {
  constexpr std::string_view kName = "Idempotency-Key";
  if (!has_header(call, kName)) return std::nullopt;
  if (auto fault = once(call, kName)) return fault;
  const std::string_view key = call.request().header(kName);
  const bool printable = std::ranges::all_of(key, [](char c) { return c > ' ' && c < 0x7F; });
  if (key.empty() || key.size() > kMaxIdempotencyKey || !printable)
    return RequestFault{Code::bad_request, std::string(kName), "must be 1 to 128 printable ASCII characters"};
  conditions.idempotency_key = key;
  const http::Request& request = call.request();
  conditions.request =
      call.app().key_digest(fmt::format("idempotency\n{}\n{}\n{}", request.method, call.route().path, call.path_id) +
                            "\n" + std::string(request.body));
  return std::nullopt;
}

// `*`, or a list of `"…"` (RFC 9110, section 8.8.3); a weak one never matches.
std::optional<RequestFault> read_if_match(const Call& call, Conditions& conditions) {
  constexpr std::string_view kName = "If-Match";
  if (!has_header(call, kName)) return std::nullopt;
  if (auto fault = once(call, kName)) return fault;
  const RequestFault fault{Code::bad_request, std::string(kName),
                           R"(must be * or up to 16 entity tags such as "0a1b")"};
  std::string_view rest = call.request().header(kName);
  if (rest == "*") return conditions.if_match.emplace_back("*"), std::nullopt;
  while (true) {
    if (rest.starts_with("W/")) rest.remove_prefix(1);  // keeps a '/' before the tag, so that it matches nothing
    const bool weak = rest.starts_with("/");
    const std::size_t begin = weak ? 1 : 0;
    const std::size_t end =
        rest.size() > begin && rest[begin] == '"' ? rest.find('"', begin + 1) : std::string_view::npos;
    if (end == std::string_view::npos || end > kMaxEtag || conditions.if_match.size() == kMaxEtags) return fault;
    conditions.if_match.emplace_back(rest.substr(0, end + 1));
    rest.remove_prefix(end + 1);
    while (rest.starts_with(' ')) rest.remove_prefix(1);
    if (rest.empty()) return std::nullopt;
    if (!rest.starts_with(',')) return fault;
    rest.remove_prefix(1);
    while (rest.starts_with(' ')) rest.remove_prefix(1);
  }
}

// A change that carries its call and answers it on the I/O thread.
struct ChangeCall final : service::AdminJob, http::Continuation {
  ChangeCall(Call& call, ChangeWork given, ChangeMessages texts, Conditions read)
      : app(call.app()),
        ticket(call.ticket()),
        caller(call.caller->key),
        address(call.request().peer),
        work_with(std::move(given)),
        messages(std::move(texts)),
        conditions(std::move(read)) {
    work = [this](store::Tx& tx, base::UnixSeconds now, std::vector<store::Event>& events) {
      return run_work(tx, now, events);
    };
    committed = [this] {
      for (const auto& step : steps) step();
    };
  }

  bool run_work(store::Tx& tx, base::UnixSeconds now, std::vector<store::Event>& events);
  std::optional<Failure> find_author(store::Tx& tx, base::UnixSeconds now, Author& author) const;
  bool repeat(const store::IdempotencyRecord& record);
  void finish(std::unique_ptr<Job> self, End end) noexcept override;
  void run(http::Exchange& exchange) override;

  App& app;
  CallTicket ticket;
  base::Id caller;
  std::string address;
  ChangeWork work_with;
  ChangeMessages messages;
  Conditions conditions;
  Outcome outcome;
  bool replayed = false;
  std::vector<std::function<void()>> steps;
  http::Deferred deferred;
};

// What authenticate() looked at when the call came in, once more.
std::optional<Failure> ChangeCall::find_author(store::Tx& tx, base::UnixSeconds now, Author& author) const {
  auto key = tx.api_key(caller);
  auto rights = key ? auth::rights_of(*key, now) : std::nullopt;
  if (!rights) return Failure{Code::unauthenticated, {}, {}, 0, {}};
  if (!rights->addresses.allows(address) || !auth::grants(rights->scopes, ticket.route->scope))
    return Failure{Code::forbidden, {}, {}, 0, {}};
  author = {*std::move(key), *std::move(rights), address};
  return std::nullopt;
}

bool ChangeCall::run_work(store::Tx& tx, base::UnixSeconds now, std::vector<store::Event>& events) {
  steps.clear();
  replayed = false;
  outcome = {};
  Author author;
  outcome.failure = find_author(tx, now, author);
  if (outcome.failure) return false;
  if (!conditions.idempotency_key.empty()) {
    const auto record = tx.idempotency(caller, conditions.idempotency_key);
    if (record && now - record->created_at < service::kIdempotencySeconds) return repeat(*record);
  }
  Change change(app, tx, author, now, events, conditions.if_match);
  outcome = work_with(change);
  if (!outcome.failure && change.ignored_if_match()) {
    outcome.failure =
        failure_of({Code::bad_request, "If-Match", "is for calls that change one thing; leave it out of this one"});
  }
  if (outcome.failure) return false;
  steps = std::move(change.steps());
  if (!conditions.idempotency_key.empty()) {
    tx.remember({caller, conditions.idempotency_key, conditions.request, outcome.status, outcome.data, outcome.message,
                 outcome.etag, now});
  }
  return true;
}

bool ChangeCall::repeat(const store::IdempotencyRecord& record) {
  outcome = {};
  if (record.request != conditions.request) {
    outcome.failure = Failure{Code::idempotency_conflict, {}, field_details("Idempotency-Key"), 0, {}};
    return false;
  }
  replayed = true;
  outcome.status = record.status;
  outcome.data = record.data;
  outcome.message = record.message;
  outcome.etag = record.etag;
  return true;
}

void ChangeCall::finish(std::unique_ptr<Job> self, End end) noexcept {
  if (end == End::unknown) {
    outcome = {};
    outcome.failure = perhaps_recorded();
  } else if (end == End::unavailable) {
    using Kind = store::StoreError::Kind;
    outcome = {};
    outcome.failure = error == Kind::unique_violation ? Failure{Code::already_exists, messages.exists, {}, 0, {}}
                      : error == Kind::in_use         ? Failure{Code::in_use, messages.in_use, {}, 0, {}}
                                                      : nothing_recorded(Code::unavailable);
  }
  self.release();  // NOLINT(bugprone-unused-return-value): it is this object
  resume_call(std::unique_ptr<ChangeCall>(this));
}

void ChangeCall::run(http::Exchange& exchange) {
  Call call(app, exchange, ticket);
  if (outcome.failure) return call.fail(*outcome.failure);
  if (!outcome.etag.empty()) call.set_header("ETag", outcome.etag);
  if (replayed) call.set_header("Idempotency-Replayed", "true");
  if (!outcome.once.empty()) {
    outcome.data.back() = ',';
    outcome.data += outcome.once + "}";
  }
  call.guard([this](Call& guarded) { guarded.succeed(outcome.status, outcome.data, outcome.message); });
}

}  // namespace

Outcome refused(Failure failure) {
  Outcome outcome;
  outcome.failure = std::move(failure);
  return outcome;
}
Outcome refused(const RequestFault& fault) { return refused(failure_of(fault)); }
Outcome refused(Code code, std::string message) { return refused(Failure{code, std::move(message), {}, 0, {}}); }

std::optional<Failure> Change::refuse_stale(std::string_view etag) {
  compared_ = true;
  if (if_match_.empty() || if_match_.front() == "*" || std::ranges::find(if_match_, etag) != if_match_.end())
    return std::nullopt;
  return Failure{Code::precondition_failed, {}, "{\"etag\":" + base::json_string(etag) + "}", 0, {}};
}

void Change::record(std::string_view action, std::string subject, std::string detail, std::string client) {
  store::Event event;
  event.at = now;
  event.action = action;
  event.subject = std::move(subject);
  event.client = std::move(client);
  event.detail = std::move(detail);
  events.push_back(std::move(event));
}

void submit_change(Call& call, ChangeWork work, ChangeMessages messages) {
  Conditions conditions;
  if (call.request().method == "POST") {
    if (const auto fault = read_idempotency_key(call, conditions)) return call.fail(*fault);
  }
  if (const auto fault = read_if_match(call, conditions)) return call.fail(*fault);
  auto job = std::make_unique<ChangeCall>(call, std::move(work), std::move(messages), std::move(conditions));
  job->deferred = call.defer();
  job->actor = call.actor();
  job->request_id = call.request_id();
  std::unique_ptr<service::AdminJob> handed = std::move(job);
  if (call.app().writes.submit(handed)) return;
  std::unique_ptr<ChangeCall> back(static_cast<ChangeCall*>(handed.release()));
  back->outcome.failure = nothing_recorded(Code::overloaded);
  resume_call(std::move(back));
}

std::optional<Arguments> read_arguments(Call& call) {
  const std::span<const Field> fields = call.route().fields;
  if (call.route().method == "GET") {
    std::optional<RequestFault> fault;
    json::object members = members_of_query(fields, call.request().query, fault);
    if (!fault) fault = check_members(fields, members);
    if (fault) return call.fail(*fault), std::nullopt;
    return Arguments(std::move(members));
  }
  const std::string_view body = call.request().body;
  const bool optional = std::ranges::none_of(fields, &Field::required);
  json::object members;
  if (!body.empty() || !optional) {
    if (!is_json_content(call.request().header("Content-Type")))
      return call.fail(Code::unsupported_media_type), std::nullopt;
    auto document = parse_document(body);
    if (!document) {
      return call.fail(RequestFault{Code::bad_request, document.problem().field, document.problem().message}),
             std::nullopt;
    }
    members = *std::move(document);
  }
  if (const auto fault = check_members(fields, members)) return call.fail(*fault), std::nullopt;
  return Arguments(std::move(members));
}

std::string make_etag(const App& app, std::string_view state) {
  const base::Digest digest = app.key_digest(state);
  return "\"" + base::to_hex(std::span(digest.bytes).first(8)) + "\"";
}

void ChangedMembers::add(std::string_view name, const std::string& from, const std::string& to) {
  if (from == to) return;
  text_ += fmt::format(R"({}{}:{{"from":{},"to":{}}})", text_.empty() ? "" : ",", base::json_string(name), from, to);
}

std::string ChangedMembers::detail(std::string_view reason) const {
  std::string detail = "{\"changed\":{" + text_ + "}";
  if (!reason.empty()) detail += ",\"reason\":" + base::json_string(reason);
  return detail + "}";
}

std::string reason_detail(std::string_view reason) {
  return reason.empty() ? std::string() : "{\"reason\":" + base::json_string(reason) + "}";
}

}  // namespace lictor::api
