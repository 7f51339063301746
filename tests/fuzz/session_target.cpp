// A session from its first byte to its end: the input is a list of steps (what arrives, time that passes, answers that
// were deferred). Whatever comes, the answers are well-formed HTTP, one for each request that reached the handler and
// at most one for what is no request; after the last one nothing is read. The same bytes without the pauses give the
// same answers.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "fuzz/targets.h"
#include "http/malformed_http.h"
#include "http/session.h"

namespace lictor::fuzz {
namespace {

using http::Session;
using Phase = Session::Phase;

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

struct Echo final : http::Continuation {
  void run(http::Exchange& exchange) override {
    const http::Request& request = exchange.request();
    exchange.respond(200, "text/plain", "X-Extra: 1\r\n", std::string(request.path).append(request.body));
  }
};

// One session with a handler that answers at once, later, never or by throwing, as the path says.
class Line {
 public:
  explicit Line(bool plain_first) {
    options_.max_body_bytes = 3000;
    hooks_.handle = [this](http::Exchange& exchange) { handle(exchange); };
    hooks_.render_error = [](http::ProtocolError error, std::string_view) {
      return std::to_string(http::status_of(error));
    };
    context_.limits.header_bytes = 1500;
    context_.limits.target_bytes = 200;
    context_.limits.headers = 12;
    context_.limits.plain_first = plain_first;
    session_.emplace(context_);
  }
  ~Line() {
    deferred_.clear();
    deliver();
  }

  void receive(std::string_view bytes) {
    const auto wants_input = [&] {
      const Phase phase = session_->phase();
      return phase == Phase::idle || phase == Phase::header || phase == Phase::body;
    };
    pending_ += bytes;
    while (wants_input() && !pending_.empty() && !session_->has_backlog()) {
      const std::span<char> space = session_->input_space();
      require(!space.empty(), "there is room for input");
      const std::size_t size = std::min(space.size(), pending_.size());
      std::copy_n(pending_.data(), size, space.data());
      pending_.erase(0, size);
      session_->receive(size);
      flush();
    }
  }
  void wait(bool to_the_deadline) {
    const auto deadline = session_->deadline();
    if (deadline == Session::TimePoint::max()) return;
    require(deadline >= context_.now, "a deadline lies ahead");
    if (!to_the_deadline) return void(context_.now += (deadline - context_.now) / 2);
    context_.now = deadline;
    session_->time_out();
    flush();
  }
  void answer_deferred() {
    deliver();
    receive({});
    while (!deferred_.empty()) {
      std::vector<http::Deferred> now = std::move(deferred_);
      deferred_.clear();
      for (auto& deferred : now) deferred.resume(std::make_unique<Echo>());
      deliver();
      receive({});
    }
  }
  void close() { session_->abandon(); }

  std::string output;
  std::size_t handled = 0;
  bool finished() const { return session_->phase() == Phase::finished; }

 private:
  void handle(http::Exchange& exchange) {
    ++handled;
    const std::string_view path = exchange.request().path;
    if (path == "/d") return deferred_.push_back(exchange.defer());
    if (path == "/drop") return void(exchange.defer());
    if (path == "/throw") throw std::runtime_error("from the handler");
    if (path == "/silent") return;
    Echo().run(exchange);
  }
  void deliver() {
    http::Mailbox::Contents contents;
    mailbox_->take(contents);
    for (auto& mail : contents.mails) {
      session_->resume(mail);
      flush();
      if (session_->has_backlog()) session_->proceed();
      flush();
    }
    if (!contents.mails.empty()) deliver();  // what was dropped meanwhile
  }
  void flush() {
    do {
      output += context_.output.view();
      context_.output.clear();
      if (session_->has_backlog()) session_->proceed();
    } while (!context_.output.empty());
    session_->return_input_space();
  }

