#include "api/query.h"

#include <algorithm>
#include <charconv>

#include "base/encoding.h"

namespace lictor::api {

std::optional<std::string> percent_decode(std::string_view text) {
  auto decoded = base::percent_decode(text);
  if (decoded && base::has_control_characters(*decoded)) return std::nullopt;
  return decoded;
}

Query::Query(std::string_view text) {
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const std::string_view name = pair.substr(0, pair.find('='));
    std::string value(pair.substr(std::min(pair.size(), name.size() + 1)));
    std::ranges::replace(value, '+', ' ');
    parameters_.emplace_back(name, percent_decode(value));
  }
}

std::optional<std::string> Query::get(std::string_view name) const {
  const auto it = std::ranges::find(parameters_, name, [](const auto& p) -> std::string_view { return p.first; });
  return it == parameters_.end() ? std::nullopt : it->second;
}

std::optional<std::int64_t> Query::number(std::string_view name, std::int64_t standard, std::int64_t least,
                                          std::int64_t most) const {
  const auto text = get(name);
  if (!text) return standard;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  const bool whole = error == std::errc{} && end == text->data() + text->size();
  return whole && number >= least && number <= most ? std::optional(number) : std::nullopt;
}

std::optional<std::string> Query::unknown(std::span<const std::string_view> known) const {
  for (auto it = parameters_.begin(); it != parameters_.end(); ++it) {
    const bool is_known = std::ranges::find(known, it->first) != known.end();
    const bool again =
        std::any_of(parameters_.begin(), it, [&](const auto& earlier) { return earlier.first == it->first; });
    if (!is_known || again || !it->second) return it->first;
  }
  return std::nullopt;
}

}  // namespace lictor::api
