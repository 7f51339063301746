#include "lictor/import_report.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "lictor/json_fields.h"

namespace lictor::cli {
namespace json = boost::json;
namespace {

constexpr std::size_t kFlushBytes = 64 * 1024;

}  // namespace

ImportReport::ImportReport(Output& output, bool dry_run, bool quiet, const char* place_name)
    : output_(output), dry_run_(dry_run), quiet_(quiet), place_name_(place_name) {}

void ImportReport::forget_rows() noexcept {
  rows_ = created_ = updated_ = unchanged_ = skipped_ = failed_ = waiting_ = 0;
}

void ImportReport::flush() {
  output_.write(text_);
  text_.clear();
}

void ImportReport::add_product(const std::string& name) {
  products_.push_back(json::string(name));
  if (!output_.json())
    text_ += fmt::format("product {} {}\n", printable(name), dry_run_ ? "would be created" : "is created");
}

void ImportReport::add_policy(const std::string& product, const std::string& name) {
  policies_.push_back(json::object{{"product", product}, {"name", name}});
  if (!output_.json())
    text_ += fmt::format("policy {} of {} {}\n", printable(name), printable(product),
                         dry_run_ ? "would be created" : "is created");
}

void ImportReport::write_row(std::size_t place, const std::string& action, const std::string& text,
                             const json::object& members) {
  if ((quiet_ || only_failures_) && action != "failed") return;
  if (!output_.json()) {
    text_ += fmt::format("{} {}: {}{}{}\n", place_name_, place, dry_run_ && action != "failed" ? "would be " : "",
                         action, text);
  } else {
    text_ += began_ ? ",\n    " : "{\n  \"rows\": [\n    ";
    began_ = true;
    json::object row{{place_name_, place}, {"action", action}};
    for (const auto& [name, value] : members) row[name] = value;
    text_ += json::serialize(row);
  }
  if (text_.size() > kFlushBytes) flush();
}

void ImportReport::add(std::size_t place, const json::object& answer) {
  const std::string action = text_of(answer, "action");
  ++rows_;
  std::size_t& count = action == "created"     ? created_
                       : action == "updated"   ? updated_
                       : action == "unchanged" ? unchanged_
                       : action == "skipped"   ? skipped_
                                               : failed_;
  ++count;
  std::string text;
  if (action == "failed") {
    const std::string field = text_of(answer, "field");
    text = fmt::format(": {}{}: {}", text_of(answer, "code"), field.empty() ? "" : " " + field,
                       text_of(answer, "message"));
  } else {
    for (const char* member : {"license_id", "license_key"}) {
      if (const std::string value = text_of(answer, member); !value.empty()) text += " " + value;
    }
  }
  json::object members;
  for (const char* member : {"license_id", "license_key", "code", "field", "message"}) {
    const json::value* const value = answer.if_contains(member);
    members[member] = value == nullptr ? json::value(nullptr) : *value;
  }
  write_row(place, action, printable(text), members);
}

void ImportReport::add_failure(const Failure& failure) {
  ++rows_;
  ++failed_;
  const std::string text = fmt::format(": {}{}", failure.field.empty() ? "" : failure.field + ": ", failure.problem);
  write_row(failure.place, "failed", printable(text),
            {{"license_id", nullptr},
             {"license_key", nullptr},
             {"code", "BAD_REQUEST"},
             {"field", failure.field},
             {"message", failure.problem}});
}

void ImportReport::fail_created(const Failure& failure) {
  --rows_;
  --created_;
  add_failure(failure);
}

void ImportReport::add_waiting(std::size_t place) {
  ++rows_;
  ++created_;
  ++waiting_;
  write_row(place, "created", " once its product and policy are (not checked further)", {});
}

void ImportReport::finish() {
  std::size_t not_imported = 0;
  if (only_failures_) {  // the rows were only checked, and nothing comes of the good ones either
    not_imported = rows_ - failed_;
    created_ = updated_ = unchanged_ = skipped_ = 0;
  }
  if (!output_.json()) {
    const char* const will_be = dry_run_ ? "would be " : "";
    text_ += fmt::format("{}{} created, {} updated, {} unchanged, {} skipped, {} failed{}\n", will_be, created_,
                         updated_, unchanged_, skipped_, failed_,
                         not_imported > 0 ? fmt::format(", {} not imported", not_imported) : "");
    if (waiting_ > 0)
      text_ +=
          fmt::format("{} rows were not checked by the server: their product or policy is not there yet\n", waiting_);
    return flush();
  }
  json::object sum{{"dry_run", dry_run_},          {"created", created_},   {"updated", updated_},
                   {"unchanged", unchanged_},      {"skipped", skipped_},   {"failed", failed_},
                   {"not_imported", not_imported}, {"products", products_}, {"policies", policies_}};
  text_ += began_ ? "\n  ],\n" : "{\n  \"rows\": [],\n";
  std::string tail;
  append_json(tail, sum);
  text_ += tail.substr(2) + "\n";  // the object goes on
  flush();
}

}  // namespace lictor::cli
