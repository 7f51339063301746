#include "store/mysql_text.h"

#include <algorithm>
#include <array>
#include <optional>
#include <stdexcept>

#include "base/ascii.h"
#include "base/encoding.h"

namespace lictor::store {
namespace {

constexpr std::array<std::string_view, 3> kReserved{"row", "rows", "key"};
constexpr std::string_view kConflict = " ON CONFLICT (", kDoUpdate = ") DO UPDATE SET ";

bool is_word(char c) noexcept { return base::is_alphanumeric(c) || c == '_'; }

// DELETE FROM t WHERE row IN (SELECT row FROM t …)
std::optional<std::string> ordered_delete(std::string_view sql) {
  constexpr std::string_view kDelete = "DELETE FROM ";
  if (!sql.starts_with(kDelete)) return std::nullopt;
  const std::string_view table = sql.substr(kDelete.size(), sql.find(' ', kDelete.size()) - kDelete.size());
  const std::string chosen = std::string(kDelete).append(table).append(" WHERE row IN (SELECT row FROM ").append(table);
  if (!sql.starts_with(chosen) || !sql.ends_with(')')) return std::nullopt;
  sql.remove_prefix(chosen.size());
  sql.remove_suffix(1);
  return std::string(kDelete).append(table).append(sql);
}

class Translation {
 public:
  explicit Translation(std::string_view sql) : sql_(sql) {}

  MysqlText run() && {
    while (at_ < sql_.size()) step();
    return std::move(text_);
  }

 private:
  void step() {
    const char c = sql_[at_];
    if (c == '\'') return copy_quoted();
    if (c == '?') return parameter();
    if (sql_.substr(at_).starts_with(kConflict)) return conflict();
    if (is_word(c)) return word();
    text_.sql += c;
    ++at_;
  }
  void copy_quoted() {
    const std::size_t end = std::min(sql_.find('\'', at_ + 1), sql_.size() - 1) + 1;
    text_.sql.append(sql_.substr(at_, end - at_));
    at_ = end;
  }
  void parameter() {
    std::size_t number = 0;
    while (++at_ < sql_.size() && base::is_digit(sql_[at_]))
      number = number * 10 + static_cast<std::size_t>(sql_[at_] - '0');
    if (number == 0) number = text_.parameters + 1;
    text_.parameters = std::max(text_.parameters, number);
    text_.values.push_back(number - 1);
    text_.sql += '?';
  }
  void conflict() {
    text_.sql += " ON DUPLICATE KEY UPDATE ";
    at_ = sql_.find(kDoUpdate, at_) + kDoUpdate.size();
  }
  void word() {
    const std::string_view name = take_word();
    if (name == "excluded" && at_ < sql_.size() && sql_[at_] == '.') {
      ++at_;
      text_.sql += "VALUES(";
      put(take_word());
      text_.sql += ')';
    } else {
      put(name);
    }
  }
  std::string_view take_word() {
    const std::size_t begin = at_;
    while (at_ < sql_.size() && is_word(sql_[at_])) ++at_;
    return sql_.substr(begin, at_ - begin);
  }
  void put(std::string_view name) {
    const bool reserved = std::ranges::find(kReserved, name) != kReserved.end();
    if (reserved) text_.sql += '`';
    text_.sql += name;
    if (reserved) text_.sql += '`';
  }

  const std::string_view sql_;
  std::size_t at_ = 0;
  MysqlText text_;
};

}  // namespace

MysqlText mysql_text(std::string_view shared) {
  const auto deletes = ordered_delete(shared);
  return Translation(deletes ? std::string_view(*deletes) : shared).run();
}

std::string with_literals(std::string_view shared, std::span<const Value> values) {
  const MysqlText text = mysql_text(shared);
  std::string sql;
  std::size_t next = 0;
  for (const char c : text.sql) {
    if (c != '?') {
      sql += c;
      continue;
    }
    const Value& value = values[text.values[next++]];
    if (value.kind == Value::Kind::number) {
      sql += std::to_string(value.number);
    } else if (value.kind == Value::Kind::blob) {
      sql.append("x'")
          .append(base::to_hex({reinterpret_cast<const std::uint8_t*>(value.data), value.size}))
          .append("'");
    } else {
      throw std::logic_error("no value that can be written into a statement");
    }
  }
  return sql;
}

std::string_view plain_insert(std::string_view shared) { return shared.substr(0, shared.find(kConflict)); }

}  // namespace lictor::store
