#include "store/row_sets.h"

#include <algorithm>
#include <utility>

#include "base/ascii.h"

namespace lictor::store {
namespace {

constexpr std::size_t kMostBytes = 1'000'000;  // of one statement, unless a single row has more

// Behind the parenthesis that closes the one at `open`.
std::size_t behind_closing(std::string_view sql, std::size_t open) noexcept {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = open; i < sql.size(); ++i) {
    if (sql[i] == '\'') quoted = !quoted;
    if (quoted) continue;
    if (sql[i] == '(') ++depth;
    if (sql[i] == ')' && --depth == 0) return i + 1;
  }
  return sql.size();
}

}  // namespace

std::string with_rows(std::string_view of_one, std::size_t count) {
  constexpr std::string_view kValues = " VALUES ", kIn = " IN (";
  const std::size_t values = of_one.find(kValues);
  std::size_t begin = 0, end = 0;
  if (values != std::string_view::npos) {
    begin = values + kValues.size();
    end = behind_closing(of_one, begin);
  } else {
    begin = of_one.find(kIn) + kIn.size();
    end = behind_closing(of_one, begin - 1) - 1;
  }
  std::string row;  // without the numbers of its values
  bool number = false;
  for (const char c : of_one.substr(begin, end - begin)) {
    number = c == '?' || (number && base::is_digit(c));
    if (c == '?' || !number) row += c;
  }
  std::string sql(of_one.substr(0, begin));
  for (std::size_t i = 0; i < count; ++i) sql.append(i == 0 ? "" : ", ").append(row);
  return sql.append(of_one.substr(end));
}

Prepared& RowSets::of(std::size_t count) {
  auto& statement = statements_[static_cast<std::size_t>(std::countr_zero(count))];
  if (!statement) statement = connection_.prepare(with_rows(of_one_, count));
  return *statement;
}

void SetReader::read(std::span<const Value> values, std::size_t each,
                     const std::function<void(const Statement::Rows&)>& visit) {
  while (!values.empty()) {
    const std::size_t asked = std::min(values.size() / each, RowSets::kMost);
    const std::size_t count = std::bit_ceil(asked);
    const auto last = values.subspan((asked - 1) * each, each);
    padded_.assign(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(asked * each));
    for (std::size_t i = asked; i < count; ++i) padded_.insert(padded_.end(), last.begin(), last.end());
    values = values.subspan(asked * each);
    Prepared& statement = sets_.of(count);
    statement.open(padded_);
    Statement::Rows rows(sets_.connection(), statement);
    while (rows.next()) visit(rows);
  }
}

std::size_t SetWriter::next_count(std::span<const Value> values, bool takes_rows) const noexcept {
  const std::size_t rows = values.size() / each_;
  const std::size_t most = takes_rows ? rows : std::bit_floor(std::min(rows, RowSets::kMost));
  std::size_t count = 0, bytes = 0;
  for (; count < most && bytes < kMostBytes; ++count) {
    for (const Value& value : values.subspan(count * each_, each_)) bytes += value.size + sizeof value.number;
  }
  return takes_rows ? count : std::bit_floor(count);
}

void SetWriter::write() {
  const auto values = std::exchange(values_, {});
  const bool takes_rows = sets_.connection().takes_rows();
  for (std::span<const Value> rest(values); !rest.empty();) {
    const std::size_t count = next_count(rest, takes_rows);
    const auto some = rest.first(count * each_);
    if (takes_rows) {
      sets_.of(1).run_rows(some);
    } else {
      sets_.of(count).run(some);
    }
    rest = rest.subspan(count * each_);
  }
}

}  // namespace lictor::store
