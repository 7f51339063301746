// Text for people: times, durations, and tables that line up.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lictor::cli {

// `utf8` with everything a terminal could obey or be fooled by (control characters, marks that reorder or hide text,
// invalid UTF-8) shown as \xNN; see security.md, A21.
std::string printable(std::string_view utf8);

// 2030-01-31T12:00:00+01:00, in local time; Z when that is UTC. It can be given back to any flag that takes a time.
std::string format_time(std::int64_t unix_seconds);
// 365d, 10m, 1d12h.
std::string format_duration(std::int64_t seconds);
// Hours and minutes for a clock, days when there are any: 3d 04:05:06.
std::string format_uptime(std::int64_t seconds);

enum class Colour : std::uint8_t { none, bold, dim, red, green, yellow };
std::string coloured(std::string_view text, Colour colour);  // with the escape sequences of ECMA-48 (SGR)

struct Cell {
  std::string text;
  Colour colour = Colour::none;
};

// Columns as wide as their widest cell (East Asian wide characters count as two), two spaces apart; the last one isn't
// padded. Cells are made printable.
class Table {
 public:
  // Without headers: names and values, one pair a line.
  explicit Table(std::vector<std::string> headers = {}) : headers_(std::move(headers)) {}
  void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
  bool empty() const noexcept { return rows_.empty(); }
  std::string render(bool colours) const;  // each line with its line end

 private:
  std::vector<std::string> headers_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace lictor::cli
