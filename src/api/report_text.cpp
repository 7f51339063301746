#include "api/report_text.h"

#include <fmt/format.h>

#include "base/encoding.h"

namespace lictor::api {

ReportText::ReportText(Format format, std::span<const std::string_view> columns) : format_(format), columns_(columns) {
  if (format_ != Format::csv) return;
  for (const std::string_view column : columns_) out_.append(out_.empty() ? "" : ",").append(column);
  out_ += "\r\n";
}

void ReportText::begin_cell() {
  if (format_ == Format::csv) {
    if (column_ > 0) out_ += ',';
    return;
  }
  if (column_ == 0 && !out_.empty()) out_ += ',';
  out_.append(column_ == 0 ? "{\"" : ",\"").append(columns_[column_]).append("\":");
}

void ReportText::end_cell() {
  column_ = (column_ + 1) % columns_.size();
  if (column_ == 0) out_ += format_ == Format::csv ? "\r\n" : "}";
}

ReportText& ReportText::text(std::string_view value) {
  begin_cell();
  if (format_ == Format::json) {
    base::append_json_string(out_, value);
  } else if (value.find_first_of(",\"") == std::string_view::npos) {
    out_ += value;
  } else {
    out_ += '"';
    for (const char c : value) out_.append(c == '"' ? 2 : 1, c);
    out_ += '"';
  }
  end_cell();
  return *this;
}

ReportText& ReportText::number(std::int64_t value) {
  begin_cell();
  out_ += std::to_string(value);
  end_cell();
  return *this;
}

ReportText& ReportText::fraction(double value) {
  begin_cell();
  out_ += fmt::format("{:.2f}", value);
  end_cell();
  return *this;
}

ReportText& ReportText::nothing() {
  begin_cell();
  if (format_ == Format::json) out_ += "null";
  end_cell();
  return *this;
}

}  // namespace lictor::api
