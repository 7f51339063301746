// Requests that are not acceptable HTTP, with what the server must do about each. Made for a server with the default
// limits (headers 16 KiB, bodies 64 KiB, target 8 KiB, 100 headers); the path is one that exists everywhere.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lictor::http::test {

enum class ThenClient : unsigned char { waits, ends_its_side };

struct MalformedRequest {
  std::string name;
  std::string bytes;
  int status = 400;     // of the last answer, after which the connection is closed; 0: closed without one
  int good_before = 0;  // so many acceptable requests come first in the same bytes, and are answered first
  ThenClient then = ThenClient::waits;
};

inline std::string repeat(std::string_view text, std::size_t times) {
  std::string result;
  for (std::size_t i = 0; i < times; ++i) result += text;
  return result;
}

// A literal that may contain NUL.
template <std::size_t size>
std::string with_nul(const char (&literal)[size]) {
  return std::string(literal, size - 1);
}

// A request with this line and these further header lines.
inline std::string with_line(std::string_view line, std::string_view headers = "") {
  return std::string(line) + "\r\nHost: localhost\r\n" + std::string(headers) + "\r\n";
}
inline std::string with_headers(std::string_view headers) { return with_line("GET /health HTTP/1.1", headers); }
inline std::string with_target(std::string_view target) {
  return with_line("GET " + std::string(target) + " HTTP/1.1");
}
inline std::string with_body(std::string_view headers, std::string_view body) {
  return with_line("POST /health HTTP/1.1", headers) + std::string(body);
}
inline std::string chunked(std::string_view body) { return with_body("Transfer-Encoding: chunked\r\n", body); }

