// The query of a target: `a=1&b=2`, percent-encoded (RFC 3986, section 2.1; `+` is a space as in HTML forms).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lictor::api {

// Nothing when an escape is malformed or the result is no printable UTF-8.
std::optional<std::string> percent_decode(std::string_view text);

class Query {
 public:
  explicit Query(std::string_view text);
  std::optional<std::string> get(std::string_view name) const;
  // A whole number within bounds; `standard` when the parameter is missing, nothing when it is no such number.
  std::optional<std::int64_t> number(std::string_view name, std::int64_t standard, std::int64_t least,
                                     std::int64_t most) const;
  // The first parameter that is none of `known`, is there twice or can't be decoded.
  std::optional<std::string> unknown(std::span<const std::string_view> known) const;
  std::optional<std::string> unknown(std::initializer_list<std::string_view> known) const {
    return unknown(std::span(known.begin(), known.size()));
  }

 private:
  std::vector<std::pair<std::string, std::optional<std::string>>> parameters_;
};

}  // namespace lictor::api
