#include "http/session.h"

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

namespace lictor::http {

namespace {

constexpr std::size_t kInputBytes = 4096;         // what a request needs that is not large
constexpr std::size_t kKeptInputBytes = 8192;     // a larger buffer is freed after the request
constexpr std::size_t kOutputPauseBytes = 65536;  // so much unsent: handle no further pipelined request

}  // namespace

Session::Session(SessionContext& context)
    : context_(context), parser_(context.limits), deadline_(context.now + context.live.header_timeout()) {}

std::span<char> Session::input_space() {
  if (input_.capacity() == 0) std::swap(input_, context_.spare_input);
  if (input_.capacity() == input_.size()) {
    const char* const before = input_.data();
    Buffer grown;
    grown.reserve(std::max(kInputBytes, input_.capacity() * 2));
    grown.append(input_.view());
    if (phase_ == Phase::body) parser_.moved(before + begin_, grown.data() + begin_);
    input_ = std::move(grown);
  }
  return {input_.data() + input_.size(), input_.capacity() - input_.size()};
}

void Session::return_input_space() noexcept {
  if (!input_.empty()) return;
  if (context_.spare_input.capacity() == 0 && input_.capacity() <= kKeptInputBytes) {
    std::swap(input_, context_.spare_input);
  } else {
    input_.release();
  }
}

void Session::receive(std::size_t bytes) {
  input_.commit(bytes);
  proceed();
}

void Session::proceed() {
  backlog_ = false;
  while (phase_ == Phase::idle || phase_ == Phase::header || phase_ == Phase::body) {
    if (context_.output.size() >= kOutputPauseBytes) {
      backlog_ = true;
      return;
    }
    if (!advance()) break;
  }
  compact();
}

// One request; false when it is not complete.
bool Session::advance() {
  if (phase_ == Phase::idle) {
    if (begin_ == input_.size()) return false;
    enter(Phase::header, context_.live.header_timeout());
  }
  if (phase_ == Phase::header) {
    if (!read_header()) return false;
    if (phase_ == Phase::body && !read_body()) return await_body(), false;
  } else if (!read_body()) {
    return false;
  }
  if (phase_ == Phase::body) dispatch();
  return true;
}

// Both return false when they need more input; a failure has been answered already.
bool Session::read_header() {
  const Progress progress = parser_.parse_header(input_.view().substr(begin_));
  if (progress == Progress::need_more) return false;
  if (progress == Progress::failed) {
    fail(parser_.failure().error, parser_.failure().message);
    return true;
  }
  Request& request = parser_.request();
  request.peer = peer_;
  request.received_at = context_.now;
  keep_alive_ = parser_.keep_alive();
  head_request_ = request.method == "HEAD";
  body_limit_ = context_.options.max_body_bytes;
  if (parser_.content_length() > body_limit_ && context_.hooks.body_limit)
    body_limit_ = context_.hooks.body_limit(request, context_.io_thread);
  phase_ = Phase::body;
  return true;
}

bool Session::read_body() {
  std::size_t size = input_.size() - begin_;
  const Progress progress = parser_.parse_body(input_.data() + begin_, size, body_limit_);
  input_.resize(begin_ + size);
  if (progress == Progress::failed) fail(parser_.failure().error, parser_.failure().message);
  return progress != Progress::need_more;
}

void Session::await_body() {
  enter(Phase::body, context_.live.body_timeout());
  if (parser_.expects_continue()) context_.output.append("HTTP/1.1 100 Continue\r\n\r\n");
}

void Session::dispatch() {
  phase_ = Phase::handling;
  try {
    context_.hooks.handle(*this);
  } catch (...) {  // the last resort: an exception must not end the I/O thread; end_of_call() answers 500
  }
  end_of_call();
}

void Session::resume(Mail& mail) {
  --promises_;
  if (phase_ != Phase::deferred || mail.ticket != ticket_) return;  // it was answered without the Deferred
  phase_ = Phase::handling;
  try {
    if (mail.continuation) mail.continuation->run(*this);
  } catch (...) {  // as above
  }
  end_of_call();
  backlog_ = phase_ == Phase::idle;  // there may be more in the pipeline
}

void Session::end_of_call() {
  if (phase_ == Phase::handling) return fail(ProtocolError::internal, "The request was not answered");
  if (phase_ != Phase::answered) return;
  if (!keep_alive_) return finish();
  begin_ += parser_.message_bytes();
  parser_.reset();
  head_request_ = false;
  enter(Phase::idle, context_.live.idle_timeout());
}

void Session::respond(int status, std::string_view content_type, std::string_view extra_headers,
                      std::string_view body) {
  if (phase_ != Phase::handling && phase_ != Phase::deferred) return;
  if (context_.stopping) keep_alive_ = false;
  Response response{status, content_type, extra_headers, body, ConnectionHeader::none, head_request_};
  if (!keep_alive_) response.connection = ConnectionHeader::close;
  if (keep_alive_ && !parser_.is_http11()) response.connection = ConnectionHeader::keep_alive;
  append_response(context_.output, context_.date, response);
  phase_ = Phase::answered;
}

Deferred Session::defer() {
  Deferred deferred(std::make_shared<Deferred::Target>(context_.mailbox, this, ++ticket_));
  ++promises_;
  phase_ = Phase::deferred;
  deadline_ = TimePoint::max();
  return deferred;
}

void Session::time_out() {
  if (phase_ == Phase::header) return fail(ProtocolError::request_timeout, "The headers did not arrive in time");
  if (phase_ == Phase::body) return fail(ProtocolError::request_timeout, "The body did not arrive in time");
  if (phase_ == Phase::idle) finish();
}

void Session::refuse() { fail(ProtocolError::overloaded, "Too many connections"); }

void Session::fail(ProtocolError error, std::string_view message) {
  if (error != ProtocolError::overloaded && error != ProtocolError::internal)
    context_.protocol_errors.fetch_add(1, std::memory_order_relaxed);
  const std::string body = context_.hooks.render_error ? context_.hooks.render_error(error, message) : std::string();
  Response response{status_of(error), "application/json", {}, body, ConnectionHeader::close, head_request_};
  if (error == ProtocolError::overloaded) response.extra_headers = "Retry-After: 1\r\n";
  append_response(context_.output, context_.date, response);
  finish();
}

void Session::enter(Phase phase, std::chrono::milliseconds timeout) noexcept {
  phase_ = phase;
  deadline_ = context_.now + timeout;
}

void Session::finish() noexcept {
  phase_ = Phase::finished;
  deadline_ = TimePoint::max();
  backlog_ = false;
  begin_ = 0;
  input_.release();
  parser_.release();
}

// Moves what is left of the input to the front. Not while a request is being answered: its views must stay.
void Session::compact() {
  if (phase_ == Phase::deferred || phase_ == Phase::finished || begin_ == 0) return;
  if (phase_ == Phase::body) parser_.moved(input_.data() + begin_, input_.data());
  input_.remove_prefix(begin_);
  begin_ = 0;
  return_input_space();
}

}  // namespace lictor::http
