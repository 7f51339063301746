// lictor license export
#include <fmt/format.h>

#include <boost/json.hpp>

#include "lictor/csv.h"
#include "lictor/json_fields.h"
#include "lictor/license_rows.h"
#include "lictor/output_file.h"
#include "lictor/session.h"

namespace lictor::cli {
namespace json = boost::json;
namespace {

constexpr std::size_t kPageSize = 5000;  // the most that GET /licenses/export gives at once

struct ExportOptions {
  std::string product, policy, format, file;
};

// Only what another server needs to make the same: no ids, no times.
void append_definitions(std::string& out, const json::array& items, std::initializer_list<const char*> members,
                        const std::function<bool(const json::object&)>& wanted) {
  const char* separator = "\n";
  for (const json::value& item : items) {
    if (!wanted(item.as_object())) continue;
    json::object kept;
    for (const char* name : members) {
      if (const json::value* value = item.as_object().if_contains(name)) kept[name] = *value;
    }
    out += separator + json::serialize(kept);
    separator = ",\n";
  }
  out += "\n]";
}

std::string json_head(Session& session, const ExportOptions& options) {
  const json::object products = session.client().get("/products");
  const json::object policies = session.client().get("/policies", {{"product", options.product}});
  std::string text = fmt::format("{{\"format\":\"{}\",\"products\":[", kExportFormat);
  append_definitions(text, array_of(products, "products"), {"name", "client_auth", "require_signature", "releases"},
                     [&](const json::object& product) {
                       return options.product.empty() || text_of(product, "name") == options.product;
                     });
  text += ",\"policies\":[";
  append_definitions(
      text, array_of(policies, "policies"), {"product", "name", "terms"},
      [&](const json::object& policy) { return options.policy.empty() || text_of(policy, "name") == options.policy; });
  return text + ",\"licenses\":[";
}

void export_licenses(Session& session, const ExportOptions& options) {
  const bool is_json = options.format == "json" ||
                       (options.format.empty() && (session.output().json() || options.file.ends_with(".json")));
  std::string text;
  if (is_json) {
    text = json_head(session, options);
  } else {
    append_csv_line(text, {kLicenseColumns.begin(), kLicenseColumns.end()});
  }
  OutputFile file(options.file);
  Progress progress;
  std::size_t count = 0;
  const Query query = {{"product", options.product}, {"policy", options.policy}, {"limit", std::to_string(kPageSize)}};
  session.client().pages("/licenses/export", query, [&](const json::object& page) {
    const json::value* const rows = find(page, "licenses");
    if (rows == nullptr || !rows->is_array()) return false;
    for (const json::value& row : rows->get_array()) {
      if (is_json) {
        text += count == 0 ? "\n" : ",\n";
        text += json::serialize(row);
      } else {
        append_csv_line(text, csv_cells(row.as_object()));
      }
      ++count;
    }
    file.write(text);
    if (!file.is_stdout()) progress.show(fmt::format("{} licenses", count));
    return true;
  });
  if (is_json) text += "\n]}\n";
  file.write(text);
  file.finish();
  if (!file.is_stdout())
    session.output().remark(fmt::format("lictor: {} licenses are in {}, with their keys", count, options.file));
}

}  // namespace

void add_license_export_command(CLI::App& group, Commands commands) {
  auto o = std::make_shared<ExportOptions>();
  CLI::App& command =
      commands.add(group, "export", "Write licenses with their keys to a file, for import or for a spreadsheet",
                   "lictor license export --product demo --format csv -o licenses.csv", o, export_licenses);
  add_text(command, "--product", o->product, "Only of this product", "NAME");
  add_text(command, "--policy", o->policy, "Only of this policy of the product", "NAME")->needs("--product");
  add_choice(
      command, "--format", o->format,
      "csv (default), or json, which holds the products and policies, too. In CSV an apostrophe stands before text "
      "that a spreadsheet would run; import takes it off",
      {"csv", "json"});
  add_text(command, "-o,--output", o->file, "Into this file (mode 0600) instead of stdout", "FILE");
}

}  // namespace lictor::cli
