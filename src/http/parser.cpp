#include "http/parser.h"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <cstring>
#include <functional>

#include "http/parser_rules.h"

namespace lictor::http {

namespace beast_http = boost::beast::http;
using boost::beast::error_code;
using boost::beast::string_view;

namespace {

// "0", CRLF, CRLF: what is still to be read of a chunked body is never less. With less Beast 1.81 would come upon an
// assertion of its own when the first chunk is the last.
constexpr std::size_t kSmallestRestOfChunks = 5;

std::string_view to_std(string_view text) noexcept { return {text.data(), text.size()}; }

// Beast joins folded lines silently. A folded value lies either in Beast's own memory or on a later line than its name.
bool is_folded(std::string_view name, std::string_view value, std::string_view data) noexcept {
  const char* const begin = name.data() + name.size();
  const char* const end = data.data() + data.size();
  if (std::less<>()(value.data(), begin) || std::less<>()(end, value.data())) return true;
  for (const char* c = begin; c != value.data(); ++c) {
    if (*c != ':' && *c != ' ' && *c != '\t') return true;
  }
  return false;
}

// Whether a request line that Beast refused for its version is well-formed and only of another version.
bool names_other_version(std::string_view line) noexcept {
  if (std::count(line.begin(), line.end(), ' ') != 2) return false;
  const std::string_view version = line.substr(line.rfind(' ') + 1);
  return version.size() == 8 && version.starts_with("HTTP/") && base::is_digit(version[5]) && version[6] == '.' &&
         base::is_digit(version[7]);
}

// Whether something came after the first `seen` bytes that may decide: a CR, a LF, or what follows a CR.
bool ends_line(std::string_view data, std::size_t seen) noexcept {
  return data[seen - 1] == '\r' || data.find_first_of("\r\n", seen) != std::string_view::npos;
}

// Beast waits for one byte more before it looks at a line that consists of a line feed only.
bool ends_with_bare_lf(std::string_view data) noexcept { return data.ends_with('\n') && !data.ends_with("\r\n"); }

// Whether a chunk's size line, complete at the start of `raw`, has a quoted string that doesn't end in it. Beast would
// look for its end beyond the line. `raw` may begin with the line end of the chunk before.
bool has_open_quote(std::string_view raw) noexcept {
  if (raw.starts_with("\r\n")) raw.remove_prefix(2);
  const std::size_t line_end = raw.find("\r\n");
  if (line_end == std::string_view::npos) return false;
  bool open = false;
  for (std::size_t i = 0; i < line_end; ++i) {
    if (raw[i] == '"') open = !open;
    if (raw[i] == '\\' && open) ++i;
  }
  return open;
}

// Beast's interface as far as a server's two readers don't use it.
class Reader : public beast_http::basic_parser<true> {
 protected:
  Reader() { header_limit(static_cast<std::uint32_t>(-1)); }  // limits are ours, over all bytes of the header

  void on_request_impl(beast_http::verb, string_view, string_view, int, error_code&) override {}
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(beast_http::field, string_view, string_view, error_code&) override {}
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view, error_code&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code&) override { return body.size(); }
  void on_finish_impl(error_code&) override {}
};

}  // namespace

// Reads a header in one put(); an unfinished one is read again from the start when more lines have come. That bounds
// the work (there are at most so many lines), needs no views that survive a moving buffer, and makes the result
// independent of how the bytes were split.
class RequestParser::HeadReader final : public Reader {
 public:
  HeadReader(RequestParser& parser, std::string_view data) : parser_(parser), data_(data) {
    body_limit(boost::none);  // parse_body() knows the route's
  }

 private:
  void refuse(ProtocolError error, std::string_view message, error_code& ec) noexcept {
    parser_.fail(error, message);
    ec = beast_http::error::bad_value;
  }

  void on_request_impl(beast_http::verb, string_view method, string_view target, int version, error_code& ec) override {
    parser_.request_.method = to_std(method);
    parser_.request_.target = to_std(target);
    parser_.http11_ = version == 11;
    if (target.size() > parser_.limits_.target_bytes)
      refuse(ProtocolError::target_too_long, "The request target is too long", ec);
  }