  http::ServerOptions options_;
  http::ServerHooks hooks_;
  std::shared_ptr<http::Mailbox> mailbox_ = std::make_shared<http::Mailbox>();
  std::atomic<std::uint64_t> errors_{0};
  http::LiveLimits live_{options_};
  http::SessionContext context_{options_, live_,  hooks_, {}, 0, mailbox_, http::DateLine(0), Session::TimePoint{},
                                {},       errors_};
  std::vector<http::Deferred> deferred_;
  std::string pending_;
  std::optional<Session> session_;
};

// Counts the answers; each must be complete and tell its own length.
std::size_t count_answers(std::string_view text, std::size_t heads) {
  std::size_t answers = 0;
  while (!text.empty()) {
    if (text.starts_with(kContinue)) {
      text.remove_prefix(kContinue.size());
      continue;
    }
    require(text.starts_with("HTTP/1.1 ") && text.size() > 12, "a status line");
    const std::size_t end = text.find("\r\n\r\n");
    require(end != std::string_view::npos, "a head that ends");
    const std::string_view head = text.substr(0, end + 2);
    const std::size_t at = head.find("\r\nContent-Length: ");
    require(at != std::string_view::npos && head.find("\r\nDate: ") != std::string_view::npos, "length and date");
    const auto length = static_cast<std::size_t>(std::stoul(std::string(head.substr(at + 18))));
    text.remove_prefix(end + 4);
    // The answer to HEAD has no body; the handler's echo always has one that begins with its path.
    const bool without_body = heads > 0 && (text.empty() || text.starts_with("HTTP/1.1 "));
    require(without_body || text.size() >= length, "a body of that length");
    if (!without_body) text.remove_prefix(length);
    ++answers;
  }
  return answers;
}

std::string without_continue(std::string text) {
  for (std::size_t at = 0; (at = text.find(kContinue, at)) != std::string::npos;) text.erase(at, kContinue.size());
  return text;
}

bool mentions(std::string_view text, std::string_view word) { return text.find(word) != std::string_view::npos; }

}  // namespace

void http_session(std::string_view input) {
  Line line(true);
  std::string bytes;
  bool waited = false;
  for (Input in(input); !in.rest().empty();) {
    const std::uint8_t step = in.byte();
    if (step == 0xFF || step == 0xFE) {
      line.wait(step == 0xFF);
      waited = waited || step == 0xFF;
    } else if (step == 0xFD) {
      line.answer_deferred();
    } else {
      const std::string_view piece = in.rest().substr(0, step);
      line.receive(piece);
      bytes += piece;
      in = Input(in.rest().substr(piece.size()));
    }
  }
  line.answer_deferred();
  // Something unfinished is refused at its end or before, as it comes; so nothing is left unfinished.
  constexpr std::string_view kEnd = "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";
  line.receive(kEnd);
  bytes += kEnd;
  line.answer_deferred();
  const std::size_t heads = mentions(bytes, "HEAD") ? 1 : 0;
  const std::size_t answers = count_answers(line.output, heads);
  require(answers == line.handled || (line.finished() && answers == line.handled + 1), "an answer for each request");
  if (waited) return;
  Line whole(false);
  whole.receive(bytes);
  whole.answer_deferred();
  require_equal(without_continue(line.output), without_continue(whole.output), "without pauses, by Beast, the same");
  require(line.finished() == whole.finished() && line.handled == whole.handled, "and the same end");
}

Seeds session_seeds() {
  Seeds seeds;
  const auto piece = [](std::string_view text) {
    std::string steps;
    for (; !text.empty(); text.remove_prefix(std::min<std::size_t>(text.size(), 200)))
      steps.append(1, static_cast<char>(std::min<std::size_t>(text.size(), 200))).append(text.substr(0, 200));
    return steps;
  };
  const std::string host = " HTTP/1.1\r\nHost: h\r\n";
  for (const std::string path : {"/", "/d", "/drop", "/throw", "/silent"}) {
    const std::string get = "GET " + path + host + "\r\n";
    seeds.push_back(piece(get + get));
    seeds.push_back(piece(get) + "\xFD" + piece("HEAD " + path + host + "\r\n"));
    seeds.push_back(piece("POST " + path + host + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n") + "\xFE" +
                    piece("hello") + "\xFD" + piece(get));
    seeds.push_back(piece("POST " + path + host + "Content-Length: 9\r\n\r\nhel") + "\xFF" + piece("lo"));
    seeds.push_back(piece("POST " + path + host + "Transfer-Encoding: chunked\r\n\r\n5\r\nhel") + piece("lo\r\n0\r\n") +
                    piece("\r\n" + get + "garbage\r\n"));
  }
  for (const auto& row : http::test::malformed_requests()) {
    if (row.bytes.size() < 1000) seeds.push_back(piece(row.bytes));
  }
  return seeds;
}

}  // namespace lictor::fuzz
