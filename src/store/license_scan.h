// Licenses in the order of one index, row by row: which index drives the list, where it begins, and the test of what
// the index does not decide. See sql::ScanQueries.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/queries.h"
#include "store/sql_connection.h"
#include "store/store.h"

namespace lictor::store {

class LicenseScan {
 public:
  // next() is called at most `most` times.
  LicenseScan(Connection& connection, const LicenseFilter& filter, LicenseOrder order,
              const std::optional<Position>& after, std::size_t most);
  ~LicenseScan();
  LicenseScan(const LicenseScan&) = delete;
  LicenseScan& operator=(const LicenseScan&) = delete;

  // Moves to the next license; false at the end.
  bool next();
  const Statement::Rows& row() const noexcept;  // of the columns of LicenseDetails
  bool fits() const;                            // the filter without `keep`
  // Where to go on so that the present license comes again: the place of the one before it.
  Position previous() const { return previous_; }

 private:
  // What the order of the list is made of.
  enum class By : std::uint8_t { row, issue, expiry, holder };
  struct Cursor;
  struct Values;

  void open(const sql::ScanQueries& queries, const Values& values);
  void open_by_row(const Position& after);
  void open_by_time(const std::optional<Position>& after);
  void open_by_holder(const std::optional<Position>& after);
  bool next_in_sequence();
  bool next_merged();
  Position here() const;

  Connection& connection_;
  const std::int64_t most_;
  const LicenseFilter& filter_;
  const bool down_;
  By by_ = By::row;
  bool merge_ = false;                            // the cursors are merged by row; otherwise read one after the other
  std::vector<std::unique_ptr<Cursor>> cursors_;  // that may have rows left
  std::size_t current_ = 0;
  bool started_ = false;
  std::vector<Row> policies_;  // of the product that is asked for
  Position previous_;
};

}  // namespace lictor::store
