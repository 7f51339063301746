#include "lictor/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "base/encoding.h"

namespace lictor::cli {
namespace {

// Ranges of East Asian wide and fullwidth characters that names are written in (Unicode Standard Annex #11), roughly.
bool is_wide(char32_t c) {
  constexpr std::array<std::pair<char32_t, char32_t>, 7> kWide = {{{0x1100, 0x115F},
                                                                   {0x2E80, 0xA4CF},
                                                                   {0xAC00, 0xD7A3},
                                                                   {0xF900, 0xFAFF},
                                                                   {0xFE30, 0xFE6F},
                                                                   {0xFF00, 0xFF60},
                                                                   {0x1F300, 0x3FFFD}}};
  return std::any_of(kWide.begin(), kWide.end(),
                     [c](const auto& range) { return range.first <= c && c <= range.second; });
}

// Of text that `printable` has let pass, which is valid UTF-8.
std::size_t display_width(std::string_view utf8) {
  std::size_t width = 0;
  char32_t code = 0;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const auto byte = static_cast<unsigned char>(utf8[i]);
    const bool continues = (byte & 0xC0) == 0x80;
    const auto bits = byte < 0x80 ? byte : byte >= 0xF0 ? byte & 0x07u : byte >= 0xE0 ? byte & 0x0Fu : byte & 0x1Fu;
    code = continues ? (code << 6) | (byte & 0x3Fu) : static_cast<char32_t>(bits);
    const bool ends = i + 1 == utf8.size() || (static_cast<unsigned char>(utf8[i + 1]) & 0xC0) != 0x80;
    if (ends) width += is_wide(code) ? 2 : 1;
  }
  return width;
}

}  // namespace

std::string printable(std::string_view utf8) {
  const bool clean = base::is_valid_utf8(utf8) && !base::has_control_characters(utf8);
  if (clean) return std::string(utf8);
  std::string out;
  for (const char c : utf8) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7F) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

std::string format_time(std::int64_t unix_seconds) {
  const std::time_t time = unix_seconds;
  std::tm local{};
  if (localtime_r(&time, &local) == nullptr) return std::to_string(unix_seconds);
  std::array<char, 40> date{};
  const std::size_t length = std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &local);
  std::string out(date.data(), length);
  const long minutes = local.tm_gmtoff / 60;
  if (minutes == 0) return out + "Z";
  const long size = minutes < 0 ? -minutes : minutes;
  return out + fmt::format("{}{:02}:{:02}", minutes < 0 ? '-' : '+', size / 60, size % 60);
}

std::string format_duration(std::int64_t seconds) {
  if (seconds <= 0) return fmt::format("{}s", seconds);
  constexpr std::array<std::pair<std::int64_t, char>, 4> kUnits = {{{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}}};
  std::string out;
  for (const auto& [unit, letter] : kUnits) {
    if (seconds >= unit) out += fmt::format("{}{}", seconds / unit, letter);
    seconds %= unit;
  }
  return out;
}

std::string format_uptime(std::int64_t seconds) {
  const std::string clock = fmt::format("{:02}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
  return seconds < 86400 ? clock : fmt::format("{}d {}", seconds / 86400, clock);
}

std::string coloured(std::string_view text, Colour colour) {
  constexpr std::array<int, 6> kCodes = {0, 1, 2, 31, 32, 33};
  if (colour == Colour::none || text.empty()) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", kCodes[static_cast<std::size_t>(colour)], text);
}

std::string Table::render(bool colours) const {
  std::vector<std::vector<Cell>> lines;
  if (!headers_.empty()) {
    auto& head = lines.emplace_back();
    for (const std::string& header : headers_) head.push_back({header, Colour::bold});
  }
  lines.insert(lines.end(), rows_.begin(), rows_.end());
  std::vector<std::size_t> widths;
  for (auto& line : lines) {
    widths.resize(std::max(widths.size(), line.size()));
    for (std::size_t i = 0; i < line.size(); ++i) {
      line[i].text = printable(line[i].text);
      widths[i] = std::max(widths[i], display_width(line[i].text));
    }
  }
  std::string out;
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      const Cell& cell = line[i];
      out += colours ? coloured(cell.text, cell.colour) : cell.text;
      if (i + 1 < line.size()) out.append(widths[i] - display_width(cell.text) + 2, ' ');
    }
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
  }
  return out;
}

}  // namespace lictor::cli
