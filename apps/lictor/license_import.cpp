// lictor license import
//
// A file is read twice: first every row is checked by the server (dry_run), and only when none fails are they written,
// so that a file of more rows than one call takes is imported as a whole or not at all, as far as nobody else changes
// the same licenses between the two. With --partial it is read once, and what can be imported is.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <set>
#include <unordered_map>

#include "licensing/license_key.h"
#include "lictor/error.h"
#include "lictor/import_report.h"
#include "lictor/json_fields.h"
#include "lictor/license_rows.h"
#include "lictor/session.h"

namespace lictor::cli {
namespace json = boost::json;
namespace {

constexpr std::size_t kMaxRows = 10'000;          // of one call
constexpr std::size_t kMaxBodyBytes = 7'000'000;  // a call takes 8 MiB

struct ImportOptions {
  std::string file, format, on_conflict = "fail";
  bool dry_run = false, partial = false, quiet = false;
};

// ---- products and policies ----

// The products and policies of the file that the server has not.
struct Missing {
  std::vector<json::object> products, policies;
  std::set<std::string, std::less<>> product_names;
  std::set<std::pair<std::string, std::string>> policy_names;  // product, policy

  bool has(const json::object& row) const {
    const std::string product = text_of(row, "product");
    return product_names.contains(product) || policy_names.contains({product, text_of(row, "policy")});
  }
};

const json::object* find_same(const json::array& items, const json::object& wanted,
                              std::initializer_list<const char*> members) {
  for (const json::value& item : items) {
    const bool same = std::all_of(members.begin(), members.end(), [&](const char* member) {
      return text_of(item.as_object(), member) == text_of(wanted, member);
    });
    if (same) return &item.as_object();
  }
  return nullptr;
}

Missing find_missing(Session& session, const Definitions& definitions) {
  Missing missing;
  if (definitions.products.empty() && definitions.policies.empty()) return missing;
  const json::array products = array_of(session.client().get("/products"), "products");
  const json::array policies = array_of(session.client().get("/policies"), "policies");
  for (const json::object& product : definitions.products) {
    if (find_same(products, product, {"name"}) != nullptr) continue;
    missing.products.push_back(product);
    missing.product_names.insert(text_of(product, "name"));
  }
  for (const json::object& policy : definitions.policies) {
    const json::object* const present = find_same(policies, policy, {"product", "name"});
    if (present == nullptr) {
      missing.policies.push_back(policy);
      missing.policy_names.emplace(text_of(policy, "product"), text_of(policy, "name"));
    } else if (object_of(*present, "terms") != object_of(policy, "terms")) {
      session.output().remark(fmt::format("lictor: policy {} of {} is there with other terms; it stays as it is",
                                          text_of(policy, "name"), text_of(policy, "product")));
    }
  }
  return missing;
}

void create_missing(Session& session, const Missing& missing, ImportReport& report) {
  for (const json::object& product : missing.products) {
    if (!report.dry_run()) session.client().post("/products", product);
    report.add_product(text_of(product, "name"));
  }
  for (const json::object& policy : missing.policies) {
    if (!report.dry_run()) session.client().post("/policies", policy);
    report.add_policy(text_of(policy, "product"), text_of(policy, "name"));
  }
}

// ---- keys that are there twice ----

// A key or an id of a row, in the form in which the same one is the same text.
struct LicenseName {
  const char* field;
  std::string text;
};
std::vector<LicenseName> names_of(const json::object& row) {
  std::vector<LicenseName> names;
  const auto key = licensing::normalize_license_key(text_of(row, "license_key"));
  if (key) names.push_back({"license_key", "k" + std::string(key->view())});
  if (const std::string id = text_of(row, "license_id"); !id.empty()) names.push_back({"license_id", "i" + id});
  return names;
}

// Those that are calls apart. A few bytes a row.
class SeenKeys {
 public:
  void add(const json::object& row, std::size_t place, std::size_t call) {
    for (const LicenseName& name : names_of(row)) remember(name.text, place, call);
  }
  // Reports the later one of each pair.
  void report(ImportReport& report) {
    std::sort(seen_.begin(), seen_.end());
    for (std::size_t i = 1; i < seen_.size(); ++i) {
      if (seen_[i].hash != seen_[i - 1].hash || seen_[i].call == seen_[i - 1].call) continue;
      report.fail_created({seen_[i].place, "license_key",
                           fmt::format("the license is in {} {}, too", report.place_name(), seen_[i - 1].place)});
    }
  }

