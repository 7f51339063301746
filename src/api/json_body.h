// The body of a data-plane request: one flat JSON object (RFC 8259), read by a strict SAX parser into a small reusable
// array. Duplicate members, invalid UTF-8, depth over 16 and anything after the object are refused; nested values are
// kept one level deep (arrays of strings, objects of strings). Not thread-safe; views are valid until the next parse
// and as long as the parsed text.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lictor::api {

enum class JsonKind : std::uint8_t { null, boolean, integer, number, string, array, object };
std::string_view describe(JsonKind kind) noexcept;  // "a string"

struct JsonMember {
  std::string_view name;  // empty for elements of an array
  JsonKind kind = JsonKind::null;
  std::string_view text;  // of a string: its value; of an integer: its canonical decimal digits
  std::int64_t integer = 0;
  bool boolean = false;
  std::uint32_t children = 0;  // of an array or object: how many nodes follow it
};

class JsonBody {
 public:
  // Nothing when `text` was read; otherwise what is wrong with it.
  std::optional<base::Problem> parse(std::string_view text);

  // The top-level members; a member's children follow it in nodes().
  template <class Visit>
  void for_each_member(Visit&& visit) const {
    for (std::size_t i = 0; i < nodes_.size(); i += 1 + nodes_[i].children) visit(nodes_[i]);
  }
  const JsonMember* find(std::string_view name) const noexcept;
  std::span<const JsonMember> children(const JsonMember& member) const noexcept {
    return {&member + 1, member.children};
  }

  static constexpr std::size_t kMaxNodes = 256;
  static constexpr std::size_t kMaxDepth = 16;

 private:
  friend struct JsonEvents;
  std::vector<JsonMember> nodes_;
  std::string unescaped_;  // strings that had escapes; never reallocated during a parse
};

}  // namespace lictor::api
