// The shared statements (queries.h) as MySQL and MariaDB take them. The differences are these, and no others:
//
//   ?1, ?2 …                        ?, with the value given again where its number comes again
//   row, rows, key as names         `row`, `rows`, `key`: reserved words (keywords are in capitals)
//   ON CONFLICT (…) DO UPDATE SET   ON DUPLICATE KEY UPDATE: whatever unique index is hit, see mysql_tx.cpp
//   excluded.x                      VALUES(x)
//   DELETE FROM t WHERE row IN (SELECT row FROM t …)
//                                   DELETE FROM t …: it deletes in an order, up to a limit, itself
//
// Pure and thread-safe.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/sql_connection.h"

namespace lictor::store {

struct MysqlText {
  std::string sql;
  std::vector<std::size_t> values;  // for each ?, which of the values it stands for, from 0
  std::size_t parameters = 0;       // how many values there are
};

MysqlText mysql_text(std::string_view shared);

// The statement as MySQL takes it, with the values, numbers and blobs, in the text.
std::string with_literals(std::string_view shared, std::span<const Value> values);

// Without ON CONFLICT …
std::string_view plain_insert(std::string_view shared);

}  // namespace lictor::store
