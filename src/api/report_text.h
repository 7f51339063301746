// The rows of a report as JSON or as CSV (RFC 4180, with a header line).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace lictor::api {

class ReportText {
 public:
  enum class Format : std::uint8_t { json, csv };

  ReportText(Format format, std::span<const std::string_view> columns);

  // The cells of a row, one for each column, then the next row's.
  ReportText& text(std::string_view value);  // without control characters
  ReportText& number(std::int64_t value);
  ReportText& fraction(double value);  // to two decimals
  ReportText& nothing();

  std::string& finish() noexcept { return out_; }  // JSON: the rows, without the brackets around them

 private:
  void begin_cell();
  void end_cell();

  const Format format_;
  const std::span<const std::string_view> columns_;
  std::size_t column_ = 0;
  std::string out_;
};

}  // namespace lictor::api
