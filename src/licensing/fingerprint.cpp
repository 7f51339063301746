#include "licensing/fingerprint.h"

#include <algorithm>

namespace lictor::licensing {
namespace {

constexpr std::string_view kPlaceholders[] = {
    "",
    "-",
    "unknown",
    "none",
    "null",
    "nil",
    "n/a",
    "na",
    "not available",
    "not applicable",
    "default",
    "default string",
    "undefined",
    "not specified",
    "not present",
    "system serial number",
    "base board serial number",
    "chassis serial number",
    "to be filled by o.e.m.",
    "to be filled by o.e.m",
    "o.e.m.",
    "oem",
    "invalid",
    "empty",
    "123456789",
    "0123456789",
};
constexpr std::size_t kLongestPlaceholder =
    std::ranges::max(kPlaceholders, {}, [](std::string_view text) { return text.size(); }).size();

constexpr ComponentMask machine_mask() {
  ComponentMask mask = 0;
  for (const auto& row : kComponents) {
    if (row.machine) mask = static_cast<ComponentMask>(mask | bit_of(row.component));
  }
  return mask;
}

unsigned weight_of(ComponentMask mask) noexcept {
  unsigned weight = 0;
  for (const auto& row : kComponents) {
    if ((mask & bit_of(row.component)) != 0) weight += row.weight;
  }
  return weight;
}

bool equal_digests(const base::Digest& a, const base::Digest& b) noexcept {
  return ((a.low64() ^ b.low64()) | (a.high64() ^ b.high64())) == 0;
}

HardwareDifference compare_components(const Fingerprint& bound, const Fingerprint& presented) noexcept {
  HardwareDifference difference;
  for (std::size_t i = 0; i < kComponentClasses; ++i) {
    const auto bit = static_cast<ComponentMask>(1U << i);
    if ((bound.mask & bit) == 0) continue;
    ComponentMask& set = (presented.mask & bit) == 0                       ? difference.missing
                         : equal_digests(bound.tags[i], presented.tags[i]) ? difference.matched
                                                                           : difference.differed;
    set = static_cast<ComponentMask>(set | bit);
  }
  return difference;
}

bool accepts(Binding binding, const HardwareDifference& d) noexcept {
  if (binding == Binding::strict) return d.differed == 0 && d.missing == 0;
  const unsigned matched = weight_of(d.matched);
  const unsigned known = matched + weight_of(d.differed);
  const unsigned percent = binding == Binding::normal ? kNormalPercent : kLoosePercent;
  return (d.matched & machine_mask()) != 0 && matched * 100 >= known * percent;
}

}  // namespace

std::optional<ComponentClass> component_of(std::string_view name) noexcept {
  for (const auto& row : kComponents) {
    if (row.name == name) return row.component;
  }
  return std::nullopt;
}

std::optional<HardwareDifference> compare_fingerprints(Binding binding, const Fingerprint& bound,
                                                       const Fingerprint& presented) noexcept {
  if (binding == Binding::none || bound.kind == Fingerprint::Kind::absent) return std::nullopt;
  HardwareDifference difference;
  if (presented.kind == Fingerprint::Kind::absent) {
    difference.fingerprint_missing = true;
    difference.missing = bound.mask;
    return difference;
  }
  if (bound.kind != presented.kind) {
    difference.opaque_differs = true;
    return difference;
  }
  if (bound.kind == Fingerprint::Kind::opaque) {
    difference.opaque_differs = !equal_digests(bound.tags[0], presented.tags[0]);
    return difference.opaque_differs ? std::optional(difference) : std::nullopt;
  }
  difference = compare_components(bound, presented);
  return accepts(binding, difference) ? std::nullopt : std::optional(difference);
}

std::optional<HardwareDifference> check_bindable(Binding binding, const Fingerprint& presented) noexcept {
  if (binding == Binding::none || presented.kind == Fingerprint::Kind::opaque) return std::nullopt;
  HardwareDifference difference;
  if (presented.kind == Fingerprint::Kind::absent) {
    difference.fingerprint_missing = true;
    return difference;
  }
  const ComponentMask suitable = binding == Binding::strict ? presented.mask : presented.mask & machine_mask();
  if (suitable != 0) return std::nullopt;
  difference.missing = machine_mask();
  return difference;
}

bool is_placeholder(std::string_view value) noexcept {
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  while (!value.empty() && value.back() == ' ') value.remove_suffix(1);
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  const auto equals = [&](std::string_view placeholder) { return std::ranges::equal(value, placeholder, {}, lower); };
  if (value.size() <= kLongestPlaceholder && std::ranges::any_of(kPlaceholders, equals)) return true;
  // One digit repeated, with or without separators: 00000000-0000-…, ff:ff:ff:ff:ff:ff, 1111.
  char digit = 0;
  for (const char c : value) {
    if (c == '-' || c == ':' || c == '.' || c == ' ' || c == '_') continue;
    if (digit != 0 && lower(c) != digit) return false;
    digit = lower(c);
  }
  return digit == 0 || digit == '0' || digit == 'f' || digit == 'x' || value.size() >= 4;
}

}  // namespace lictor::licensing
