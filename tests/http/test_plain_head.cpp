// The reader of usual heads against Beast: whatever the bytes, both must say the same. Two parsers that differ are what
// request smuggling is made of.
#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>
#include <vector>

#include "http/malformed_http.h"
#include "http/parser.h"

namespace lictor::http::test {
namespace {

std::string outcome(const std::string& bytes, bool plain_first) {
  ParserLimits limits;
  limits.headers = 12;
  limits.target_bytes = 200;
  limits.header_bytes = 2000;
  limits.plain_first = plain_first;
  RequestParser parser(limits);
  std::string data = bytes;
  const Progress progress = parser.parse_header(data);
  if (progress == Progress::need_more) return "needs more";
  if (progress == Progress::failed)
    return std::to_string(status_of(parser.failure().error)) + ' ' + std::string(parser.failure().message);
  const Request& request = parser.request();
  std::string text;
  for (const std::string_view part : {request.method, request.target, request.path, request.query})
    text.append(part).append("|");
  for (const Header& header : request.headers) text.append(header.name).append("=").append(header.value).append("|");
  text.append(parser.is_http11() ? "1.1" : "1.0").append(parser.keep_alive() ? " keep" : " close");
  text.append(parser.expects_continue() ? " expects" : "");
  std::size_t size = data.size();
  const Progress body = parser.parse_body(data.data(), size, 1000);
  text.append(" body ").append(std::to_string(static_cast<int>(body)));
  if (body == Progress::complete) text.append(" ").append(std::to_string(parser.message_bytes()));
  return text;
}

void expect_same(const std::string& bytes) {
  ASSERT_EQ(outcome(bytes, true), outcome(bytes, false)) << testing::PrintToString(bytes);
}

const std::vector<std::string>& usual_requests() {
  static const std::vector<std::string> requests{
      "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
      "POST /api/v1/licenses/validate HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nContent-Type: application/json\r\nX-API-Key: "
      "lk_live_0\r\nContent-Length: 2\r\n\r\n{}",
      "POST /x?y=1 HTTP/1.1\r\nHost: example.org\r\nUser-Agent: python-requests/2.28.1\r\nAccept-Encoding: gzip, "
      "deflate\r\nAccept: */*\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nabcd",
      "DELETE /a HTTP/1.1\r\nhost:h\r\nCONNECTION:close\r\n\r\n",
      "GET /a%20b HTTP/1.1\r\nHost: [::1]:80\r\nX-Empty:\r\nX-Spaces:   a b  \r\n\r\nGET / HTTP/1.1\r\n",
      "\r\nGET /q?a#b HTTP/1.1\r\nHost: h\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
      "GET http://h/p HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nProxy-Connection: close\r\n\r\n",
  };
  return requests;
}

TEST(PlainHead, UsualRequests) {
  for (const std::string& request : usual_requests()) {
    expect_same(request);
    for (std::size_t size = 0; size < request.size(); ++size) expect_same(request.substr(0, size));
  }
}

TEST(PlainHead, MalformedRequests) {
  for (const MalformedRequest& request : malformed_requests()) expect_same(request.bytes);
}

TEST(PlainHead, EveryByteAtEveryPlace) {
  const std::string& request = usual_requests()[2];
  for (std::size_t at = 0; at < request.size(); ++at) {
    for (unsigned byte = 0; byte < 256; ++byte) {
      std::string changed = request;
      changed[at] = static_cast<char>(byte);
      expect_same(changed);
    }
  }
}

TEST(PlainHead, RandomChanges) {
  static const std::array<std::string, 34> kPieces{"\r\n",
                                                   "\r",
                                                   "\n",
                                                   " ",
                                                   "\t",
                                                   ":",
                                                   "\r\n\r\n",
                                                   "Host: b\r\n",
                                                   "Host",
                                                   "Content-Length: 2\r\n",
                                                   "Content-Length: 2, 2\r\n",
                                                   "Content-Length: -1\r\n",
                                                   "Content-Length: 99999999999999999999\r\n",
                                                   "Transfer-Encoding: chunked\r\n",
                                                   "Transfer-Encoding: gzip\r\n",
                                                   "Connection: close\r\n",
                                                   "Connection: keep-alive\r\n",
                                                   "Connection: a, close\r\n",
                                                   "Connection: Upgrade\r\n",
                                                   "Proxy-Connection: keep-alive\r\n",
                                                   "Expect: 100-continue\r\n",
                                                   "Upgrade: x\r\n",
                                                   std::string(1, '\0'),
                                                   "\x7f",
                                                   "\x80",
                                                   "HTTP/1.0",
                                                   "HTTP/1.1",
                                                   "HTTP/2.0",
                                                   "http://",
                                                   "#",
                                                   "?",
                                                   "X: y\r\n",
                                                   "X-Tab:\ta\t\r\n",
                                                   "X-Obs: \xe9\r\n"};
  std::mt19937 random(20'26);
  for (int round = 0; round < 150'000; ++round) {
    std::string request = usual_requests()[random() % usual_requests().size()];
    for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
      const std::size_t at = random() % (request.size() + 1);
      const std::string& piece = kPieces[random() % kPieces.size()];
      switch (random() % 4) {
        case 0:
          request.insert(at, piece);
          break;
        case 1:
          request.erase(at, 1 + random() % 6);
          break;
        case 2:
          request.replace(at, std::min(piece.size(), request.size() - at), piece);
          break;
        default: {  // a whole line more
          const std::size_t line = request.find("\r\n", at);
          if (line != std::string::npos) request.insert(line + 2, piece);
        }
      }
    }
    expect_same(request);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace lictor::http::test
