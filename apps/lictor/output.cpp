#include "lictor/output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cstdio>
#include <cstdlib>
#include <iostream>

namespace lictor::cli {
namespace json = boost::json;
namespace {

bool wants_colours(int descriptor) {
  const char* const no_color = std::getenv("NO_COLOR");
  const char* const terminal = std::getenv("TERM");
  return ::isatty(descriptor) == 1 && (no_color == nullptr || *no_color == '\0') &&
         (terminal == nullptr || std::string_view(terminal) != "dumb");
}

void append_json(std::string& out, const json::value& value, std::size_t indent) {
  const std::string line_end = "\n" + std::string(indent + 2, ' ');
  if (value.is_array() && !value.get_array().empty()) {
    const char* separator = "[";
    for (const json::value& item : value.get_array()) {
      out += separator + line_end;
      append_json(out, item, indent + 2);
      separator = ",";
    }
    out += "\n" + std::string(indent, ' ') + "]";
  } else if (value.is_object() && !value.get_object().empty()) {
    const char* separator = "{";
    for (const auto& [name, member] : value.get_object()) {
      out += separator + line_end + json::serialize(json::string(name)) + ": ";
      append_json(out, member, indent + 2);
      separator = ",";
    }
    out += "\n" + std::string(indent, ' ') + "}";
  } else {
    out += json::serialize(value);
  }
}

void write(std::FILE* file, std::string_view text) { std::fwrite(text.data(), 1, text.size(), file); }

}  // namespace

Output::Output() : colours_(wants_colours(STDOUT_FILENO)) {}

void Output::print_json(const json::value& value) const {
  std::string text;
  append_json(text, value, 0);
  write(stdout, text + "\n");
}

void Output::print(const Table& table) const { write(stdout, table.render(colours_)); }
void Output::print_line(std::string_view line) const { write(stdout, printable(line) + "\n"); }
void Output::remark(std::string_view line) const { write(stderr, printable(line) + "\n"); }

void print_error(std::string_view message, std::string_view hint) {
  const bool colours = wants_colours(STDERR_FILENO);
  const auto shown = [&](std::string_view text, Colour colour) {
    return colours ? coloured(text, colour) : std::string(text);
  };
  std::fflush(stdout);
  write(stderr, shown("lictor:", Colour::red) + " " + std::string(message) + "\n");
  if (!hint.empty()) write(stderr, shown("hint:", Colour::dim) + " " + std::string(hint) + "\n");
}

Progress::Progress() : on_terminal_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (shown_) write(stderr, "\r\x1b[K");
}

void Progress::show(std::string_view line) {
  if (!on_terminal_) return;
  write(stderr, fmt::format("\r\x1b[K{}", line));
  shown_ = true;
}

bool ask(std::string_view question) {
  write(stderr, printable(question) + " [y/N] ");
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

}  // namespace lictor::cli
