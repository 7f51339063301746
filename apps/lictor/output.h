// What a command prints: a table for people or, with --json, JSON for programs, on stdout. Everything that is not the
// result (errors, progress, remarks) goes to stderr.
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "lictor/text.h"

namespace lictor::cli {

class Output {
 public:
  // Colours only on a terminal and when NO_COLOR (https://no-color.org) is unset or empty.
  Output();
  void set_json(bool json) noexcept { json_ = json; }
  bool json() const noexcept { return json_; }

  void print_json(const boost::json::value& value) const;  // over several lines, indented by two
  void print(const Table& table) const;
  void print_line(std::string_view line) const;
  void write(std::string_view text) const;   // as it is, to stdout
  void remark(std::string_view line) const;  // to stderr

 private:
  bool json_ = false;
  bool colours_ = false;
};

// As print_json prints it, appended to `out`: the first line is not indented, those that follow are by `indent`.
void append_json(std::string& out, const boost::json::value& value, std::size_t indent = 0);

// `lictor: message`, then the hint on a line of its own when there is one.
void print_error(std::string_view message, std::string_view hint);

// One line on stderr that is written over and over; nothing when stderr is no terminal.
class Progress {
 public:
  Progress();
  ~Progress();  // takes the line away
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void show(std::string_view line);

 private:
  bool shown_ = false;
  bool on_terminal_;
};

bool is_terminal_input();
bool ask(std::string_view question);  // on a terminal; only y and yes are a yes

}  // namespace lictor::cli
