// Licenses in bulk: import rows, and export rows that import again to the same state.
#include <fmt/format.h>

#include <unordered_map>

#include "api/admin.h"
#include "api/admin_fields.h"
#include "api/admin_license.h"
#include "api/admin_list.h"
#include "api/admin_names.h"
#include "api/admin_view.h"
#include "api/json_document.h"
#include "api/routes.h"
#include "api/signed_request.h"
#include "base/encoding.h"
#include "licensing/license_key.h"

namespace lictor::api {
namespace {

namespace json = boost::json;
using licensing::Code;
using licensing::LicenseStatus;

constexpr int kMaxImports = 4;                   // at a time: each holds megabytes
constexpr std::size_t kMostRejectedNamed = 100;  // rows in the details of ROWS_REJECTED

enum class OnConflict : std::uint8_t { fail, skip, update };
enum class Action : std::uint8_t { created, updated, unchanged, skipped, failed };
constexpr std::string_view kActions[] = {"created", "updated", "unchanged", "skipped", "failed"};

// A row that was read; what it does not name is nothing and stays as it is, or gets its default.
struct ImportRow {
  std::optional<RequestFault> fault;
  std::optional<std::string> key;
  std::optional<base::Id> id;
  std::shared_ptr<const service::Policy> policy;
  std::optional<std::string> holder, overrides;
  std::optional<LicenseStatus> status;
  std::optional<base::UnixSeconds> issued_at, starts_at, expires_at, first_activated_at;
  service::TermsHandle terms;  // keeps those of the row in memory
};

struct Import {
  std::vector<ImportRow> rows;
  bool dry_run = false;
  bool partial = false;
  OnConflict on_conflict = OnConflict::fail;
};

struct RowResult {
  Action action = Action::failed;
  base::Id id;
  std::string key;
  std::optional<RequestFault> fault;
};

LicenseStatus status_of(const std::string& name) {
  return name == "suspended" ? LicenseStatus::suspended
         : name == "revoked" ? LicenseStatus::revoked
                             : LicenseStatus::active;
}
std::string_view name_of_status(LicenseStatus status) {
  return status == LicenseStatus::suspended ? "suspended" : status == LicenseStatus::revoked ? "revoked" : "active";
}

// ---- reading ----

std::optional<RequestFault> read_names(const Arguments& members, PolicyNames& names, ImportRow& row) {
  std::optional<RequestFault> fault;
  row.policy = names.find(members.text_or("product"), members.text_or("policy"), fault);
  if (!row.policy) return fault;
  if (const auto key = members.text("license_key")) {
    const auto normal = licensing::normalize_license_key(*key);
    if (!normal) return bad_request("license_key", "must be 4 to 64 characters of [A-Z0-9-]");
    row.key = std::string(normal->view());
  }
  if (const auto id = members.text("license_id")) {
    row.id = base::parse_id(base::kLicensePrefix, *id);
    if (!row.id) return bad_request("license_id", "must be lic_ and 26 characters");
  }
  return std::nullopt;
}

// As check_members(), and where a member of the terms belongs.
std::optional<RequestFault> check_row(const json::object& members) {
  auto fault = check_members(fields::kImportRow, members);
  if (fault && fault->code == Code::unknown_field && service::is_term(fault->field))
    fault->message = fmt::format("is a member of the terms: give it in overrides, {{\"{}\":…}}", fault->field);
  return fault;
}

std::optional<RequestFault> read_row(const App& app, const json::value& value, PolicyNames& names, ImportRow& row) {
  if (!value.is_object()) return bad_request("licenses", "must hold objects");
  if (auto fault = check_row(value.get_object())) return fault;
  const Arguments members(value.get_object());
  if (auto fault = read_names(members, names, row)) return fault;
  row.holder = members.text("holder");
  if (members.is_null("holder")) row.holder = "";
  if (const auto status = members.text("status")) row.status = status_of(*status);
  row.issued_at = members.integer("issued_at");
  row.starts_at = members.integer("starts_at");
  row.expires_at = members.integer("expires_at");
  if (members.is_null("expires_at")) row.expires_at = licensing::kNever;
  row.first_activated_at = members.integer("first_activated_at");
  if (const json::object* overrides = members.object("overrides")) {
    std::optional<RequestFault> fault;
    row.overrides = change_terms({}, {overrides, nullptr}, "overrides", fault);
    if (!row.overrides) return fault;
  }
  // Made here, not in the transaction, which others wait for.
  try {
    row.terms = app.catalog.terms(row.policy->stored.row, row.overrides.value_or(""));
  } catch (const std::runtime_error&) {
    return bad_request("policy", "was deleted");
  }
  return std::nullopt;
}

// No key and no id may be there twice.
void refuse_twins(std::vector<ImportRow>& rows) {
  std::unordered_map<std::string, std::size_t> seen;
  const auto note = [&](std::size_t at, std::string name, std::string_view field) {
    const auto [it, is_new] = seen.try_emplace(std::move(name), at);
    if (!is_new && !rows[at].fault)
      rows[at].fault = bad_request(field, fmt::format("is that of row {} too", it->second));
  };
  for (std::size_t at = 0; at < rows.size(); ++at) {
    if (rows[at].key) note(at, "k" + *rows[at].key, "license_key");
    if (rows[at].id) note(at, base::format_id("i", *rows[at].id), "license_id");
  }
}

std::optional<RequestFault> read_import(const App& app, std::span<const Field> table, std::string_view body,
                                        Import& import) {
  auto document = parse_document(body);
  if (!document) return RequestFault{Code::bad_request, document.problem().field, document.problem().message};
  if (auto fault = check_members(table, *document)) return fault;
  const Arguments arguments(*std::move(document));
  import.dry_run = arguments.boolean("dry_run").value_or(false);
  import.partial = arguments.boolean("partial").value_or(false);
  const std::string on_conflict = arguments.text_or("on_conflict");
  import.on_conflict = on_conflict == "skip"     ? OnConflict::skip
                       : on_conflict == "update" ? OnConflict::update
                                                 : OnConflict::fail;
  const json::array& rows = *arguments.array("licenses");
  import.rows.resize(rows.size());
  PolicyNames names(app);
  for (std::size_t i = 0; i < rows.size(); ++i) import.rows[i].fault = read_row(app, rows[i], names, import.rows[i]);
  refuse_twins(import.rows);
  return std::nullopt;
}

// ---- deciding and storing ----

// The license as the row wants it. What the row does not name stays.
store::LicenseDetails wanted(const App& app, const ImportRow& row, store::LicenseDetails license) {
  license.license.policy = row.policy->stored.row;
  if (row.overrides) license.license.overrides = *row.overrides;
  if (row.holder) license.holder = *row.holder;
  if (row.key && *row.key != license.key) {
    license.key = *row.key;
    license.license.key_digest = app.key_digest(license.key);
  }
  licensing::License& state = license.license.state;
  if (row.status) state.status = *row.status;
  if (row.issued_at) state.issued_at = *row.issued_at;
  if (row.starts_at) state.starts_at = *row.starts_at;
  if (row.expires_at) state.expires_at = *row.expires_at;
  if (row.first_activated_at) state.first_activated_at = *row.first_activated_at;
  return license;
}

store::LicenseDetails fresh(const App& app, const ImportRow& row, base::UnixSeconds now) {
  store::LicenseDetails license;
  license.license.id = row.id ? *row.id : crypto::random_id();
  license.license.policy = row.policy->stored.row;
  license.key = row.key ? *row.key : new_license_key();
  license.license.key_digest = app.key_digest(license.key);
  const auto terms = app.catalog.terms(row.policy->stored.row, row.overrides.value_or(""));
  license.license.state = licensing::issue(terms->terms, row.issued_at.value_or(now), row.starts_at, std::nullopt);
  return wanted(app, row, std::move(license));
}

bool same_object(const std::string& a, const std::string& b) {
  if (a == b) return true;
  const auto parsed = [](const std::string& text) {
    return text.empty() ? json::value(json::object()) : json::parse(text);
  };
  return parsed(a) == parsed(b);
}

bool same(const store::LicenseDetails& a, const store::LicenseDetails& b) {
  return a.license.policy == b.license.policy && a.key == b.key && a.holder == b.holder &&
         a.license.state == b.license.state && same_object(a.license.overrides, b.license.overrides);
}

class Importer {
 public:
  Importer(Change& change, const Import& import) : change_(change), import_(import), results_(import.rows.size()) {}

