#include "lictor/csv.h"

#include <fmt/format.h>

#include "lictor/error.h"

namespace lictor::cli {
namespace {

constexpr std::size_t kBufferBytes = 64 * 1024;
constexpr std::size_t kMaxFieldBytes = 64 * 1024;  // no field of ours is longer
constexpr std::string_view kFormula = "=+-@\t\r'";

}  // namespace

void append_csv_line(std::string& out, const std::vector<std::string>& fields) {
  const char* separator = "";
  for (const std::string& field : fields) {
    out += separator;
    separator = ",";
    const bool formula = !field.empty() && kFormula.find(field.front()) != std::string_view::npos;
    const bool plain = field.find_first_of(",\"\r\n") == std::string::npos;
    if (!plain) out += '"';
    if (formula) out += '\'';
    for (const char c : field) {
      if (c == '"') out += '"';
      out += c;
    }
    if (!plain) out += '"';
  }
  out += '\n';
}

CsvReader::CsvReader(Source source) : source_(std::move(source)), buffer_(kBufferBytes, '\0') {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  peek();
  const std::string_view begin(buffer_.data(), size_);
  if (begin.starts_with(kByteOrderMark)) position_ = kByteOrderMark.size();
  if (begin.starts_with("\xFF\xFE") || begin.starts_with("\xFE\xFF"))
    throw CommandError(ExitCode::usage, "the file is UTF-16; save it as CSV in UTF-8");
}

int CsvReader::peek() {
  if (position_ == size_) {
    position_ = 0;
    size_ = source_(buffer_.data(), buffer_.size());
    if (size_ == 0) return -1;
  }
  return static_cast<unsigned char>(buffer_[position_]);
}

int CsvReader::take() {
  const int byte = peek();
  if (byte >= 0) ++position_;
  if (byte == '\n') ++line_;
  return byte;
}

bool CsvReader::separates(int byte) {
  if (separator_ == 0 && (byte == ',' || byte == ';' || byte == '\t')) separator_ = byte;
  return byte >= 0 && byte == separator_;
}

std::string CsvReader::read_quoted() {
  const std::size_t first_line = line_;
  std::string field;
  take();
  while (true) {
    const int byte = take();
    if (byte < 0) throw CommandError(ExitCode::usage, fmt::format("line {}: a quote is not closed", first_line));
    if (byte == '"') {
      if (peek() != '"') break;
      take();
    }
    field += static_cast<char>(byte);
    if (field.size() > kMaxFieldBytes)
      throw CommandError(ExitCode::usage,
                         fmt::format("line {}: a field of more than 64 KiB; is a quote not closed?", first_line));
  }
  const int after = peek();
  if (after >= 0 && !separates(after) && after != '\r' && after != '\n') {
    throw CommandError(ExitCode::usage,
                       fmt::format("line {}: text after a closing quote; double the quotes inside", line_));
  }
  return field;
}

std::string CsvReader::read_plain() {
  std::string field;
  for (int byte = peek(); byte >= 0 && !separates(byte) && byte != '\n' && byte != '\r'; byte = peek()) {
    if (byte == '"') {
      throw CommandError(ExitCode::usage, fmt::format("line {}: a quote inside a field that is not quoted", line_));
    }
    field += static_cast<char>(take());
    if (field.size() > kMaxFieldBytes)
      throw CommandError(ExitCode::usage, fmt::format("line {}: a field of more than 64 KiB", line_));
  }
  return field;
}

std::optional<CsvRecord> CsvReader::next() {
  while (peek() == '\n' || peek() == '\r') take();
  if (peek() < 0) return std::nullopt;
  CsvRecord record{line_, {}};
  while (true) {
    std::string field = peek() == '"' ? read_quoted() : read_plain();
    if (field.size() > 1 && field[0] == '\'' && kFormula.find(field[1]) != std::string_view::npos) field.erase(0, 1);
    record.fields.push_back(std::move(field));
    if (!separates(peek())) break;
    take();
  }
  if (separator_ == 0) separator_ = ',';
  if (peek() == '\r') take();
  if (peek() == '\n') take();
  return record;
}

}  // namespace lictor::cli
