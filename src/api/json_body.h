// The body of a data-plane request: one flat JSON object (RFC 8259), read by a strict SAX parser into a small reusable
// array. Duplicate members, invalid UTF-8, depth over 16 and anything after the object are refused; nested values are
// kept one level deep (arrays of strings, objects of strings). Not thread-safe; views are valid until the next parse
// and as long as the parsed text.
#pragma once

#include <array>
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

// The top-level members of data-plane requests, so that they are found without comparing texts.
enum class JsonName : std::uint8_t {
  other,
  client_id,
  client_version,
  features,
  hardware_fingerprint,
  idempotency_key,
  license_id,
  license_key,
  metric,
  nonce,
  quantity,
  signature,
  timestamp,
};
inline constexpr std::size_t kJsonNames = 13;
std::string_view text_of(JsonName name) noexcept;  // "" for other
JsonName json_name_of(std::string_view text) noexcept;

struct JsonMember {
  std::string_view name;             // empty for elements of an array
  JsonName known = JsonName::other;  // of a top-level member
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
  const JsonMember* find(JsonName name) const noexcept {
    const std::uint16_t place = places_[static_cast<std::size_t>(name)];
    return place == 0 ? nullptr : &nodes_[place - 1U];
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
  std::array<std::uint16_t, kJsonNames> places_{};  // of the known members in nodes_, counted from 1; 0: not there
  std::string unescaped_;                           // strings that had escapes; never reallocated during a parse
};

}  // namespace lictor::api