  Outcome run() {
    find_policies();
    find_existing();
    refuse_same_license();
    for (std::size_t i = 0; i < import_.rows.size(); ++i) decide(i);
    const auto failed = count(Action::failed);
    if (failed > 0 && !import_.partial && !import_.dry_run) return reject(failed);
    if (!import_.dry_run) store_all();
    return report();
  }

 private:
  // A policy may have gone since the rows were read.
  void find_policies() {
    for (std::size_t i = 0; i < import_.rows.size(); ++i) {
      const auto& policy = import_.rows[i].policy;
      if (!policy || change_.app.catalog.policy(policy->stored.id)) continue;
      fail(i, bad_request("policy", "'" + policy->stored.name + "' was deleted"));
    }
  }

  // A row sees the license as it was before the import, so no two rows may be about one.
  void refuse_same_license() {
    std::unordered_map<store::Row, std::size_t> seen;
    for (std::size_t i = 0; i < existing_.size(); ++i) {
      if (!existing_[i]) continue;
      const auto [it, is_new] = seen.try_emplace(existing_[i]->license.row, i);
      if (!is_new && !results_[i].fault)
        fail(i, bad_request(import_.rows[i].key ? "license_key" : "license_id",
                            fmt::format("is of the same license as row {}", it->second)));
    }
  }

