// One API request: who calls, under which id, and how it is answered. Made by dispatch() on the I/O thread; work that
// goes elsewhere carries a CallTicket, from which the Call is made again when the answer is due.
#pragma once

#include <array>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "api/app.h"
#include "api/errors.h"
#include "auth/api_keys.h"
#include "http/message.h"
#include "service/job.h"
#include "service/read_pool.h"

namespace lictor::api {

struct Route;

// `req_…`, or what the caller sent as X-Request-Id.
class RequestId {
 public:
  RequestId() = default;
  explicit RequestId(std::string_view text) noexcept : size_(static_cast<std::uint8_t>(text.size())) {
    std::memcpy(text_.data(), text.data(), text.size());
  }
  static constexpr std::size_t kMaxLength = 64;
  std::string_view view() const noexcept { return {text_.data(), size_}; }

 private:
  std::array<char, kMaxLength> text_;
  std::uint8_t size_ = 0;
};

bool is_json_content(std::string_view content_type);  // application/json, with or without parameters

struct CallTicket {
  const Route* route = nullptr;
  RequestId request_id;
};

// Under what a refusal is kept, as far as it is known.
struct Concerned {
  base::Id license;        // zero: not known for sure; then `claimed` may tell
  store::Row product = 0;  // of `license`
  std::optional<store::LicenseRef> claimed;
  store::Row only_of = 0;  // 0: any; the product whose licenses the caller may know of
  std::string_view client_id;
};

class Call {
 public:
  Call(App& app, http::Exchange& exchange, const CallTicket& ticket)
      : app_(app), exchange_(exchange), ticket_(ticket) {}

  App& app() const noexcept { return app_; }
  const http::Request& request() const noexcept { return exchange_.request(); }
  const Route& route() const noexcept { return *ticket_.route; }
  std::string_view request_id() const noexcept { return ticket_.request_id.view(); }
  const CallTicket& ticket() const noexcept { return ticket_; }

  // Nullptr: no API key (license-key authentication, or a route that needs none).
  const auth::Caller* caller = nullptr;
  // The part of the path that stands for {id}.
  std::string_view path_id;
  Concerned concerned;
  std::string actor() const;
  void set_actor(std::string_view actor) noexcept { actor_ = actor; }  // of a call that a job carried on
  // A further header of the answer; `value` must be printable ASCII.
  void set_header(std::string_view name, std::string_view value);

  // `data` is a JSON object. Each answers the exchange; one of them exactly once.
  void succeed(int status, std::string_view data, std::string_view message);
  // The same without copying: append the data to what begin_success() returns. One at a time on a thread.
  static std::string& begin_success();
  void end_success(int status, std::string& body, std::string_view message);
  void fail(const Failure& failure);
  void fail(licensing::Code code) { fail(Failure{code, {}, {}, 0, {}}); }
  void fail(const RequestFault& fault);
  void answer_text(int status, std::string_view content_type, std::string_view text);
  http::Deferred defer() {
    answered_ = true;  // by whoever holds it
    return exchange_.defer();
  }
  unsigned io_thread() const noexcept { return exchange_.io_thread(); }
  // The one place where exceptions end: logged, and answered INTERNAL unless an answer was given before.
  template <class Work>
  void guard(Work&& work) noexcept {
    try {
      work(*this);
    } catch (const std::exception& error) {
      fail_internal(error.what());
    }
  }

 private:
  void note_refusal(const Failure& failure);
  const std::string& usual_headers() const;  // valid until the thread's next call
  void fail_internal(std::string_view what) noexcept;
  void finish(int status, std::string_view content_type, std::string_view extra_headers, std::string_view body);

  App& app_;
  http::Exchange& exchange_;
  const CallTicket ticket_;
  std::string more_headers_;
  std::string_view actor_;  // of a call that a job carried on
  bool answered_ = false;
};

// Hands a job that is a call back to its I/O thread.
template <class T>
void resume_call(std::unique_ptr<T> call) {
  http::Deferred deferred = std::move(call->deferred);
  deferred.resume(std::move(call));
}
// Answers of calls of which nothing was recorded and that may be tried again.
Failure nothing_recorded(licensing::Code code);
// UNAVAILABLE, when the database did not tell whether it was.
Failure perhaps_recorded();
// A caller's own names come back to it, but not at any length.
std::string_view shown_field(const RequestFault& fault) noexcept;
Failure failure_of(const RequestFault& fault);

// A license job that carries its call and answers it on the I/O thread.
struct LicenseCall final : service::LicenseJob, http::Continuation {
  using Reply = void (*)(Call&, LicenseCall&);
  LicenseCall(Call& call, Reply reply_with) : app(call.app()), ticket(call.ticket()), reply(reply_with) {}
  // Hands the call over; what can't be queued is answered OVERLOADED.
  static void submit(Call& call, std::unique_ptr<LicenseCall> job, service::Urgency urgency);

  void finish(std::unique_ptr<Job> self, End end) noexcept override;
  void run(http::Exchange& exchange) override;

  App& app;
  CallTicket ticket;
  Reply reply;
  http::Deferred deferred;
  std::optional<Failure> failure;
  // What holds until its lease ends even if nothing can be recorded now: the answer instead of the failure.
  std::optional<service::Answer> unrecorded;
};

// A read of the database and the answer made from it. `read` runs on a pool thread and returns what answers on the I/O
// thread; it must hold no views of the request but those that `Call::request()` gives again.
struct ReadCall final : service::ReadJob, http::Continuation {
  using Reply = std::function<void(Call&)>;
  using Read = std::function<Reply(store::Reader&)>;
  // What makes an answer without the database, on a pool thread as well; an empty Reply: it has none.
  using Substitute = std::function<Reply()>;
  // `if_failed`: asked when the database can't be read; without an answer it is UNAVAILABLE. `before`: asked before the
  // database is.
  static void submit(Call& call, Read read, Substitute if_failed = {}, Substitute before = {});

  ReadCall(Call& call, Read read_with, Substitute fallback, Substitute first)
      : app(call.app()),
        ticket(call.ticket()),
        read(std::move(read_with)),
        if_failed(std::move(fallback)),
        before(std::move(first)) {}
  bool run_without_database() noexcept override;
  void run(store::Reader& reader) override { reply = read(reader); }
  void finish(std::unique_ptr<ReadJob> self, bool failed) noexcept override;
  void run(http::Exchange& exchange) override;

  Reply ask(const Substitute& substitute) noexcept;

  App& app;
  CallTicket ticket;
  Read read;
  Substitute if_failed, before;
  Reply reply;
  http::Deferred deferred;
  std::optional<licensing::Code> failure;
};

}  // namespace lictor::api
