// HTTP on one connection, without the connection: bytes received go in, bytes to send come out, deadlines are told to
// whoever carries them (connection.h does so with epoll). Everything runs on one I/O thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "http/buffer.h"
#include "http/live_limits.h"
#include "http/mailbox.h"
#include "http/message.h"
#include "http/parser.h"
#include "http/response.h"
#include "http/server.h"

namespace lictor::http {

// What the sessions of an I/O thread share.
struct SessionContext {
  const ServerOptions& options;
  const LiveLimits& live;
  const ServerHooks& hooks;
  ParserLimits limits;
  unsigned io_thread;
  std::shared_ptr<Mailbox> mailbox;
  DateLine date;
  std::chrono::steady_clock::time_point now;  // of the event being handled
  Buffer output;                              // sessions append to it; emptied by the carrier
  std::atomic<std::uint64_t>& protocol_errors;
  bool stopping = false;
  Buffer spare_input{};  // for the next session that has none: most need one for a moment only
};

class Session : public Exchange {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  enum class Phase : std::uint8_t {
    idle,      // between requests
    header,    // a request has begun
    body,      // its header is complete
    handling,  // the Handler or a Continuation is running
    deferred,  // waits for a Deferred; no input is wanted
    answered,  // respond() was called; the Handler has not returned yet
    finished,  // send what there is, then close
  };

  explicit Session(SessionContext& context);  // keeps the reference; starts the header timeout

  // Room for input. Never empty in the phases idle, header and body.
  std::span<char> input_space();
  // Nothing came to be put there.
  void return_input_space() noexcept;
  // So many bytes were put there. Handles every request that is complete, unless too much output gathers.
  void receive(std::size_t bytes);
  // There may be input left that was not handled; call proceed() when the output is sent.
  bool has_backlog() const noexcept { return backlog_; }
  void proceed();

  Phase phase() const noexcept { return phase_; }
  TimePoint deadline() const noexcept { return deadline_; }  // of the present phase; max(): none
  void time_out();                                           // the deadline has passed
  void refuse();                                             // too many connections

  // Runs what a Deferred brought.
  void resume(Mail& mail);
  // The connection is gone: the answer still owed will be the last.
  void abandon() noexcept { keep_alive_ = false; }
  // The number of Deferreds out there: while it isn't 0 the session must not be destroyed.
  unsigned promises() const noexcept { return promises_; }

  void set_peer(std::string_view peer) noexcept { peer_ = peer; }  // must live as long as the session

  const Request& request() const noexcept override { return parser_.request(); }
  void respond(int status, std::string_view content_type, std::string_view extra_headers,
               std::string_view body) override;
  Deferred defer() override;
  unsigned io_thread() const noexcept override { return context_.io_thread; }

 private:
  bool advance();
  bool read_header();
  bool read_body();
  void await_body();
  void dispatch();
  void end_of_call();
  void enter(Phase phase, std::chrono::milliseconds timeout) noexcept;
  void finish() noexcept;
  void fail(ProtocolError error, std::string_view message);
  void compact();

  SessionContext& context_;
  RequestParser parser_;
  Buffer input_;
  std::size_t begin_ = 0;  // of the present request, in input_
  std::size_t body_limit_ = 0;
  std::string_view peer_;
  TimePoint deadline_;
  std::uint64_t ticket_ = 0;  // of the Deferred that may answer
  unsigned promises_ = 0;
  Phase phase_ = Phase::idle;
  bool keep_alive_ = true;
  bool backlog_ = false;
  bool head_request_ = false;
};

}  // namespace lictor::http