  void on_field_impl(beast_http::field field, string_view name, string_view value, error_code& ec) override {
    if (is_folded(to_std(name), to_std(value), data_))
      return refuse(ProtocolError::malformed, "A header is folded over several lines", ec);
    if (parser_.headers_.size() == parser_.limits_.headers)
      return refuse(ProtocolError::headers_too_large, "Too many headers", ec);
    parser_.headers_.push_back({to_std(name), to_std(value)});
    switch (field) {
      case beast_http::field::host:
        return on_host(to_std(value), ec);
      case beast_http::field::content_length:
        return on_content_length(to_std(value), ec);
      case beast_http::field::transfer_encoding:
        return on_transfer_encoding(to_std(value), ec);
      case beast_http::field::expect:
        return on_expect(to_std(value), ec);
      default:
        return;
    }
  }

  void on_host(std::string_view value, error_code& ec) {
    if (parser_.has_host_) return refuse(ProtocolError::malformed, "More than one Host header", ec);
    if (!std::all_of(value.begin(), value.end(), is_host_char))
      return refuse(ProtocolError::malformed, "The Host header is malformed", ec);
    parser_.has_host_ = true;
    parser_.host_ = value;
  }

  void on_content_length(std::string_view value, error_code& ec) {
    if (parser_.has_content_length_) return refuse(ProtocolError::malformed, "More than one Content-Length header", ec);
    if (!parse_content_length(value, parser_.content_length_))
      return refuse(ProtocolError::malformed, "The Content-Length header is malformed", ec);
    parser_.has_content_length_ = true;
  }

  void on_transfer_encoding(std::string_view value, error_code& ec) {
    if (parser_.chunked_ || !equal_names(value, "chunked"))
      return refuse(ProtocolError::malformed, "The only transfer coding accepted is chunked, once", ec);
    parser_.chunked_ = true;
  }

  void on_expect(std::string_view value, error_code& ec) {
    if (!equal_names(value, "100-continue"))
      return refuse(ProtocolError::expectation_failed, "The only expectation accepted is 100-continue", ec);
    parser_.expects_continue_ = true;
  }

  RequestParser& parser_;
  std::string_view data_;
};

// Decodes a chunked body in place. Beast's parser is brought into the state after a header by one of our own.
class RequestParser::ChunkReader final : public Reader {
 public:
  ChunkReader(const ParserLimits& limits, std::size_t decoded_limit) : limits_(limits) {
    body_limit(std::uint64_t{decoded_limit});
    static constexpr std::string_view kHead = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    error_code ec;
    put({kHead.data(), kHead.size()}, ec);
    eager(true);
  }

  // Moves the content of `raw` to `out`, which lies at or before it. Returns how much of raw was used.
  std::size_t decode(std::string_view raw, char* out, error_code& ec) {
    data_ = raw;
    out_ = out;
    return put({raw.data(), raw.size()}, ec);
  }
  char* out() const noexcept { return out_; }

 private:
  void on_chunk_header_impl(std::uint64_t, string_view extensions, error_code& ec) override {
    extension_bytes_ += extensions.size();
    const bool clean = std::all_of(extensions.begin(), extensions.end(),
                                   [](char c) { return is_visible_ascii(c) || c == ' ' || c == '\t'; });
    if (!clean || extension_bytes_ > limits_.chunk_extension_bytes) ec = beast_http::error::bad_chunk_extension;
  }

  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code&) override {
    std::memmove(out_, body.data(), body.size());
    out_ += body.size();
    return body.size();
  }

  // Of the trailers; they are checked and thrown away.
  void on_field_impl(beast_http::field, string_view name, string_view value, error_code& ec) override {
    if (!started_) return void(started_ = true);  // the one header of our own
    if (is_folded(to_std(name), to_std(value), data_) || ++trailers_ > limits_.headers)
      ec = beast_http::error::bad_field;
  }

  const ParserLimits& limits_;
  std::string_view data_;
  char* out_ = nullptr;
  std::size_t extension_bytes_ = 0;
  std::size_t trailers_ = 0;
  bool started_ = false;
};

