// Licenses in files: what `lictor license export` writes and `lictor license import` reads.
//
// JSON: {"format":"lictor-export-1","products":[…],"policies":[…],"licenses":[…]}, an element a line; a product is
// {name, client_auth, require_signature, releases}, a policy {product, name, terms}, a license a row of POST
// /licenses/import (docs/http-api.md). Only the licenses are needed; they may also be an array alone.
// CSV (csv.h): a header line with the names of the columns, then a license a line, of as many cells. Times are Unix
// seconds or dates, an end `never`, overrides JSON. Columns may be missing and cells empty: the member is then left
// out.
#pragma once

#include <array>
#include <boost/json/object.hpp>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace lictor::cli {

inline constexpr std::string_view kExportFormat = "lictor-export-1";
inline constexpr std::array<const char*, 11> kLicenseColumns = {
    "license_key", "license_id",         "product",  "policy", "holder", "status", "issued_at", "starts_at",
    "expires_at",  "first_activated_at", "overrides"};

enum class FileFormat { csv, json };
// What its rows are counted in, for people: `line` or `row`.
const char* place_name(FileFormat format) noexcept;

// The cells of a license in the order of kLicenseColumns.
std::vector<std::string> csv_cells(const boost::json::object& row);

// A file that can be read several times; `-` is stdin, which is kept in a temporary file. Throws CommandError.
class InputFile {
 public:
  explicit InputFile(const std::string& path);
  std::size_t read(char* buffer, std::size_t size);
  void rewind();
  // By what it begins with and, when that says nothing, as CSV.
  FileFormat guess_format();

 private:
  std::string name_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

struct LicenseRow {
  std::size_t place = 0;        // from 1: the line in a CSV file, the row among the licenses of a JSON file
  boost::json::object members;  // as POST /licenses/import takes them
  std::string field, problem;   // why it can't be sent; `problem` is empty when it can
};

// The licenses of a file from its beginning: nothing at the end. Throws CommandError for what is no such file.
using LicenseSource = std::function<std::optional<LicenseRow>()>;
LicenseSource open_licenses(InputFile& file, FileFormat format, base::UnixSeconds now);

// What licenses need to be there: empty for CSV, which has none.
struct Definitions {
  std::vector<boost::json::object> products, policies;
};
Definitions read_definitions(InputFile& file, FileFormat format);

}  // namespace lictor::cli
