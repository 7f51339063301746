#include "lictor/license_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <cstring>

#include "base/suggest.h"
#include "lictor/csv.h"
#include "lictor/error.h"
#include "lictor/json_fields.h"
#include "lictor/json_stream.h"
#include "lictor/text.h"
#include "lictor/values.h"
#include "service/policy_document.h"

namespace lictor::cli {
namespace json = boost::json;
namespace {

constexpr std::string_view kLicenses = "licenses";

// ---- cells ----

bool is_time(std::string_view column) { return column.ends_with("_at"); }

void refuse_cell(LicenseRow& row, const std::string& column, const std::string& problem) {
  if (!row.problem.empty()) return;  // the first is enough
  row.field = column;
  row.problem = problem;
}

void read_cell(LicenseRow& row, const std::string& column, const std::string& cell, base::UnixSeconds now) {
  if (cell.empty()) return;
  if (is_time(column)) {
    const auto time = parse_time(cell, now);
    const bool may_be_never = column == "expires_at";
    if (!time || (!*time && !may_be_never)) {
      return refuse_cell(
          row, column,
          fmt::format("{}: not a time; give {}", printable(cell), time ? "a time" : time.problem().message));
    }
    row.members[column] = to_json(*time);
  } else if (column == "overrides") {
    boost::system::error_code error;
    json::value overrides = json::parse(cell, error);
    if (error || !overrides.is_object()) return refuse_cell(row, column, "not a JSON object");
    row.members[column] = std::move(overrides);
  } else {
    row.members[column] = cell;
  }
}

// Why a column is none, and what to write instead.
std::string column_problem(const std::string& name, std::size_t place) {
  if (name.empty()) return fmt::format("column {} has no name", place);
  if (service::is_term(name)) {
    return fmt::format(
        "{}: not a column, but a term of the policy; what a license has of its own goes into the column overrides, as "
        "JSON: {{\"{}\":…}}",
        name, name);
  }
  const std::vector<std::string_view> known(kLicenseColumns.begin(), kLicenseColumns.end());
  return fmt::format("{}: not a column{}; columns are {}", printable(name), base::suggestion(name, known),
                     fmt::join(known, ", "));
}

std::vector<std::string> read_header(CsvReader& reader) {
  const auto header = reader.next();
  if (!header) throw CommandError(ExitCode::usage, "the file is empty; it begins with a line of column names");
  for (std::size_t i = 0; i < header->fields.size(); ++i) {
    const std::string& name = header->fields[i];
    if (std::find(kLicenseColumns.begin(), kLicenseColumns.end(), name) == kLicenseColumns.end())
      throw CommandError(ExitCode::usage, fmt::format("line {}: {}", header->line, column_problem(name, i + 1)));
    const auto again = std::find(header->fields.begin(), header->fields.end(), name);
    if (static_cast<std::size_t>(again - header->fields.begin()) != i)
      throw CommandError(ExitCode::usage, fmt::format("line {}: {} is there twice", header->line, name));
  }
  return header->fields;
}

LicenseSource csv_source(InputFile& file, base::UnixSeconds now) {
  auto reader =
      std::make_shared<CsvReader>([&file](char* buffer, std::size_t size) { return file.read(buffer, size); });
  auto columns = std::make_shared<const std::vector<std::string>>(read_header(*reader));
  return [reader, columns, now]() -> std::optional<LicenseRow> {
    const auto record = reader->next();
    if (!record) return std::nullopt;
    LicenseRow row{record->line, {}, {}, {}};
    const std::size_t cells = record->fields.size();
    if (cells != columns->size()) {
      refuse_cell(row, "",
                  fmt::format("{} cell{}, but the header has {}", cells, cells == 1 ? "" : "s", columns->size()));
      return row;
    }
    for (std::size_t i = 0; i < cells; ++i) read_cell(row, (*columns)[i], record->fields[i], now);
    return row;
  };
}

LicenseSource json_source(InputFile& file) {
  auto stream =
      std::make_shared<JsonStream>([&file](char* buffer, std::size_t size) { return file.read(buffer, size); },
                                   [](std::string_view member) { return member == kLicenses; }, kLicenses);
  return [stream, count = std::size_t{0}]() mutable -> std::optional<LicenseRow> {
    while (auto element = stream->next()) {
      if (element->member != kLicenses) continue;
      LicenseRow row{++count, {}, {}, {}};
      if (element->value.is_object()) {
        row.members = std::move(element->value.get_object());
      } else {
        row.problem = "not an object";
      }
      return row;
    }
    return std::nullopt;
  };
}

}  // namespace

std::vector<std::string> csv_cells(const json::object& row) {
  std::vector<std::string> cells;
  for (const char* const column : kLicenseColumns) {
    const json::value* const value = row.if_contains(column);
    std::string cell;
    if (value == nullptr) {
    } else if (value->is_string()) {
      cell = std::string(value->get_string());
    } else if (value->is_object()) {
      cell = value->get_object().empty() ? "" : json::serialize(*value);
    } else if (!value->is_null()) {
      cell = json::serialize(*value);
    } else if (std::string_view(column) == "expires_at") {
      cell = "never";
    }
    cells.push_back(std::move(cell));
  }
  return cells;
}

// ---- files ----

const char* place_name(FileFormat format) noexcept { return format == FileFormat::csv ? "line" : "row"; }

InputFile::InputFile(const std::string& path)
    : name_(path == "-" ? "stdin" : path),
      file_(path == "-" ? std::tmpfile() : std::fopen(path.c_str(), "rb"), &std::fclose) {
  if (!file_) throw CommandError(ExitCode::usage, fmt::format("{}: {}", printable(name_), std::strerror(errno)));
  if (path != "-") return;
  std::string buffer(64 * 1024, '\0');
  while (const std::size_t size = std::fread(buffer.data(), 1, buffer.size(), stdin)) {
    if (std::fwrite(buffer.data(), 1, size, file_.get()) != size)
      throw CommandError(ExitCode::refused,
                         fmt::format("stdin can't be kept in a temporary file: {}", std::strerror(errno)));
  }
  rewind();
}

std::size_t InputFile::read(char* buffer, std::size_t size) {
  errno = 0;
  const std::size_t count = std::fread(buffer, 1, size, file_.get());
  if (count == 0 && std::ferror(file_.get()) != 0)
    throw CommandError(ExitCode::usage, fmt::format("{}: {}", printable(name_), std::strerror(errno)));
  return count;
}

void InputFile::rewind() { std::rewind(file_.get()); }

FileFormat InputFile::guess_format() {
  std::array<char, 256> begin{};
  rewind();
  const std::string_view text(begin.data(), read(begin.data(), begin.size()));
  rewind();
  const std::size_t first = text.find_first_not_of("\xEF\xBB\xBF \t\r\n");
  return first != std::string_view::npos && (text[first] == '{' || text[first] == '[') ? FileFormat::json
                                                                                       : FileFormat::csv;
}

LicenseSource open_licenses(InputFile& file, FileFormat format, base::UnixSeconds now) {
  file.rewind();
  return format == FileFormat::json ? json_source(file) : csv_source(file, now);
}

Definitions read_definitions(InputFile& file, FileFormat format) {
  Definitions found;
  if (format == FileFormat::csv) return found;
  file.rewind();
  bool has_licenses = false;
  const auto is_definition = [&](std::string_view member) {
    has_licenses = has_licenses || member == kLicenses;
    return member == "products" || member == "policies";
  };
  JsonStream stream([&file](char* buffer, std::size_t size) { return file.read(buffer, size); }, is_definition,
                    kLicenses);
  while (auto element = stream.next()) {
    if (element->member == "format") {
      has_licenses = true;
      const bool known = element->value.is_string() && element->value.get_string() == kExportFormat;
      if (!known) {
        throw CommandError(ExitCode::usage, fmt::format("line {}: format {}: this version reads \"{}\"", element->line,
                                                        printable(json::serialize(element->value)), kExportFormat));
      }
    }
    if (!is_definition(element->member)) continue;
    if (!element->value.is_object())
      throw CommandError(ExitCode::usage, fmt::format("line {}: not an object", element->line));
    auto& list = element->member == "products" ? found.products : found.policies;
    list.push_back(std::move(element->value.get_object()));
  }
  if (!has_licenses) {
    throw CommandError(ExitCode::usage,
                       "no file of licenses: it has no array of them, as the member \"licenses\" or alone",
                       "lictor license export --format json writes one; a CSV file begins with its column names");
  }
  return found;
}

}  // namespace lictor::cli
