// The head of a usual request, read without Beast in one pass. What it takes, Beast would take with the same result
// (tests/http/test_plain_head.cpp compares them); everything else it leaves to Beast.
#include <algorithm>

#include "http/parser.h"
#include "http/parser_rules.h"

namespace lictor::http {

namespace {

// RFC 9110, section 5.6.2: tchar.
constexpr auto kTokenChars = alphanumeric_and("!#$%&'*+-.^_`|~");

bool is_token_char(char c) noexcept { return kTokenChars[static_cast<unsigned char>(c)]; }

// Visible ASCII and spaces; no early way out, so that the loop is vectorised.
bool is_plain_text(std::string_view text) noexcept {
  unsigned unusual = 0;
  for (const char c : text) unusual |= static_cast<unsigned>(static_cast<unsigned char>(c - 0x20) >= 0x5F);
  return unusual == 0;
}

// Takes what `accepts` from the front of `text`.
template <class Accepts>
std::string_view take_while(std::string_view& text, const Accepts& accepts) noexcept {
  const auto end = std::find_if_not(text.begin(), text.end(), accepts);
  const std::string_view taken(text.data(), static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(taken.size());
  return taken;
}

bool take_text(std::string_view& text, std::string_view expected) noexcept {
  if (!text.starts_with(expected)) return false;
  text.remove_prefix(expected.size());
  return true;
}

std::string_view without_spaces_around(std::string_view text) noexcept {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// One header line and its end.
bool take_header(std::string_view& text, Header& header) noexcept {
  header.name = take_while(text, is_token_char);
  if (header.name.empty() || !take_text(text, ":")) return false;
  const std::size_t end = text.find('\r');
  if (end == std::string_view::npos) return false;
  header.value = text.substr(0, end);
  text.remove_prefix(end);
  if (!take_text(text, "\r\n") || !is_plain_text(header.value)) return false;
  header.value = without_spaces_around(header.value);
  return true;
}

}  // namespace

bool RequestParser::read_plain_head(std::string_view data) {
  start_head();
  std::string_view rest = data;
  request_.method = take_while(rest, [](char c) { return c >= 'A' && c <= 'Z'; });
  if (request_.method.empty() || !take_text(rest, " ") || !rest.starts_with('/')) return false;
  request_.target = take_while(rest, is_target_char);
  if (request_.target.size() > limits_.target_bytes || !take_text(rest, " HTTP/1.1\r\n")) return false;
  http11_ = keep_alive_ = true;
  bool has_connection = false;
  Header header;
  while (!take_text(rest, "\r\n")) {
    if (headers_.size() == limits_.headers || !take_header(rest, header)) return false;
    if (!note_plain_header(header, has_connection)) return false;
    headers_.push_back(header);
  }
  header_bytes_ = data.size() - rest.size();
  return true;
}

// The headers that Beast or its reader here give a meaning to. False: Beast shall decide.
bool RequestParser::note_plain_header(const Header& header, bool& has_connection) noexcept {
  const std::string_view value = header.value;
  const auto is = [&header](std::string_view name) { return equal_names(header.name, name); };
  switch (header.name.size()) {
    case 4:
      if (!is("Host")) return true;
      if (has_host_ || !std::all_of(value.begin(), value.end(), is_host_char)) return false;
      has_host_ = true;
      host_ = value;
      return true;
    case 6:
      return !is("Expect");
    case 7:
      return !is("Upgrade");
    case 10:
      if (!is("Connection")) return true;
      if (has_connection || (!equal_names(value, "keep-alive") && !equal_names(value, "close"))) return false;
      has_connection = true;
      keep_alive_ = !equal_names(value, "close");
      return true;
    case 14:
      if (!is("Content-Length")) return true;
      if (has_content_length_ || !parse_content_length(value, content_length_)) return false;
      has_content_length_ = true;
      return true;
    case 16:
      return !is("Proxy-Connection");
    case 17:
      return !is("Transfer-Encoding");
    default:
      return true;
  }
}

}  // namespace lictor::http
