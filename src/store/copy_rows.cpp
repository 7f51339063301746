#include "store/copy_rows.h"

namespace lictor::store {
namespace {

using Type = CopiedColumn::Type;

constexpr std::int64_t kRowsOfPage = 4000;

std::string select(const CopiedTable& table, bool behind) {
  std::string keys, marks;
  for (std::size_t i = 0; i < table.keys; ++i) {
    keys.append(i == 0 ? "" : ", ").append(table.columns[i].name);
    marks.append(i == 0 ? "?" : ", ?").append(std::to_string(i + 1));
  }
  std::string text = "SELECT " + table.column_list() + " FROM " + std::string(table.name);
  if (behind) text += table.keys == 1 ? " WHERE " + keys + " > " + marks : " WHERE (" + keys + ") > (" + marks + ")";
  return text + " ORDER BY " + keys + " LIMIT " + std::to_string(kRowsOfPage);
}

// Each page's bytes behind the hash of those before: pages are the same wherever the rows are, because their order is.
class Digester {
 public:
  void add(std::span<const Value> row) {
    for (const Value& value : row) add(value);
    ++digest_.rows;
  }
  void end_page() {
    if (!page_.empty()) digest_.hash = crypto::sha256(page_);
    page_.assign(digest_.hash.begin(), digest_.hash.end());
  }
  const TableDigest& digest() const noexcept { return digest_; }

 private:
  // Injective: the kind, then the number, or the length and the bytes.
  void add(const Value& value) {
    page_ += static_cast<char>('0' + static_cast<int>(value.kind));
    if (value.kind == Value::Kind::null) return;
    const bool is_number = value.kind == Value::Kind::number;
    const auto head = is_number ? static_cast<std::uint64_t>(value.number) : static_cast<std::uint64_t>(value.size);
    for (int shift = 56; shift >= 0; shift -= 8) page_ += static_cast<char>(head >> static_cast<unsigned>(shift));
    if (!is_number) page_.append(value.data, value.size);
  }
  TableDigest digest_;
  std::string page_;
};

}  // namespace

Value TableReader::Key::value() const {
  if (is_number) return Value(number);
  if (is_text) return Value(bytes);
  return Value(std::span(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
}

TableReader::TableReader(Connection& connection, const CopiedTable& table)
    : table_(table),
      first_(connection.prepare(select(table, false))),
      further_(connection.prepare(select(table, true))) {}

void TableReader::begin_after(std::int64_t key) {
  last_.assign(1, {.is_number = true, .is_text = false, .number = key, .bytes = {}});
}

Value TableReader::value_of(const Prepared& rows, std::size_t column) const {
  const int at = static_cast<int>(column);
  if (rows.is_null(at)) return std::nullopt;
  switch (table_.columns[column].type) {
    case Type::number:
      return rows.number(at);
    case Type::text:
      return rows.text(at);
    case Type::blob:
      break;
  }
  return rows.blob(at);
}

bool TableReader::next_page(const std::function<void(std::span<const Value>)>& row) {
  struct Closed {
    Prepared& rows;
    ~Closed() { rows.close(); }
  };
  Prepared& rows = last_.empty() ? *first_ : *further_;
  std::vector<Value> values;
  for (const Key& key : last_) values.push_back(key.value());
  rows.open(values);
  const Closed closed{rows};
  std::int64_t found = 0;
  std::vector<Key> last;
  while (rows.next()) {
    values.clear();
    for (std::size_t column = 0; column < table_.columns.size(); ++column) values.push_back(value_of(rows, column));
    row(values);
    if (++found < kRowsOfPage) continue;
    for (const Value& value : std::span(values).first(table_.keys)) {
      last.push_back({value.kind == Value::Kind::number, value.kind == Value::Kind::text, value.number,
                      value.kind == Value::Kind::number ? std::string() : std::string(value.data, value.size)});
    }
  }
  last_ = std::move(last);
  return found == kRowsOfPage;
}

namespace {

TableDigest read_all(TableReader& from, RowSink* to, const std::function<void(std::int64_t rows)>& on_rows) {
  Digester digester;
  bool more = true;
  while (more) {
    more = from.next_page([&](std::span<const Value> row) {
      digester.add(row);
      if (to != nullptr) to->add(row);
    });
    digester.end_page();
    if (on_rows) on_rows(digester.digest().rows);
  }
  if (to != nullptr) to->finish();
  return digester.digest();
}

}  // namespace

TableDigest copy_rows(TableReader& from, RowSink& to, const std::function<void(std::int64_t rows)>& on_rows) {
  return read_all(from, &to, on_rows);
}

TableDigest digest_of(Connection& connection, const CopiedTable& table,
                      const std::function<void(std::int64_t rows)>& on_rows) {
  TableReader reader(connection, table);
  return read_all(reader, nullptr, on_rows);
}

std::int64_t count_rows(Connection& connection, std::string_view table) {
  return connection.number("SELECT count(*) FROM " + std::string(table));
}

}  // namespace lictor::store