  // What a row can't make of the license that is there.
  std::optional<RequestFault> refuse_existing(const ImportRow& row, const store::LicenseDetails& existing) const {
    if (row.id && *row.id != existing.license.id)
      return bad_request("license_id", "is not that of the license with this license_key, " +
                                           base::format_id(base::kLicensePrefix, existing.license.id));
    const auto terms = change_.app.catalog.terms(existing.license.policy, existing.license.overrides);
    if (terms->product->stored.row != row.policy->product->stored.row)
      return bad_request("product", "must be that of the license, '" + terms->product->stored.name + "'");
    return std::nullopt;
  }

  void find_existing() {
    std::vector<store::LicenseRef> refs;
    std::vector<std::size_t> rows;
    for (std::size_t i = 0; i < import_.rows.size(); ++i) {
      const ImportRow& row = import_.rows[i];
      if (row.fault || results_[i].fault) continue;
      if (row.key) refs.push_back({store::LicenseRef::By::key_digest, change_.app.key_digest(*row.key)});
      if (row.id) refs.push_back({store::LicenseRef::By::id, *row.id});
      rows.resize(refs.size(), i);
    }
    auto found = change_.tx.lock_details(refs);
    existing_.resize(import_.rows.size());
    for (std::size_t at = 0; at < found.size(); ++at) {
      if (!found[at]) continue;
      auto& existing = existing_[rows[at]];
      if (existing && existing->license.row != found[at]->license.row) {
        fail(rows[at], bad_request("license_id", "belongs to another license than license_key"));
        continue;
      }
      existing = std::move(found[at]);
    }
  }

  void fail(std::size_t at, RequestFault fault) { results_[at].fault = std::move(fault); }