RequestParser::RequestParser(const ParserLimits& limits) noexcept : limits_(limits) {}
RequestParser::~RequestParser() = default;

void RequestParser::reset() noexcept {
  if (chunks_) chunks_.reset();
  request_ = {};
  seen_bytes_ = header_bytes_ = body_bytes_ = 0;
  start_head();
}

void RequestParser::release() noexcept {
  reset();
  headers_ = {};
}

Progress RequestParser::fail(ProtocolError error, std::string_view message) noexcept {
  failure_ = {error, message};
  return Progress::failed;
}

Progress RequestParser::parse_header(std::string_view data) {
  const std::size_t seen = std::min(seen_bytes_, data.size());
  seen_bytes_ = data.size();
  if (seen != 0 && data.size() < limits_.header_bytes && !ends_line(data, seen)) return Progress::need_more;

  std::size_t skipped = 0;
  if (!data.empty() && data.front() == '\r') {  // one empty line before a request is ignored: RFC 9112, section 2.2
    if (data.size() == 1) return Progress::need_more;
    if (data[1] != '\n') return fail(ProtocolError::malformed, "A carriage return without a line feed");
    skipped = 2;
    if (data.size() == skipped) return seen_bytes_ = 0, Progress::need_more;
  }
  const Progress progress = read_head(data.substr(skipped, limits_.header_bytes));
  header_bytes_ += skipped;
  return progress;
}

void RequestParser::start_head() noexcept {
  headers_.clear();
  host_ = {};
  has_host_ = has_content_length_ = chunked_ = expects_continue_ = false;
}

Progress RequestParser::read_head(std::string_view data) {
  if (limits_.plain_first && read_plain_head(data)) return check_head() ? Progress::complete : Progress::failed;
  start_head();
  failure_ = {ProtocolError::malformed, {}};
  HeadReader reader(*this, data);
  error_code ec;
  header_bytes_ = reader.put({data.data(), data.size()}, ec);
  if (ec == beast_http::error::need_more) {
    if (ends_with_bare_lf(data)) return fail(ProtocolError::malformed, "A line feed without a carriage return");
    return data.size() == limits_.header_bytes ? over_limit(data) : Progress::need_more;
  }
  if (ec == beast_http::error::bad_version) return refuse_version(data);
  if (ec) {
    if (failure_.message.empty()) fail(ProtocolError::malformed, "The request line or a header is malformed");
    return Progress::failed;
  }
  keep_alive_ = reader.keep_alive();
  return check_target() && check_head() ? Progress::complete : Progress::failed;
}

// Another version of HTTP, or no version at all. Said when the whole line is there.
Progress RequestParser::refuse_version(std::string_view data) noexcept {
  const std::size_t line_end = std::min(data.find('\r'), data.size());
  if (names_other_version(data.substr(0, line_end))) {
    const std::string_view rest = data.substr(line_end);
    if (rest.size() < 2 && data.size() < limits_.header_bytes) return Progress::need_more;
    if (rest.starts_with("\r\n"))
      return fail(ProtocolError::version_unsupported, "Only HTTP/1.1 and HTTP/1.0 are supported");
  }
  return fail(ProtocolError::malformed, "The request line is malformed");
}

Progress RequestParser::over_limit(std::string_view data) noexcept {
  if (data.find('\n') == std::string_view::npos)
    return fail(ProtocolError::target_too_long, "The request line is too long");
  return fail(ProtocolError::headers_too_large, "The headers are too large");
}

