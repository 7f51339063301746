// Appends many short pieces to a string: room is made rarely and in advance, so that a piece costs a comparison and its
// copy. The string has its length when the writer is gone; until then nobody else may touch it.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace lictor::base {

class TextWriter {
 public:
  // `expected`: about how much will come; more is right too, but slower.
  TextWriter(std::string& out, std::size_t expected) : out_(out) { make_room(out.size(), expected); }
  ~TextWriter() { out_.resize(static_cast<std::size_t>(at_ - out_.data())); }
  TextWriter(const TextWriter&) = delete;
  TextWriter& operator=(const TextWriter&) = delete;

  TextWriter& text(std::string_view piece) {
    if (piece.empty()) return *this;
    need(piece.size());
    std::memcpy(at_, piece.data(), piece.size());
    at_ += piece.size();
    return *this;
  }
  TextWriter& number(std::int64_t number) {
    constexpr std::size_t kMostDigits = 20;
    need(kMostDigits);
    at_ = std::to_chars(at_, at_ + kMostDigits, number).ptr;
    return *this;
  }
  // So many characters, to be filled in by the caller.
  char* skip(std::size_t size) {
    need(size);
    return std::exchange(at_, at_ + size);
  }

 private:
  void need(std::size_t size) {
    if (static_cast<std::size_t>(end_ - at_) < size) make_room(static_cast<std::size_t>(at_ - out_.data()), size);
  }
  void make_room(std::size_t used, std::size_t size) {
    constexpr std::size_t kLeast = 256;
    out_.resize(used + std::max(size + kLeast, used));
    at_ = out_.data() + used;
    end_ = out_.data() + out_.size();
  }

  std::string& out_;
  char* at_ = nullptr;
  char* end_ = nullptr;
};

}  // namespace lictor::base
