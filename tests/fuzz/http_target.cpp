// The HTTP parser: the first byte says how the rest, a client's bytes, falls into pieces. However they fall, and
// whether the quick reader of heads or Beast reads them, the outcome is the same; what was read obeys the rules that
// keep two parsers from reading it differently; written out again it is read as the same.
#include <algorithm>
#include <memory>
#include <string>

#include "fuzz/targets.h"
#include "http/malformed_http.h"
#include "http/parser.h"
#include "http/parser_rules.h"

namespace lictor::fuzz {
namespace {

using http::Header;
using http::Progress;
using http::Request;
using http::RequestParser;

constexpr std::size_t kBodyLimit = 3000;

http::ParserLimits limits_for(bool plain_first) {
  http::ParserLimits limits;  // small, so that short inputs reach them
  limits.header_bytes = 1500;
  limits.target_bytes = 200;
  limits.headers = 12;
  limits.chunk_extension_bytes = 100;
  limits.chunk_line_bytes = 300;
  limits.plain_first = plain_first;
  return limits;
}

std::string describe(const RequestParser& parser) {
  const Request& request = parser.request();
  std::string text;
  for (const std::string_view part : {request.method, request.target, request.path, request.query})
    text.append(part).append("|");
  for (const Header& header : request.headers) text.append(header.name).append("=").append(header.value).append("|");
  text.append("body=").append(request.body);
  text.append(parser.is_http11() ? "|1.1" : "|1.0").append(parser.keep_alive() ? "|keep" : "|close");
  return text.append(parser.expects_continue() ? "|expects\n" : "\n");
}

bool is_token(std::string_view text) {
  static constexpr auto kChars = http::alphanumeric_and("!#$%&'*+-.^_`|~");
  return !text.empty() && std::ranges::all_of(text, [](char c) { return kChars[static_cast<unsigned char>(c)]; });
}

std::size_t count(const Request& request, std::string_view name) {
  return static_cast<std::size_t>(
      std::ranges::count_if(request.headers, [&](const Header& h) { return http::equal_names(h.name, name); }));
}

void check_request(const RequestParser& parser, const http::ParserLimits& limits) {
  const Request& request = parser.request();
  require(is_token(request.method), "the method is a token");
  require(request.target.starts_with('/') && request.target.size() <= limits.target_bytes,
          "an absolute path, not long");
  require(std::ranges::all_of(request.target, http::is_target_char), "a target of visible ASCII without a fragment");
  const std::string joined = std::string(request.path) + (request.target.size() > request.path.size() ? "?" : "");
  require(request.target == joined + std::string(request.query), "path and query make the target");
  require(request.path.find('?') == std::string_view::npos, "no query in the path");
  require(request.headers.size() <= limits.headers, "not too many headers");
  for (const Header& header : request.headers) {
    require(is_token(header.name), "a header's name is a token");
    const auto is_unprintable = [](char c) {
      return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == '\x7f';
    };
    require(std::ranges::none_of(header.value, is_unprintable), "no control character in a value");
    const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
    require(header.value.empty() || (!is_space(header.value.front()) && !is_space(header.value.back())), "trimmed");
  }
  require(
      count(request, "Host") <= 1 && count(request, "Content-Length") <= 1 && count(request, "Transfer-Encoding") <= 1,
      "no header of framing twice");
  require(count(request, "Content-Length") + count(request, "Transfer-Encoding") <= 1, "never both");
  require(!parser.is_http11() || count(request, "Host") == 1, "HTTP/1.1 has a Host");
  require(request.body.size() <= kBodyLimit, "the body keeps its limit");
}

// A request in the plainest form there is, as a proxy might pass it on.
std::string written_out(const RequestParser& parser) {
  const Request& request = parser.request();
  std::string text = std::string(request.method).append(" ").append(request.target);
  text += parser.is_http11() ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n";
  for (const Header& header : request.headers) {
    if (http::equal_names(header.name, "Transfer-Encoding")) continue;
    text.append(header.name).append(": ").append(header.value).append("\r\n");
  }
  if (count(request, "Transfer-Encoding") != 0)
    text.append("Content-Length: ").append(std::to_string(request.body.size())).append("\r\n");
  return text.append("\r\n").append(request.body);
}

// Everything that was read, then how it ended; and each request written out again.
struct Outcome {
  std::string text;
  std::vector<std::string> again;
};

// Does with a parser what a session does, with the bytes coming in pieces.
class Feeder {
 public:
  explicit Feeder(bool plain_first) : limits_(limits_for(plain_first)), parser_(limits_) {}

