// An incremental, strict parser of HTTP/1.1 and 1.0 requests (RFC 9112), over Boost.Beast's basic_parser; the
// usual head is read without it, see plain_head.cpp.
//
// What is refused although lenient servers take it, because two parsers could read it differently (request smuggling):
// a bare CR or LF, line folding, white space before a colon, a second Host, Content-Length or Transfer-Encoding,
// Content-Length together with Transfer-Encoding, a list as Content-Length, any transfer coding but `chunked`, control
// characters anywhere, a target that is not an absolute path (or http://<the Host's value><absolute path>).
//
// The parser keeps views into the caller's buffer and allocates nothing for a usual request. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "http/message.h"

namespace lictor::http {

struct ParserLimits {
  std::size_t header_bytes = 16 * 1024;  // request line and headers together, as ServerOptions::max_header_bytes
  std::size_t target_bytes = 8 * 1024;
  std::size_t headers = 100;
  std::size_t chunk_extension_bytes = 1024;  // of all chunks of a body together
  std::size_t chunk_line_bytes = 8 * 1024;   // of one chunk's size line, or of all trailers
  bool plain_first = true;                   // false: Beast reads every head (tests compare the two)
};

enum class Progress : std::uint8_t { need_more, complete, failed };

struct ParseFailure {
  ProtocolError error = ProtocolError::malformed;
  std::string_view message;  // a literal
};

class RequestParser {
 public:
  explicit RequestParser(const ParserLimits& limits) noexcept;  // keeps the reference
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  // Makes ready for the next request.
  void reset() noexcept;
  // The same, and gives memory back.
  void release() noexcept;

  // `data`: all bytes received from the start of the request on; it may lie elsewhere and be longer at each call.
  Progress parse_header(std::string_view data);

  // After the header: the same bytes, at the address last given (or told to moved()). A chunked body is decoded in
  // place, which makes `size` smaller. `limit`: of the decoded body.
  Progress parse_body(char* data, std::size_t& size, std::size_t limit);

  // The bytes of the request were copied from `from` to `to`; both must still exist.
  void moved(const char* from, const char* to) noexcept;

  // Valid after failed.
  const ParseFailure& failure() const noexcept { return failure_; }

  // Valid after the header is complete; the body after that is. Peer and time are left for the caller to fill in.
  Request& request() noexcept { return request_; }
  const Request& request() const noexcept { return request_; }
  bool is_http11() const noexcept { return http11_; }
  bool keep_alive() const noexcept { return keep_alive_; }
  std::uint64_t content_length() const noexcept { return content_length_; }  // 0 of a chunked body
  bool expects_continue() const noexcept { return expects_continue_; }
  // How much of the data belongs to this request (after parse_body has taken the chunks' framing out).
  std::size_t message_bytes() const noexcept { return header_bytes_ + request_.body.size(); }

 private:
  class HeadReader;
  class ChunkReader;

  Progress fail(ProtocolError error, std::string_view message) noexcept;
  void start_head() noexcept;
  Progress read_head(std::string_view data);
  bool read_plain_head(std::string_view data);
  bool note_plain_header(const Header& header, bool& has_connection) noexcept;
  Progress refuse_version(std::string_view data) noexcept;
  Progress over_limit(std::string_view data) noexcept;
  bool check_head() noexcept;
  bool check_target() noexcept;
  Progress parse_chunks(char* data, std::size_t& size, std::size_t limit);

  const ParserLimits& limits_;
  Request request_;
  std::vector<Header> headers_;
  std::unique_ptr<ChunkReader> chunks_;  // only of a request with a chunked body
  std::size_t seen_bytes_ = 0;           // how much of an unfinished header was looked at
  std::size_t header_bytes_ = 0;
  std::size_t body_bytes_ = 0;  // chunked: decoded so far
  std::uint64_t content_length_ = 0;
  std::string_view host_;
  ParseFailure failure_;
  bool http11_ = false;
  bool keep_alive_ = false;
  bool expects_continue_ = false;
  bool has_host_ = false;
  bool has_content_length_ = false;
  bool chunked_ = false;
};

}  // namespace lictor::http