inline void add_request_lines(std::vector<MalformedRequest>& rows) {
  const std::string_view bare = "\r\nHost: localhost\r\n\r\n";
  const auto add = [&](std::string name, const std::string& line, int status = 400) {
    rows.push_back({std::move(name), line + std::string(bare), status});
  };
  add("no target and version", "GET");
  add("no version (HTTP/0.9)", "GET /health");
  add("empty target", "GET  HTTP/1.1");
  add("two spaces before the version", "GET /health  HTTP/1.1");
  add("space after the version", "GET /health HTTP/1.1 ");
  add("space before the method", " GET /health HTTP/1.1");
  add("tab instead of a space", "GET\t/health HTTP/1.1");
  add("tab before the version", "GET /health\tHTTP/1.1");
  add("a fourth word", "GET /health HTTP/1.1 x");
  add("space in the target", "GET /hea lth HTTP/1.1");
  add("no method", "/health HTTP/1.1");
  add("method with a colon", "GE:T /health HTTP/1.1");
  add("method with a slash", "GET/ /health HTTP/1.1");
  add("method with a control character", "GE\x01T /health HTTP/1.1");
  add("method with a byte above ASCII", "G\xc3\x89T /health HTTP/1.1");
  add("method with NUL", with_nul("GE\0T /health HTTP/1.1"));
  add("method in brackets", "(GET) /health HTTP/1.1");
  add("lower-case protocol", "GET /health http/1.1");
  add("wrong protocol", "GET /health HTTPS/1.1");
  add("version without a dot", "GET /health HTTP/11");
  add("version with two digits", "GET /health HTTP/1.10");
  add("version with a comma", "GET /health HTTP/1,1");
  add("version of letters", "GET /health HTTP/x.y");
  add("version with a sign", "GET /health HTTP/+1.1");
  add("empty version", "GET /health HTTP/");
  add("version cut short", "GET /health HTTP/1.");
  add("HTTP/2.0", "GET /health HTTP/2.0", 505);
  add("HTTP/0.9 named", "GET /health HTTP/0.9", 505);
  add("HTTP/1.2", "GET /health HTTP/1.2", 505);
  add("HTTP/3.0", "GET /health HTTP/3.0", 505);
  add("HTTP/9.9", "GET /health HTTP/9.9", 505);
  rows.push_back({"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505});
  rows.push_back({"two empty lines first", "\r\n\r\n" + with_headers("")});
  rows.push_back({"a bare line feed first", "\n" + with_headers("")});
  rows.push_back({"a bare carriage return first", "\r" + with_headers("")});
  rows.push_back({"TLS client hello", with_nul("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")});
  rows.push_back({"another protocol's banner", "SSH-2.0-OpenSSH_9.2\r\n"});
  rows.push_back({"PROXY protocol", "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + with_headers("")});
  rows.push_back({"only NUL bytes", std::string(64, '\0')});
}

inline void add_targets(std::vector<MalformedRequest>& rows) {
  const auto add = [&](std::string name, const std::string& target, int status = 400) {
    rows.push_back({std::move(name), with_target(target), status});
  };
  add("target without a slash", "health");
  add("asterisk", "*");
  add("authority form", "localhost:8000");
  add("fragment", "/health#x");
  add("target with NUL", with_nul("/hea\0lth"));
  add("target with a control character", "/hea\x1flth");
  add("target with DEL", "/hea\x7flth");
  add("target with raw UTF-8", "/h\xc3\xa9lth");
  add("target with byte 0xff", "/\xff");
  add("absolute form of another host", "http://other/health");
  add("absolute form with a user", "http://user@localhost/health");
  add("absolute form without a path", "http://localhost");
  add("absolute form of another scheme", "ftp://localhost/health");
  add("absolute form without authority", "http:///health");
  add("target too long", "/" + std::string(8 * 1024, 'a'), 414);
  add("query too long", "/health?" + std::string(8 * 1024, 'q'), 414);
  rows.push_back({"endless request line", "GET /" + std::string(20 * 1024, 'a'), 414});
  rows.push_back({"CONNECT", with_line("CONNECT localhost:443 HTTP/1.1")});
}

inline void add_headers(std::vector<MalformedRequest>& rows) {
  const auto add = [&](std::string name, const std::string& headers, int status = 400) {
    rows.push_back({std::move(name), with_headers(headers), status});
  };
  add("space before the colon", "X-A : 1\r\n");
  add("tab before the colon", "X-A\t: 1\r\n");
  add("space in the name", "X A: 1\r\n");
  add("no colon", "X-A\r\n");
  add("empty name", ": 1\r\n");
  add("name with a slash", "X/A: 1\r\n");
  add("name with quotes", "\"X\": 1\r\n");
  add("name with a byte above ASCII", "X-\xc3\xa9: 1\r\n");
  add("name with NUL", with_nul("X-\0A: 1\r\n"));
  add("folded value", "X-A: 1\r\n 2\r\n");
  add("folded value with a tab", "X-A: 1\r\n\t2\r\n");
  add("folded after an empty line", "X-A:\r\n 2\r\n");
  add("folded to an empty line", "X-A: 1\r\n \r\n");
  add("value with NUL", with_nul("X-A: a\0b\r\n"));
  add("value with a bell",
      "X-A: a\x07"
      "b\r\n");
  add("value with an escape", "X-A: \x1b[31m\r\n");
  add("value with DEL",
      "X-A: a\x7f"
      "b\r\n");
  add("bare CR in a value", "X-A: a\rX-B: b\r\n");
  add("bare LF between headers", "X-A: a\nX-B: b\r\n");
  add("CR CR LF", "X-A: a\r\r\n");
  add("injected header behind a bare CR", "X-A: a\rContent-Length: 5\r\n");
  add("second Host", "Host: localhost\r\n");
  add("second Host, other case and value", "hOST: evil\r\n");
  add("101 headers", repeat("X-A: 1\r\n", 100), 431);
  add("one huge header", "X-A: " + std::string(16 * 1024, 'a') + "\r\n", 431);
  add("many large headers", repeat("X-A: " + std::string(1000, 'a') + "\r\n", 20), 431);
  add("a huge name", std::string(17 * 1024, 'n') + ": 1\r\n", 431);
  add("unknown expectation", "Expect: 200-ok\r\n", 417);
  add("expectation list", "Expect: 100-continue, x\r\n", 417);
  add("Connection that is no list", "Connection: \"\r\n");
  rows.push_back({"only LF as line end", "GET /health HTTP/1.1\nHost: localhost\n\n"});
  rows.push_back({"only CR as line end", "GET /health HTTP/1.1\rHost: localhost\r\r"});
  rows.push_back({"header block ended by LF", "GET /health HTTP/1.1\r\nHost: localhost\r\n\n"});
  rows.push_back({"white space before the first header", "GET /health HTTP/1.1\r\n Host: localhost\r\n\r\n"});
  rows.push_back({"no Host", "GET /health HTTP/1.1\r\n\r\n"});
  rows.push_back({"no Host but others", "GET /health HTTP/1.1\r\nX-Host: localhost\r\n\r\n"});
  for (const std::string_view host :
       {"a b", "a/b", "user@a", "a,b", "a?b", "a#b", "<a>", "h\xc3\xb6st", "a\\b", "\"a\""})
    rows.push_back({"Host: " + std::string(host), "GET /health HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n"});
  rows.push_back({"two Hosts in HTTP/1.0", "GET /health HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"});
  rows.push_back({"endless headers", "GET /health HTTP/1.1\r\n" + repeat("X-A: 1234567890\r\n", 2000), 431});
}

inline void add_lengths(std::vector<MalformedRequest>& rows) {
  const auto add = [&](std::string name, const std::string& headers, int status = 400) {
    rows.push_back({std::move(name), with_body(headers, "hello"), status});
  };
  const std::string five = "Content-Length: 5\r\n";
  const std::string chunks = "Transfer-Encoding: chunked\r\n";
  add("two equal lengths", five + five);
  add("two different lengths", five + "Content-Length: 6\r\n");
  add("list of equal lengths", "Content-Length: 5, 5\r\n");
  add("list of lengths", "Content-Length: 5, 6\r\n");
  add("negative length", "Content-Length: -5\r\n");
  add("length with a plus", "Content-Length: +5\r\n");
  add("hexadecimal length", "Content-Length: 0x5\r\n");
  add("length with a fraction", "Content-Length: 5.0\r\n");
  add("length of letters", "Content-Length: five\r\n");
  add("empty length", "Content-Length:\r\n");
  add("length of two words", "Content-Length: 5 5\r\n");
  add("length in quotes", "Content-Length: \"5\"\r\n");
  add("length beyond 64 bits", "Content-Length: 18446744073709551621\r\n");
  add("length of 30 digits", "Content-Length: 100000000000000000000000000005\r\n");
  add("the largest length", "Content-Length: 9223372036854775807\r\n", 413);
  add("length over the limit", "Content-Length: 65537\r\n", 413);
  add("length over the limit, with an expectation", "Content-Length: 65537\r\nExpect: 100-continue\r\n", 413);
  add("length, then chunked", five + chunks);
  add("chunked, then length", chunks + five);
  add("chunked twice", chunks + chunks);
  add("chunked listed twice", "Transfer-Encoding: chunked, chunked\r\n");
  add("gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n");
  add("gzip", "Transfer-Encoding: gzip\r\n");
  add("gzip in its own header", "Transfer-Encoding: gzip\r\n" + chunks);
  add("identity", "Transfer-Encoding: identity\r\n");
  add("chunked is not last", "Transfer-Encoding: chunked, identity\r\n");
  add("empty transfer coding", "Transfer-Encoding:\r\n");
  add("chunked with a vertical tab",
      "Transfer-Encoding: \x0b"
      "chunked\r\n");
  add("chunked with a parameter", "Transfer-Encoding: chunked;q=1\r\n");
  add("chunked in quotes", "Transfer-Encoding: \"chunked\"\r\n");
  add("chunked misspelt", "Transfer-Encoding: xchunked\r\n");
  add("white space hides the transfer coding", "Transfer-Encoding : chunked\r\n");
  rows.push_back({"chunked in HTTP/1.0", with_line("POST /health HTTP/1.0", chunks) + "0\r\n\r\n"});
}

inline void add_chunks(std::vector<MalformedRequest>& rows) {
  const auto add = [&](std::string name, const std::string& body, int status = 400) {
    rows.push_back({std::move(name), chunked(body), status});
  };
  add("chunk size of letters", "xyz\r\nhello\r\n0\r\n\r\n");
  add("negative chunk size", "-5\r\nhello\r\n0\r\n\r\n");
  add("chunk size with a plus", "+5\r\nhello\r\n0\r\n\r\n");
  add("chunk size with 0x", "0x5\r\nhello\r\n0\r\n\r\n");
  add("chunk size with a space first", " 5\r\nhello\r\n0\r\n\r\n");
  add("chunk size with a space behind", "5 \r\nhello\r\n0\r\n\r\n");
  add("empty chunk size", "\r\nhello\r\n0\r\n\r\n");
  add("chunk size beyond 64 bits", "10000000000000005\r\nhello\r\n0\r\n\r\n");
  add("chunk size of 2^63", "8000000000000000\r\nhello", 413);
  add("chunk size over the limit", "10001\r\nhello", 413);
  add("chunks over the limit together",
      repeat("8000\r\n" + std::string(0x8000, 'x') + "\r\n", 2) + "1\r\nx\r\n0\r\n\r\n", 413);
  add("chunk longer than its size", "4\r\nhello\r\n0\r\n\r\n");
  add("chunk shorter than its size", "6\r\nhello\r\n0\r\n\r\n");
  add("chunk without its line end", "5\r\nhello0\r\n\r\n");
  add("chunk ended by LF", "5\r\nhello\n0\r\n\r\n");
  add("size line ended by LF", "5\nhello\r\n0\r\n\r\n");
  add("size line ended by CR", "5\rhello\r\n0\r\n\r\n");
  add("extension without a name", "5;\r\nhello\r\n0\r\n\r\n");
  add("extension with a control character", "5;a=\"\x01\"\r\nhello\r\n0\r\n\r\n");
  add("extension with NUL", with_nul("5;a=\"\0\"\r\nhello\r\n0\r\n\r\n"));
  add("extension with an open quote", "5;a=\"b\r\nhello\r\n0\r\n\r\n\"");
  add("long extension", "5;a=" + std::string(2000, 'b') + "\r\nhello\r\n0\r\n\r\n");
  add("many extensions", repeat("1;a=" + std::string(90, 'b') + "\r\nx\r\n", 20) + "0\r\n\r\n");
  add("endless size line", "5;a=" + std::string(9000, 'b'), 431);
  add("endless zeros", std::string(9000, '0'), 431);
  add("endless trailers", "0\r\n" + repeat("X-A: 1234567890\r\n", 600), 431);
  add("too many trailers", "0\r\n" + repeat("A: 1\r\n", 101) + "\r\n");
  add("trailer without a colon", "0\r\nX-A\r\n\r\n");
  add("trailer with a space before the colon", "0\r\nX-A : 1\r\n\r\n");
  add("folded trailer", "0\r\nX-A: 1\r\n 2\r\n\r\n");
  add("Content-Length in a trailer", "0\r\nContent-Length: 5\r\n\r\n");
  add("Transfer-Encoding in a trailer", "0\r\nTransfer-Encoding: chunked\r\n\r\n");
}

inline void add_sequences(std::vector<MalformedRequest>& rows) {
  const std::string good = with_headers("");
  rows.push_back({"garbage after a good request", good + "\x01\x02garbage\r\n\r\n", 400, 1});
  rows.push_back({"garbage after two good requests", good + good + "}{\r\n\r\n", 400, 2});
  rows.push_back({"a bad version after a good request", good + with_line("GET /health HTTP/5.0"), 505, 1});
  rows.push_back({"a smuggled request behind CL and TE",
                  with_body("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + good), 400});
  rows.push_back({"a body longer than its length", with_body("Content-Length: 2\r\n", "hello\r\n\r\n"), 400, 1});
  rows.push_back({"more after the last chunk", chunked("0\r\n\r\nhello\r\n\r\n"), 400, 1});
}

// The client goes away, or goes silent (the status then comes when the server's header or body timeout has passed).
inline void add_unfinished(std::vector<MalformedRequest>& rows) {
  const auto add = [&](std::string name, std::string bytes, int status, ThenClient then) {
    rows.push_back({std::move(name), std::move(bytes), status, 0, then});
  };
  add("end before anything", "", 0, ThenClient::ends_its_side);
  add("end in the method", "GE", 0, ThenClient::ends_its_side);
  add("end in the headers", "GET /health HTTP/1.1\r\nHost: loc", 0, ThenClient::ends_its_side);
  add("end before the empty line", "GET /health HTTP/1.1\r\nHost: localhost\r\n", 0, ThenClient::ends_its_side);
  add("end in the body", with_body("Content-Length: 10\r\n", "hello"), 0, ThenClient::ends_its_side);
  add("end in a chunk", chunked("5\r\nhel"), 0, ThenClient::ends_its_side);
  add("end before the last chunk", chunked("5\r\nhello\r\n"), 0, ThenClient::ends_its_side);
  add("end in the trailers", chunked("0\r\nX-A: 1\r\n"), 0, ThenClient::ends_its_side);
  add("silence before anything", "", 0, ThenClient::waits);
  add("silence in the request line", "GET /hea", 408, ThenClient::waits);
  add("silence in the headers", "GET /health HTTP/1.1\r\nHost: localhost\r\nX", 408, ThenClient::waits);
  add("silence in the body", with_body("Content-Length: 10\r\n", "hello"), 408, ThenClient::waits);
  add("silence in a chunk", chunked("5\r\nhel"), 408, ThenClient::waits);
  add("silence in the trailers", chunked("0\r\n"), 408, ThenClient::waits);
}

inline std::vector<MalformedRequest> malformed_requests() {
  std::vector<MalformedRequest> rows;
  add_request_lines(rows);
  add_targets(rows);
  add_headers(rows);
  add_lengths(rows);
  add_chunks(rows);
  add_sequences(rows);
  add_unfinished(rows);
  return rows;
}

}  // namespace lictor::http::test
