#include "lictor/json_stream.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "lictor/error.h"

namespace lictor::cli {
namespace json = boost::json;
namespace {

constexpr std::size_t kBufferBytes = 64 * 1024;
constexpr std::size_t kMaxValueBytes = 1 << 20;
constexpr std::size_t kMaxDepth = 32;

bool is_space(int byte) { return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t'; }

}  // namespace

JsonStream::JsonStream(Source source, std::function<bool(std::string_view)> wants, std::string_view alone)
    : source_(std::move(source)), wants_(std::move(wants)), buffer_(kBufferBytes, '\0'), alone_(alone) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  peek();
  if (std::string_view(buffer_.data(), size_).starts_with(kByteOrderMark)) position_ = kByteOrderMark.size();
}

void JsonStream::fail(std::string_view what) const {
  throw CommandError(ExitCode::usage, fmt::format("line {}: {}", line_, what));
}

int JsonStream::peek() {
  if (position_ == size_) {
    position_ = 0;
    size_ = source_(buffer_.data(), buffer_.size());
    if (size_ == 0) return -1;
  }
  return static_cast<unsigned char>(buffer_[position_]);
}

int JsonStream::take() {
  const int byte = peek();
  if (byte >= 0) ++position_;
  if (byte == '\n') ++line_;
  return byte;
}

int JsonStream::peek_past_space() {
  while (is_space(peek())) take();
  return peek();
}

void JsonStream::expect(char wanted) {
  const int byte = peek_past_space();
  if (byte != wanted) {
    fail(byte < 0 ? fmt::format("the file ends where {} is expected", wanted)
                  : fmt::format("no JSON: {} is expected", wanted));
  }
  take();
}

// With its quotes.
std::string JsonStream::read_string() {
  std::string text(1, static_cast<char>(take()));
  while (true) {
    const int byte = take();
    if (byte < 0) fail("a text without its end");
    text += static_cast<char>(byte);
    if (byte == '"') return text;
    if (byte == '\\') text += static_cast<char>(take());
    if (text.size() > kMaxValueBytes) fail("a text of more than 1 MiB");
  }
}

std::string JsonStream::read_value() {
  std::string text;
  std::size_t depth = 0;
  do {
    const int byte = peek();
    if (byte < 0) fail("the file ends inside a value");
    if (byte == '"') {
      text += read_string();
    } else if (byte == '{' || byte == '[') {
      if (++depth > kMaxDepth) fail("more than 32 levels");
      text += static_cast<char>(take());
    } else if (byte == '}' || byte == ']') {
      if (depth == 0) fail("no JSON: a value is expected");
      --depth;
      text += static_cast<char>(take());
    } else if (depth > 0) {
      text += static_cast<char>(take());
    } else {
      while (peek() >= 0 && !is_space(peek()) && peek() != ',' && peek() != '}' && peek() != ']') {
        text += static_cast<char>(take());
      }
      if (text.empty()) fail("no JSON: a value is expected");
    }
    if (text.size() > kMaxValueBytes) fail("a value of more than 1 MiB");
  } while (depth > 0);
  return text;
}

std::optional<JsonStream::Element> JsonStream::next_element() {
  while (true) {
    if (peek_past_space() == ']') {
      take();
      state_ = State::members;
      first_ = false;
      if (is_alone_) finish("array");
      return std::nullopt;
    }
    if (!first_) expect(',');
    first_ = false;
    peek_past_space();
    const std::size_t line = line_;
    const std::string text = read_value();
    if (!wants_(member_)) continue;
    boost::system::error_code error;
    json::value value = json::parse(text, error);
    if (error) throw CommandError(ExitCode::usage, fmt::format("line {}: no JSON: {}", line, error.message()));
    return Element{member_, line, std::move(value)};
  }
}

void JsonStream::finish(const char* what) {
  if (peek_past_space() >= 0) fail(fmt::format("more text after the end of the {}", what));
  state_ = State::end;
}

std::optional<JsonStream::Element> JsonStream::next_member() {
  if (peek_past_space() == '}') {
    take();
    finish("object");
    return std::nullopt;
  }
  if (!first_) expect(',');
  first_ = false;
  if (peek_past_space() != '"') fail("no JSON: the name of a member is expected");
  boost::system::error_code error;
  const json::value name = json::parse(read_string(), error);
  if (error) fail("no JSON: the name of a member is not valid");
  member_ = std::string(name.as_string());
  expect(':');
  if (peek_past_space() == '[') {
    take();
    state_ = State::elements;
    first_ = true;
    return std::nullopt;
  }
  const std::size_t line = line_;
  json::value value = json::parse(read_value(), error);
  if (error) throw CommandError(ExitCode::usage, fmt::format("line {}: no JSON: {}", line, error.message()));
  return Element{member_, line, std::move(value)};
}

std::optional<JsonStream::Element> JsonStream::next() {
  if (state_ == State::start) {
    is_alone_ = peek_past_space() == '[';
    expect(is_alone_ ? '[' : '{');
    state_ = is_alone_ ? State::elements : State::members;
    if (is_alone_) member_ = alone_;
  }
  while (state_ != State::end) {
    auto element = state_ == State::elements ? next_element() : next_member();
    if (element) return element;
  }
  return std::nullopt;
}

}  // namespace lictor::cli