// What can be said only when all headers are known.
bool RequestParser::check_head() noexcept {
  request_.headers = headers_;
  if (http11_ && !has_host_) {
    fail(ProtocolError::malformed, "The Host header is missing");
    return false;
  }
  if (chunked_ && (has_content_length_ || !http11_)) {
    fail(ProtocolError::malformed, "Transfer-Encoding with Content-Length or in HTTP/1.0");
    return false;
  }
  if (!http11_) expects_continue_ = false;  // RFC 9110, section 10.1.1
  if (!has_content_length_) content_length_ = 0;
  const std::string_view target = request_.target;
  const std::size_t mark = target.find('?');
  request_.path = target.substr(0, mark);
  request_.query = mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
  return true;
}

bool RequestParser::check_target() noexcept {
  std::string_view& target = request_.target;
  // RFC 9112, section 3.2.2. The Host must say the same as the authority, so that nobody is misled by either.
  static constexpr std::string_view kScheme = "http://";
  if (target.size() > kScheme.size() && equal_names(target.substr(0, kScheme.size()), kScheme)) {
    const std::size_t path = target.find('/', kScheme.size());
    if (path != std::string_view::npos && equal_names(target.substr(kScheme.size(), path - kScheme.size()), host_) &&
        has_host_ && !host_.empty())
      target.remove_prefix(path);
  }
  const bool good = target.front() == '/' && std::all_of(target.begin(), target.end(), is_target_char);
  if (!good) fail(ProtocolError::malformed, "The request target must be an absolute path of visible ASCII characters");
  return good;
}

Progress RequestParser::parse_body(char* data, std::size_t& size, std::size_t limit) {
  if (chunked_) return parse_chunks(data, size, limit);
  if (content_length_ > limit) return fail(ProtocolError::payload_too_large, "The body is too large");
  if (size - header_bytes_ < content_length_) return Progress::need_more;
  request_.body = {data + header_bytes_, static_cast<std::size_t>(content_length_)};
  return Progress::complete;
}

Progress RequestParser::parse_chunks(char* data, std::size_t& size, std::size_t limit) {
  if (size - header_bytes_ - body_bytes_ < kSmallestRestOfChunks) return Progress::need_more;
  if (!chunks_) chunks_ = std::make_unique<ChunkReader>(limits_, limit);
  char* const raw = data + header_bytes_ + body_bytes_;
  const std::size_t raw_bytes = size - header_bytes_ - body_bytes_;
  error_code ec;
  std::size_t used = 0;
  char* out = raw;
  // A part at a time, so that the limit of a size line is the same however the bytes arrive.
  for (bool more = true; more;) {
    const std::string_view part = std::string_view(raw, raw_bytes).substr(used, limits_.chunk_line_bytes);
    const std::size_t taken = chunks_->decode(part, out, ec);
    out = chunks_->out();
    used += taken;
    more = taken != 0 && (!ec || ec == beast_http::error::need_more) && !chunks_->is_done() && used < raw_bytes;
  }
  const std::size_t decoded = static_cast<std::size_t>(out - raw);
  std::memmove(raw + decoded, raw + used, raw_bytes - used);
  size -= used - decoded;
  body_bytes_ += decoded;
  if (ec == beast_http::error::body_limit) return fail(ProtocolError::payload_too_large, "The body is too large");
  const std::string_view rest(raw + decoded, std::min(raw_bytes - used, limits_.chunk_line_bytes));
  if ((ec && ec != beast_http::error::need_more) || (!chunks_->is_done() && has_open_quote(rest)))
    return fail(ProtocolError::malformed, "The chunked body is malformed");
  if (!chunks_->is_done()) {
    if (rest.size() == limits_.chunk_line_bytes)
      return fail(ProtocolError::headers_too_large, "A chunk's size line or the trailers are too large");
    return Progress::need_more;
  }
  request_.body = {data + header_bytes_, body_bytes_};
  return Progress::complete;
}

void RequestParser::moved(const char* from, const char* to) noexcept {
  const auto move = [from, to](std::string_view& view) {
    if (view.data() != nullptr) view = {to + (view.data() - from), view.size()};
  };
  for (std::string_view* view : {&request_.method, &request_.target, &request_.path, &request_.query, &request_.body})
    move(*view);
  for (Header& header : headers_) {
    move(header.name);
    move(header.value);
  }
}

}  // namespace lictor::http
