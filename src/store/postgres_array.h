// A one-dimensional array as a value of a statement, in PostgreSQL's binary form (array_send in
// src/backend/utils/adt/arrayfuncs.c): dimensions, whether there are NULLs, the elements' type, length, lower bound,
// then each element with its size before it; all numbers are big-endian.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "store/sql_connection.h"

namespace lictor::store {

class PostgresArray {
 public:
  enum class Of : std::uint8_t { numbers, texts, blobs };
  explicit PostgresArray(Of of) : of_(of) {
    put(1);
    put(0);
    put(element());
    put(0);  // the length, set by parameter()
    put(1);
  }

  void add(std::int64_t number) {
    put(8);
    put(static_cast<std::uint32_t>(static_cast<std::uint64_t>(number) >> 32U));
    put(static_cast<std::uint32_t>(number));
    ++length_;
  }
  void add(EndTime time) { time.at == licensing::kNever ? add_null() : add(time.at); }
  void add(std::string_view bytes) {  // of a text or a blob
    put(static_cast<std::uint32_t>(bytes.size()));
    bytes_.append(bytes);
    ++length_;
  }
  void add(std::span<const std::uint8_t> bytes) {
    add(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }
  void add(const base::Bytes16& bytes) { add(std::span<const std::uint8_t>(bytes.bytes)); }
  void add_null() {
    put(0xFFFFFFFF);
    put_at(4, 1);
    ++length_;
  }

  bool empty() const noexcept { return length_ == 0; }
  // Valid until the next add().
  Value value() {
    put_at(12, length_);
    constexpr std::uint32_t kArrays[] = {1016, 1009, 1001};  // of int8, text, bytea: pg_type.dat
    return Value::array(kArrays[static_cast<int>(of_)], bytes_);
  }

 private:
  std::uint32_t element() const noexcept {
    constexpr std::uint32_t kElements[] = {20, 25, 17};
    return kElements[static_cast<int>(of_)];
  }
  void put(std::uint32_t number) {
    bytes_.append(4, '\0');
    put_at(bytes_.size() - 4, number);
  }
  void put_at(std::size_t at, std::uint32_t number) noexcept {
    for (std::size_t i = 0; i < 4; ++i) bytes_[at + i] = static_cast<char>(number >> (8 * (3 - i)));
  }

  Of of_;
  std::string bytes_;
  std::uint32_t length_ = 0;
};

}  // namespace lictor::store
