// Comma-separated values (RFC 4180): fields with a comma, a quote or a line end are quoted, quotes are doubled.
//
// A spreadsheet runs text that begins with = + - @ as a formula. Such a field is written with an apostrophe before it,
// as is one that begins with an apostrophe; reading takes one apostrophe off before any of these characters, so that
// what is written and read again stays the same text.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lictor::cli {

// Appends the fields and the line end (\n).
void append_csv_line(std::string& out, const std::vector<std::string>& fields);

struct CsvRecord {
  std::size_t line = 0;  // in the file, from 1, where it begins
  std::vector<std::string> fields;
};

// Reads records from text that comes in pieces of any size. Instead of the comma, a semicolon or a tab may separate:
// whichever of the three comes first outside quotes in the first record. A byte order mark at the beginning, \r\n, and
// a missing last line end are accepted; empty lines are left out.
class CsvReader {
 public:
  // Gives the next piece into the buffer and says how long it is; 0 at the end.
  using Source = std::function<std::size_t(char* buffer, std::size_t size)>;
  explicit CsvReader(Source source);

  // Nothing at the end. Throws CommandError with the line of what is no CSV.
  std::optional<CsvRecord> next();

 private:
  int take();  // the next byte, or -1 at the end
  int peek();
  bool separates(int byte);  // settles, if nothing did yet, what separates
  std::string read_quoted();
  std::string read_plain();

  Source source_;
  std::string buffer_;
  std::size_t position_ = 0;
  std::size_t size_ = 0;
  std::size_t line_ = 1;
  int separator_ = 0;  // 0: the first record has had none so far
};

}  // namespace lictor::cli