 private:
  struct Seen {
    std::size_t hash;
    std::uint32_t place, call;
    auto operator<=>(const Seen&) const = default;
  };
  void remember(const std::string& text, std::size_t place, std::size_t call) {
    seen_.push_back(
        {std::hash<std::string>()(text), static_cast<std::uint32_t>(place), static_cast<std::uint32_t>(call)});
  }
  std::vector<Seen> seen_;
};

// ---- rows ----

// The rows of one call. What need not be sent keeps its place, so that the report is in the order of the file.
struct Batch {
  struct Entry {
    std::size_t place = 0;
    enum class Kind { sent, refused, waits } kind = Kind::sent;
    std::string field, problem;
  };
  std::vector<Entry> entries;
  std::string rows;  // JSON, with commas
  std::size_t sent = 0;

  std::unordered_map<std::string, std::size_t> places;  // of the keys and ids in it

  bool is_full() const { return sent == kMaxRows || rows.size() > kMaxBodyBytes || entries.size() >= 2 * kMaxRows; }
  void add(const LicenseRow& row, bool waits, const char* place_name) {
    if (!row.problem.empty()) return refuse(row.place, row.field, row.problem);
    for (const LicenseName& name : names_of(row.members)) {
      const auto [it, is_new] = places.try_emplace(name.text, row.place);
      if (!is_new)
        return refuse(row.place, name.field, fmt::format("the license is in {} {}, too", place_name, it->second));
    }
    entries.push_back({row.place, waits ? Entry::Kind::waits : Entry::Kind::sent, {}, {}});
    if (waits) return;
    if (sent++ > 0) rows += ',';
    rows += json::serialize(row.members);
  }

 private:
  void refuse(std::size_t place, const std::string& field, const std::string& problem) {
    entries.push_back({place, Entry::Kind::refused, field, problem});
  }
};

class Importer {
 public:
  Importer(Session& session, const ImportOptions& options, const Missing& missing)
      : session_(session), options_(options), missing_(missing) {}

  // One reading of the file. `dry_run`: nothing is changed.
  void run(InputFile& file, FileFormat format, bool dry_run, ImportReport& report) {
    dry_run_ = dry_run;
    const LicenseSource next = open_licenses(file, format, session_.now());
    const bool finds_pairs = dry_run && options_.on_conflict == "fail";
    SeenKeys keys;
    Progress progress;
    Batch batch;
    std::size_t calls = 0, rows = 0;
    while (const auto row = next()) {
      batch.add(*row, report.dry_run() && missing_.has(row->members), report.place_name());
      if (finds_pairs) keys.add(row->members, row->place, calls);
      ++rows;
      if (!batch.is_full()) continue;
      send(batch, report);
      batch = Batch();
      ++calls;
      progress.show(fmt::format("{} rows {}", rows, dry_run ? "checked" : "imported"));
    }
    if (!batch.entries.empty()) send(batch, report);
    if (calls > 0 && finds_pairs) keys.report(report);
  }

 private:
  void send(const Batch& batch, ImportReport& report) {
    json::array rows;
    if (batch.sent > 0) {
      std::string body = "{\"licenses\":[" + batch.rows;
      body += fmt::format("],\"dry_run\":{},\"on_conflict\":\"{}\",\"partial\":{}}}", dry_run_, options_.on_conflict,
                          options_.partial);
      rows = array_of(session_.client().post_text("/licenses/import", std::move(body)), "rows");
    }
    std::vector<const json::object*> answers(batch.sent, nullptr);
    for (const json::value& row : rows) {
      const auto index = number_of(row.as_object(), "row");
      if (index && *index >= 0 && static_cast<std::size_t>(*index) < batch.sent)
        answers[static_cast<std::size_t>(*index)] = &row.as_object();
    }
    std::size_t sent = 0;
    for (const Batch::Entry& entry : batch.entries) {
      if (entry.kind == Batch::Entry::Kind::refused) {
        report.add_failure({entry.place, entry.field, entry.problem});
      } else if (entry.kind == Batch::Entry::Kind::waits) {
        report.add_waiting(entry.place);
      } else if (const json::object* answer = answers[sent++]) {
        report.add(entry.place, *answer);
      } else {
        report.add_failure({entry.place, "", "the server does not say what became of it"});
      }
    }
  }

