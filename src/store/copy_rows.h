// Rows on their way from one database to another, whatever the engines, and the digest by which both are compared.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "crypto/crypto.h"
#include "store/copy_tables.h"
#include "store/sql_connection.h"

namespace lictor::store {

// Takes the rows of one table; an engine's own way to write many at once.
class RowSink {
 public:
  virtual ~RowSink() = default;
  virtual void add(std::span<const Value> row) = 0;  // in the order of the table's columns; views end with the call
  virtual void finish() = 0;                         // all that was added is committed
};

// All rows of a table in the order of its key, a page at a time: no statement stays open, no table is held in memory.
class TableReader {
 public:
  TableReader(Connection& connection, const CopiedTable& table);
  // Rows behind this number: for a table with one key, a number.
  void begin_after(std::int64_t key);
  // Calls for each row of the next page; views end with the call. False: there are no more.
  bool next_page(const std::function<void(std::span<const Value>)>& row);

 private:
  struct Key {  // a value of the last row's key, kept
    bool is_number = false, is_text = false;
    std::int64_t number = 0;
    std::string bytes;
    Value value() const;
  };

  Value value_of(const Prepared& rows, std::size_t column) const;

  const CopiedTable& table_;
  const std::unique_ptr<Prepared> first_, further_;
  std::vector<Key> last_;  // empty: at the beginning
};

// What a table holds: equal when each row is equal byte for byte, whatever the engine.
struct TableDigest {
  std::int64_t rows = 0;
  crypto::Sha256 hash{};
  bool operator==(const TableDigest&) const = default;
};

// Copies what `from` has and tells its digest. `on_rows` hears of each page.
TableDigest copy_rows(TableReader& from, RowSink& to, const std::function<void(std::int64_t rows)>& on_rows);
TableDigest digest_of(Connection& connection, const CopiedTable& table,
                      const std::function<void(std::int64_t rows)>& on_rows);

std::int64_t count_rows(Connection& connection, std::string_view table);

}  // namespace lictor::store
