// Statements of many rows: their texts. That every engine takes them is what the conformance suites show.
#include "store/row_sets.h"

#include <gtest/gtest.h>

namespace lictor::test {
namespace {

TEST(RowSets, one_row_becomes_many) {
  using store::with_rows;
  EXPECT_EQ(with_rows("INSERT INTO t (a, b) VALUES (?1, ?2) ON CONFLICT (a) DO UPDATE SET b = excluded.b", 2),
            "INSERT INTO t (a, b) VALUES (?, ?), (?, ?) ON CONFLICT (a) DO UPDATE SET b = excluded.b");
  EXPECT_EQ(with_rows("INSERT INTO t (a, b) VALUES (?10, nullif(?11, 0))", 3),
            "INSERT INTO t (a, b) VALUES (?, nullif(?, 0)), (?, nullif(?, 0)), (?, nullif(?, 0))");
  EXPECT_EQ(with_rows("SELECT a FROM t WHERE b IN (?) ORDER BY a", 3),
            "SELECT a FROM t WHERE b IN (?, ?, ?) ORDER BY a");
  EXPECT_EQ(with_rows("SELECT a FROM t WHERE (b, c) IN ((?, ?))", 2),
            "SELECT a FROM t WHERE (b, c) IN ((?, ?), (?, ?))");
}

}  // namespace
}  // namespace lictor::test
