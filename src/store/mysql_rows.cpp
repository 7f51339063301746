#include "store/mysql_rows.h"

#include <algorithm>
#include <utility>

namespace lictor::store {
namespace {

constexpr std::size_t kMostBytes = 1'000'000;  // of one statement, unless a single row has more

}  // namespace

void MysqlList::read(std::span<const Value> values, std::size_t each,
                     const std::function<void(const Statement::Rows&)>& visit) {
  while (!values.empty()) {
    const std::size_t asked = std::min(values.size() / each, MysqlSizes::kMost);
    const std::size_t count = std::bit_ceil(asked);
    const auto last = values.subspan((asked - 1) * each, each);
    padded_.assign(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(asked * each));
    for (std::size_t i = asked; i < count; ++i) padded_.insert(padded_.end(), last.begin(), last.end());
    values = values.subspan(asked * each);
    Prepared& statement = sizes_.of(count);
    statement.open(padded_);
    Statement::Rows rows(sizes_.connection(), statement);
    while (rows.next()) visit(rows);
  }
}

std::size_t MysqlRows::next_count(std::span<const Value> values) const noexcept {
  const std::size_t most = std::bit_floor(std::min(values.size() / each_, MysqlSizes::kMost));
  std::size_t count = 0, bytes = 0;
  for (; count < most && bytes < kMostBytes; ++count) {
    for (const Value& value : values.subspan(count * each_, each_)) bytes += value.size + sizeof value.number;
  }
  return std::bit_floor(count);
}

void MysqlRows::write() {
  const auto values = std::exchange(values_, {});
  for (std::span<const Value> rest(values); !rest.empty();) {
    const std::size_t count = next_count(rest);
    sizes_.of(count).run(rest.first(count * each_));
    rest = rest.subspan(count * each_);
  }
}

}  // namespace lictor::store