  Session& session_;
  const ImportOptions& options_;
  const Missing& missing_;
  bool dry_run_ = false;
};

FileFormat format_of(const ImportOptions& options, InputFile& file) {
  if (options.format == "json") return FileFormat::json;
  return options.format == "csv" ? FileFormat::csv : file.guess_format();
}

// Nothing is imported when a row of the file can't be.
void check_all(Importer& importer, InputFile& file, FileFormat format, ImportReport& report) {
  report.show_only_failures(true);
  importer.run(file, format, true, report);
  if (report.failed() > 0) {
    report.finish();
    throw CommandError(
        ExitCode::refused, fmt::format("{} of {} rows can't be imported, so none was", report.failed(), report.rows()),
        report.has_definitions() ? "the products and policies that were created stay; --partial imports the "
                                   "other rows"
                                 : "--partial imports the others; --on-conflict skip or update says what to do "
                                   "with those that are there already");
  }
  report.forget_rows();
  report.show_only_failures(false);
}

void import_licenses(Session& session, const ImportOptions& options) {
  InputFile file(options.file);
  const FileFormat format = format_of(options, file);
  ImportReport report(session.output(), options.dry_run, options.quiet, place_name(format));
  const Missing missing = find_missing(session, read_definitions(file, format));
  create_missing(session, missing, report);
  Importer importer(session, options, missing);
  if (!options.dry_run && !options.partial) check_all(importer, file, format, report);
  try {
    importer.run(file, format, options.dry_run, report);
  } catch (const CommandError& error) {
    // Nothing came of it: then the error is all there is to say.
    if (report.rows() == 0 && (options.dry_run || !report.has_definitions())) throw;
    report.finish();
    if (options.dry_run || report.rows() == 0) throw;
    throw CommandError(error.exit_code(),
                       fmt::format("{}; the {} rows before it are imported", error.what(), report.rows()),
                       "import the file again with --on-conflict skip");
  }
  report.finish();
  if (report.failed() > 0)
    throw CommandError(ExitCode::refused, fmt::format("{} of {} rows failed", report.failed(), report.rows()));
}

}  // namespace

void add_license_import_command(CLI::App& group, Commands commands) {
  auto o = std::make_shared<ImportOptions>();
  CLI::App& command =
      commands.add(group, "import", "Import licenses from a file: all of them, or none when one can't be",
                   "lictor license import licenses.csv --dry-run", o, import_licenses);
  command.footer(
      "A CSV file begins with a line of column names, in any order, separated by commas, semicolons or tabs; every\n"
      "line has as many cells. product and policy are needed, the others are\n"
      "license_key (made when missing), license_id, holder, status, issued_at, starts_at, expires_at,\n"
      "first_activated_at and overrides (JSON). Times are Unix seconds or dates; expires_at may be never. One\n"
      "apostrophe before = + - @ or an apostrophe is taken off. A JSON file is what license export --format json\n"
      "writes; its products and policies are created first when they are missing. An array of licenses alone will\n"
      "do, too.\n"
      "More than 10000 rows go in several calls, after all of them were checked: a failure in between leaves\n"
      "those before it, and says so.\n\n" +
      command.get_footer());
  add_text(command, "file", o->file, "A CSV or JSON file, or - for stdin", "FILE")->required();
  command.add_flag("--dry-run", o->dry_run, "Only say what would become of each row");
  add_choice(command, "--on-conflict", o->on_conflict, "What to do with a license that is there already (fail)",
             {"fail", "skip", "update"});
  command.add_flag("--partial", o->partial, "Import the rows that can be, even when others can't");
  add_choice(command, "--format", o->format, "Default: by what the file begins with", {"csv", "json"});
  command.add_flag("-q,--quiet", o->quiet, "Show only rows that fail, and the sum");
}

}  // namespace lictor::cli