  void decide(std::size_t at) {
    RowResult& result = results_[at];
    const ImportRow& row = import_.rows[at];
    if (row.fault) result.fault = row.fault;
    if (result.fault) return;
    const bool exists = existing_[at].has_value();
    if (exists) result.fault = refuse_existing(row, *existing_[at]);
    if (result.fault) return;
    store::LicenseDetails license =
        exists ? wanted(change_.app, row, *existing_[at]) : fresh(change_.app, row, change_.now);
    if (license.license.state.expires_at <= license.license.state.starts_at)
      return fail(at, bad_request("expires_at", "must be after starts_at"));
    result.id = license.license.id;
    result.key = license.key;
    if (!exists) {
      result.action = Action::created;
    } else if (same(*existing_[at], license)) {
      result.action = Action::unchanged;
    } else if (import_.on_conflict == OnConflict::skip) {
      result.action = Action::skipped;
    } else if (import_.on_conflict == OnConflict::fail) {
      return fail(at, {Code::already_exists, row.key ? "license_key" : "license_id",
                       "exists already, and differs: see on_conflict"});
    } else if (existing_[at]->license.state.status == LicenseStatus::revoked) {
      return fail(at, {Code::license_revoked, "status", "is revoked: a revoked license can't be changed"});
    } else {
      result.action = Action::updated;
    }
    wanted_.emplace(at, std::move(license));
  }

  void store_all() {
    std::vector<store::NewLicense> created;
    for (std::size_t at = 0; at < results_.size(); ++at) {
      const auto it = wanted_.find(at);
      if (it == wanted_.end()) continue;
      const store::LicenseDetails& license = it->second;
      const std::string subject = base::format_id(base::kLicensePrefix, license.license.id);
      if (results_[at].action == Action::created) {
        const service::Policy& policy = *import_.rows[at].policy;
        created.push_back({license.license.id, license.license.key_digest, license.key, license.license.policy,
                           license.license.overrides, license.holder, license.license.state});
        change_.record("license.imported", subject,
                       fmt::format(R"({{"product":{},"policy":{}}})", base::json_string(policy.product->stored.name),
                                   base::json_string(policy.stored.name)));
      } else if (results_[at].action == Action::updated) {
        store_license(change_, license);
        change_.record("license.changed", subject, R"({"reason":"import"})");
      }
    }
    change_.tx.insert_licenses(created);
  }

  std::int64_t count(Action action) const { return std::ranges::count(results_, action, &RowResult::action); }

  void append_fault(std::string& out, const RequestFault& fault) const {
    out += fmt::format(R"("code":"{}","field":{},"message":{})", licensing::wire_name(fault.code),
                       base::json_string(shown_field(fault)), base::json_string(failure_of(fault).message));
  }

  Outcome reject(std::int64_t failed) const {
    std::string details = fmt::format(R"({{"failed":{},"rows":[)", failed);
    std::size_t named = 0;
    for (std::size_t at = 0; at < results_.size() && named < kMostRejectedNamed; ++at) {
      if (!results_[at].fault) continue;
      details += fmt::format(R"({}{{"row":{},)", named++ == 0 ? "" : ",", at);
      append_fault(details, *results_[at].fault);
      details += '}';
    }
    return refused(Failure{Code::rows_rejected, {}, details + "]}", 0, {}});
  }

  Outcome report() const {
    Outcome outcome;
    outcome.message = import_.dry_run ? "Nothing was recorded: this was a dry run" : "Licenses imported";
    std::string& data = outcome.data;
    data = fmt::format(R"({{"dry_run":{},"created":{},"updated":{},"unchanged":{},"skipped":{},"failed":{},"rows":[)",
                       import_.dry_run, count(Action::created), count(Action::updated), count(Action::unchanged),
                       count(Action::skipped), count(Action::failed));
    for (std::size_t at = 0; at < results_.size(); ++at) {
      const RowResult& result = results_[at];
      data += fmt::format(R"({}{{"row":{},"action":"{}")", at == 0 ? "" : ",", at,
                          kActions[static_cast<std::size_t>(result.action)]);
      // What a dry run makes up is not what a later import will.
      const bool made_up = import_.dry_run && result.action == Action::created;
      if (result.id && (!made_up || import_.rows[at].id))
        data += ",\"license_id\":\"" + base::format_id(base::kLicensePrefix, result.id) + "\"";
      if (!result.key.empty() && (!made_up || import_.rows[at].key))
        data += ",\"license_key\":" + base::json_string(result.key);
      if (result.fault) append_fault(data += ',', *result.fault);
      data += '}';
    }
    data += "]}";
    return outcome;
  }

