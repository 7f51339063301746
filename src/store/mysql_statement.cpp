#include "store/mysql_statement.h"

#include <algorithm>
#include <new>

namespace lictor::store {
namespace {

constexpr std::size_t kFirstRoom = 64;

bool holds_number(enum_field_types type) noexcept {
  switch (type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_DECIMAL:
    case MYSQL_TYPE_NEWDECIMAL:
    case MYSQL_TYPE_NULL:
      return true;
    default:
      return false;
  }
}

// libmariadb reads what is bound, and does not change it.
MYSQL_BIND bind_of(const Value& value) {
  MYSQL_BIND bind{};
  switch (value.kind) {
    case Value::Kind::text:
    case Value::Kind::blob:
      bind.buffer_type = value.kind == Value::Kind::text ? MYSQL_TYPE_STRING : MYSQL_TYPE_BLOB;
      bind.buffer = const_cast<char*>(value.data);
      bind.buffer_length = value.size;
      break;
    case Value::Kind::number:
      bind.buffer_type = MYSQL_TYPE_LONGLONG;
      bind.buffer = const_cast<std::int64_t*>(&value.number);
      break;
    case Value::Kind::null:
    case Value::Kind::array:
      // Only times are NULL: so the types of a statement's values never change.
      static my_bool null = 1;
      bind.buffer_type = MYSQL_TYPE_LONGLONG;
      bind.buffer = const_cast<std::int64_t*>(&value.number);
      bind.is_null = &null;
      break;
  }
  return bind;
}

}  // namespace

bool MysqlStatement::prepare(MYSQL* connection, std::uint64_t generation, std::string_view sql) {
  generation_ = 0;
  handle_.reset(mysql_stmt_init(connection));
  if (!handle_) throw std::bad_alloc();
  if (mysql_stmt_prepare(handle_.get(), sql.data(), sql.size()) != 0) return false;
  describe_columns();
  generation_ = generation;
  return true;
}

void MysqlStatement::describe_columns() {
  columns_.clear();
  MYSQL_RES* const result = mysql_stmt_result_metadata(handle_.get());
  if (result == nullptr) return;
  const MYSQL_FIELD* const fields = mysql_fetch_fields(result);
  for (unsigned int i = 0; i < mysql_num_fields(result); ++i) {
    Column& column = columns_.emplace_back();
    column.is_number = holds_number(fields[i].type);
    if (!column.is_number) column.bytes.resize(kFirstRoom);
  }
  mysql_free_result(result);
}

bool MysqlStatement::bind_columns() {
  wanted_.assign(columns_.size(), MYSQL_BIND{});
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    Column& column = columns_[i];
    MYSQL_BIND& bind = wanted_[i];
    bind.buffer_type = column.is_number ? MYSQL_TYPE_LONGLONG : MYSQL_TYPE_BLOB;
    bind.buffer = column.is_number ? static_cast<void*>(&column.number) : column.bytes.data();
    bind.buffer_length = column.is_number ? sizeof column.number : column.bytes.size();
    bind.length = &column.length;
    bind.is_null = &column.is_null;
    bind.error = &column.error;
  }
  return mysql_stmt_bind_result(handle_.get(), wanted_.data()) == 0;
}

// `rows` 0: what is given are values, not arrays of them.
bool MysqlStatement::run(unsigned int rows) {
  if (mysql_stmt_attr_set(handle_.get(), STMT_ATTR_ARRAY_SIZE, &rows) != 0) return false;
  if (!given_.empty() && mysql_stmt_bind_param(handle_.get(), given_.data()) != 0) return false;
  return mysql_stmt_execute(handle_.get()) == 0;
}

bool MysqlStatement::execute(const MysqlText& text, std::span<const Value> values) {
  given_.clear();
  for (const std::size_t value : text.values) given_.push_back(bind_of(values[value]));
  for (MYSQL_BIND& bind : given_) bind.length = &bind.buffer_length;
  if (!run(0)) return false;
  return columns_.empty() || (bind_columns() && mysql_stmt_store_result(handle_.get()) == 0);
}

MYSQL_BIND MysqlStatement::GivenColumn::bind() {
  MYSQL_BIND bind{};
  bind.buffer_type = bytes.empty() ? MYSQL_TYPE_LONGLONG : MYSQL_TYPE_BLOB;
  bind.buffer = bytes.empty() ? static_cast<void*>(numbers.data()) : static_cast<void*>(bytes.data());
  bind.length = lengths.data();
  bind.u.indicator = indicators.data();
  return bind;
}

bool MysqlStatement::execute_rows(const MysqlText& text, std::span<const Value> values) {
  given_columns_.resize(text.values.size());
  given_.clear();
  for (std::size_t i = 0; i < text.values.size(); ++i) {
    GivenColumn& column = given_columns_[i];
    column.numbers.clear();
    column.bytes.clear();
    column.lengths.clear();
    column.indicators.clear();
    for (std::size_t at = text.values[i]; at < values.size(); at += text.parameters) {
      const Value& value = values[at];
      column.indicators.push_back(value.kind == Value::Kind::null ? STMT_INDICATOR_NULL : STMT_INDICATOR_NONE);
      column.numbers.push_back(value.number);
      column.lengths.push_back(value.size);
      if (value.kind == Value::Kind::text || value.kind == Value::Kind::blob) column.bytes.push_back(value.data);
    }
    given_.push_back(column.bind());
  }
  return run(static_cast<unsigned int>(values.size() / text.parameters));
}

// Texts that had no room yet.
bool MysqlStatement::fetch_longer() {
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    Column& column = columns_[i];
    if (column.is_number || column.length <= column.bytes.size()) continue;
    column.bytes.resize(std::max<std::size_t>(column.length, 2 * column.bytes.size()));
    wanted_[i].buffer = column.bytes.data();
    wanted_[i].buffer_length = column.bytes.size();
    if (mysql_stmt_fetch_column(handle_.get(), &wanted_[i], static_cast<unsigned int>(i), 0) != 0) return false;
  }
  return bind_columns();
}

MysqlStatement::Step MysqlStatement::next() {
  switch (mysql_stmt_fetch(handle_.get())) {
    case 0:
      return Step::row;
    case MYSQL_NO_DATA:
      return Step::end;
    case MYSQL_DATA_TRUNCATED:
      return fetch_longer() ? Step::row : Step::failed;
    default:
      return Step::failed;
  }
}

void MysqlStatement::close() noexcept {
  if (handle_) mysql_stmt_free_result(handle_.get());
}

std::int64_t MysqlStatement::changed_rows() const noexcept {
  return static_cast<std::int64_t>(mysql_stmt_affected_rows(handle_.get()));
}

std::int64_t MysqlStatement::number(int column) const noexcept { return is_null(column) ? 0 : at(column).number; }

std::string_view MysqlStatement::text(int column) const noexcept {
  if (is_null(column)) return {};
  return {at(column).bytes.data(), at(column).length};
}

}  // namespace lictor::store
