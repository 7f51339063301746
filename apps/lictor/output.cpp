#include "lictor/output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "base/encoding.h"

namespace lictor::cli {
namespace json = boost::json;
namespace {

bool wants_colours(int descriptor) {
  const char* const no_color = std::getenv("NO_COLOR");
  const char* const terminal = std::getenv("TERM");
  return ::isatty(descriptor) == 1 && (no_color == nullptr || *no_color == '\0') &&
         (terminal == nullptr || std::string_view(terminal) != "dumb");
}

void write_to(std::FILE* file, std::string_view text) { std::fwrite(text.data(), 1, text.size(), file); }

void append_line(std::string& out, std::size_t indent) {
  out += '\n';
  out.append(indent, ' ');
}

void append_text(std::string& out, json::string_view text) {
  out += json::serialize(json::string(text));  // base::append_json_string wants valid UTF-8
}

}  // namespace

void append_json(std::string& out, const json::value& value, std::size_t indent) {
  if (value.is_array() && !value.get_array().empty()) {
    char separator = '[';
    for (const json::value& item : value.get_array()) {
      out += separator;
      append_line(out, indent + 2);
      append_json(out, item, indent + 2);
      separator = ',';
    }
    append_line(out, indent);
    out += ']';
  } else if (value.is_object() && !value.get_object().empty()) {
    char separator = '{';
    for (const auto& [name, member] : value.get_object()) {
      out += separator;
      append_line(out, indent + 2);
      append_text(out, name);
      out += ": ";
      append_json(out, member, indent + 2);
      separator = ',';
    }
    append_line(out, indent);
    out += '}';
  } else if (value.is_int64()) {
    base::append_number(out, value.get_int64());
  } else {
    out += json::serialize(value);
  }
}

Output::Output() : colours_(wants_colours(STDOUT_FILENO)) {}

void Output::print_json(const json::value& value) const {
  std::string text;
  append_json(text, value, 0);
  write_to(stdout, text + "\n");
}

void Output::print(const Table& table) const { write_to(stdout, table.render(colours_)); }
void Output::print_line(std::string_view line) const { write_to(stdout, printable(line) + "\n"); }
void Output::write(std::string_view text) const { write_to(stdout, text); }
void Output::remark(std::string_view line) const { write_to(stderr, printable(line) + "\n"); }

void print_error(std::string_view message, std::string_view hint) {
  const bool colours = wants_colours(STDERR_FILENO);
  const auto shown = [&](std::string_view text, Colour colour) {
    return colours ? coloured(text, colour) : std::string(text);
  };
  std::fflush(stdout);
  write_to(stderr, shown("lictor:", Colour::red) + " " + std::string(message) + "\n");
  if (!hint.empty()) write_to(stderr, shown("hint:", Colour::dim) + " " + std::string(hint) + "\n");
}

Progress::Progress() : on_terminal_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (shown_) write_to(stderr, "\r\x1b[K");
}

void Progress::show(std::string_view line) {
  if (!on_terminal_) return;
  write_to(stderr, fmt::format("\r\x1b[K{}", line));
  shown_ = true;
}

bool is_terminal_input() { return ::isatty(STDIN_FILENO) == 1; }

bool ask(std::string_view question) {
  write_to(stderr, printable(question) + " [y/N] ");
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

}  // namespace lictor::cli