  Change& change_;
  const Import& import_;
  std::vector<RowResult> results_;
  std::vector<std::optional<store::LicenseDetails>> existing_;
  std::unordered_map<std::size_t, store::LicenseDetails> wanted_;
};

// Counts imports that hold their rows in memory.
class Place {
 public:
  explicit Place(const App& app) : count_(app.imports) { taken_ = count_->fetch_add(1) < kMaxImports; }
  ~Place() { count_->fetch_sub(1); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  bool taken() const noexcept { return taken_; }

 private:
  std::shared_ptr<std::atomic<int>> count_;
  bool taken_ = false;
};

void append_export_row(std::string& out, App& app, const store::LicenseDetails& details) {
  const auto terms = app.catalog.terms(details.license.policy, details.license.overrides);
  const licensing::License& state = details.license.state;
  const std::string& overrides = details.license.overrides;
  out += fmt::format(
      R"({{"license_key":{},"license_id":"{}","product":{},"policy":{},"holder":{},"status":"{}","issued_at":{},)"
      R"("starts_at":{},"expires_at":{},"first_activated_at":{},"overrides":{}}})",
      base::json_string(details.key), base::format_id(base::kLicensePrefix, details.license.id),
      base::json_string(terms->product->stored.name), base::json_string(terms->policy->stored.name),
      details.holder.empty() ? "null" : base::json_string(details.holder), name_of_status(state.status),
      state.issued_at, state.starts_at, time_or_null(state.expires_at), time_or_null(state.first_activated_at),
      overrides.empty() ? std::string_view("{}") : std::string_view(overrides));
}

}  // namespace

void handle_import(Call& call) {
  if (!is_json_content(call.request().header("Content-Type"))) return call.fail(Code::unsupported_media_type);
  auto place = std::make_shared<Place>(call.app());
  if (!place->taken()) return call.fail(nothing_recorded(Code::overloaded));
  // Megabytes of JSON are not read on the I/O thread, which others wait for.
  auto body = std::make_shared<std::string>(call.request().body);
  const std::span<const Field> table = call.route().fields;
  ReadCall::submit(call, [&app = call.app(), body, place, table](store::Reader&) -> ReadCall::Reply {
    auto import = std::make_shared<Import>();
    const auto fault = read_import(app, table, *body, *import);
    body->clear();
    body->shrink_to_fit();
    return [import, fault, place](Call& again) {
      if (fault) return again.fail(*fault);
      if (!authenticate(again)) return;
      submit_change(again, [import, place](Change& change) { return Importer(change, *import).run(); });
    };
  });
}

void handle_export(Call& call) {
  const auto arguments = read_arguments(call);
  if (!arguments) return;
  store::LicenseFilter filter;
  if (const auto fault = read_owner(call.app(), *arguments, filter)) return call.fail(*fault);
  std::optional<store::Position> after;
  if (const auto fault = read_position(*arguments, after)) return call.fail(*fault);
  const auto limit = static_cast<std::size_t>(arguments->integer("limit").value_or(1000));
  ReadCall::submit(call, [&app = call.app(), filter, after, limit](store::Reader& reader) -> ReadCall::Reply {
    const auto page = reader.licenses(filter, store::LicenseOrder::oldest, after, limit, app.clock.now());
    std::string data = "{\"licenses\":[";
    for (const auto& license : page.licenses) {
      if (data.back() != '[') data += ',';
      append_export_row(data, app, license);
    }
    append_next(data += ']', page.next);
    return [data = std::move(data)](Call& again) { again.succeed(200, data, "Licenses"); };
  });
}

}  // namespace lictor::api
