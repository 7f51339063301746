#include "base/suggest.h"

#include <algorithm>
#include <vector>

namespace lictor::base {
namespace {

constexpr std::size_t kMaxNameBytes = 100;  // nothing longer is like a name of ours

std::string_view last_part(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before_last.swap(last);
    last.swap(row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
  }
  return row[b.size()];
}

std::string_view nearest_name(std::string_view name, std::span<const std::string_view> candidates) {
  if (name.size() > kMaxNameBytes) return {};
  std::string_view nearest;
  std::size_t best = std::min<std::size_t>(name.size() / 4 + 2, 4);  // from here on it is another name
  for (const std::string_view candidate : candidates) {
    const bool has_section = candidate.find('.') != std::string_view::npos;
    const std::size_t longer = std::max(name.size(), candidate.size()) - std::min(name.size(), candidate.size());
    if (longer >= best && !has_section) continue;  // so many edits it takes at least
    std::size_t distance = edit_distance(name, candidate);
    // A wrong section counts as one mistake.
    if (has_section) {
      distance = std::min(distance, edit_distance(last_part(name), last_part(candidate)) + 1);
    }
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

std::string suggestion(std::string_view name, std::span<const std::string_view> candidates) {
  const std::string_view nearest = nearest_name(name, candidates);
  return nearest.empty() ? std::string() : "; did you mean " + std::string(nearest) + "?";
}

}  // namespace lictor::base