  void feed(std::string_view piece) {
    if (failed_) return;
    // A new place each time, so that a view kept too long is found by the sanitizer.
    auto grown = std::make_unique<std::string>(*input_);
    grown->append(piece);
    if (in_body_) parser_.moved(input_->data(), grown->data());
    input_ = std::move(grown);
    while (!failed_ && step()) {
    }
  }
  const Outcome& outcome() const { return outcome_; }

 private:
  bool step() {
    if (input_->empty()) return false;
    Progress progress = Progress::complete;
    if (!in_body_) {
      progress = parser_.parse_header(*input_);
      in_body_ = progress == Progress::complete;
    }
    if (in_body_) {
      std::size_t size = input_->size();
      progress = parser_.parse_body(input_->data(), size, kBodyLimit);
      require(size <= input_->size(), "decoding makes nothing longer");
      input_->resize(size);
    }
    if (progress == Progress::failed) {
      failed_ = true;
      const auto& failure = parser_.failure();
      require(!failure.message.empty(), "a failure says what is wrong");
      outcome_.text.append(
          std::to_string(http::status_of(failure.error)));  // the words may depend on what is there yet
    }
    if (progress != Progress::complete) return false;
    check_request(parser_, limits_);
    require(parser_.message_bytes() <= input_->size(), "a request lies within what came");
    outcome_.text += describe(parser_);
    outcome_.again.push_back(written_out(parser_));
    input_->erase(0, parser_.message_bytes());
    parser_.reset();
    in_body_ = false;
    return true;
  }

  http::ParserLimits limits_;
  RequestParser parser_;
  std::unique_ptr<std::string> input_ = std::make_unique<std::string>();
  bool in_body_ = false;
  bool failed_ = false;
  Outcome outcome_;
};

Outcome feed(std::string_view bytes, std::size_t piece_bytes, bool plain_first) {
  Feeder feeder(plain_first);
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece_bytes, bytes.size())))
    feeder.feed(bytes.substr(0, piece_bytes));
  return feeder.outcome();
}

}  // namespace

void http_parser(std::string_view input) {
  Input in(input);
  const std::size_t piece = 1 + in.byte() % 97;
  // Something unfinished is refused at its end or before, as it comes; so nothing is left unfinished.
  const std::string bytes = std::string(in.rest()) + "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";
  const Outcome whole = feed(bytes, bytes.size() + 1, true);
  require_equal(whole.text, feed(bytes, bytes.size() + 1, false).text, "Beast reads the same");
  require_equal(whole.text, feed(bytes, piece, true).text, "in pieces the same");
  require_equal(whole.text, feed(bytes, piece, false).text, "in pieces, by Beast, the same");
  for (const std::string& text : whole.again) {
    const Outcome second = feed(text, text.size(), true);
    require(second.again.size() == 1, "what is written out again is one request");
    require_equal(second.again.front(), text, "and the same");
  }
}

Seeds http_seeds() {
  Seeds seeds;
  for (const auto& row : http::test::malformed_requests()) seeds.push_back("\x05" + row.bytes.substr(0, 4000));
  const std::string get = "GET /a?b=c HTTP/1.1\r\nHost: h\r\n";
  const std::string post = "POST /p HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n";
  for (const std::string& good :
       {get + "\r\n" + get + "Connection: close\r\n\r\n", post + "Content-Length: 5\r\n\r\nhello" + get + "\r\n",
        post + "Transfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n" + get + "\r\n",
        post + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
        std::string("GET http://h/x?y HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")}) {
    for (const char piece : {'\x00', '\x06', '\x60'}) seeds.push_back(piece + good);
  }
  return seeds;
}

Words http_dictionary() {
  return {"GET /",
          "POST /p",
          " HTTP/1.1\r\n",
          " HTTP/1.0\r\n",
          "Host: h\r\n",
          "\r\n\r\n",
          "\r\n",
          "\n",
          "Content-Length: ",
          "Transfer-Encoding: ",
          "chunked",
          "Connection: ",
          "keep-alive",
          "close",
          "Expect: 100-continue",
          "Upgrade: ",
          "0\r\n\r\n",
          "5\r\nhello\r\n",
          "http://h/",
          ";a=b",
          ";a=\"b\"",
          "Content-Length: 5\r\n",
          "\t",
          "\r\n ",
          "Proxy-Connection: ",
          "HEAD /",
          "%20",
          "?a=b",
          "identity",
          "#"};
}

}  // namespace lictor::fuzz
