// What an import says: a line for each row of the file as it is known, and a sum.
#pragma once

#include <boost/json/object.hpp>
#include <cstddef>
#include <string>

#include "lictor/output.h"

namespace lictor::cli {

class ImportReport {
 public:
  struct Failure {
    std::size_t place = 0;
    std::string field, problem;
  };

  // `place_name`: what rows are counted in, `line` or `row`; a literal.
  ImportReport(Output& output, bool dry_run, bool quiet, const char* place_name);

  const char* place_name() const noexcept { return place_name_; }
  bool dry_run() const noexcept { return dry_run_; }
  std::size_t failed() const noexcept { return failed_; }
  std::size_t rows() const noexcept { return rows_; }
  bool has_definitions() const noexcept { return !products_.empty() || !policies_.empty(); }
  void show_only_failures(bool only) noexcept { only_failures_ = only; }
  void forget_rows() noexcept;  // counts anew

  void add_product(const std::string& name);
  void add_policy(const std::string& product, const std::string& name);
  void add(std::size_t place, const boost::json::object& answer);  // as POST /licenses/import says it
  void add_failure(const Failure& failure);
  void fail_created(const Failure& failure);  // a row that was added as created
  void add_waiting(std::size_t place);        // a row of a dry run whose product or policy is yet to be made
  void finish();                              // writes the sum

 private:
  void write_row(std::size_t place, const std::string& action, const std::string& text,
                 const boost::json::object& members);
  void flush();

  Output& output_;
  const bool dry_run_, quiet_;
  const char* const place_name_;
  bool only_failures_ = false;
  std::size_t rows_ = 0, created_ = 0, updated_ = 0, unchanged_ = 0, skipped_ = 0, failed_ = 0, waiting_ = 0;
  boost::json::array products_, policies_;
  std::string text_;    // what is not written yet
  bool began_ = false;  // the list of rows, as JSON
};

}  // namespace lictor::cli
