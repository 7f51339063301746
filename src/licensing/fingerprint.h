// Hardware fingerprints and how two of them are compared (contract.md, section 7).
//
// A fingerprint is either one opaque value or a set of components, one tag a class. The server keeps keyed 128-bit
// digests of what clients send, never the values. Pure; all functions are thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/id.h"

namespace lictor::licensing {

// The order is that of the persisted form: do not change values.
enum class ComponentClass : std::uint8_t { tpm = 0, smbios, board, disk, os, mac, cpu, instance };
inline constexpr std::size_t kComponentClasses = 8;

struct ComponentWeight {
  std::string_view name;
  ComponentClass component;
  unsigned weight;
  bool machine;  // identifies a machine by itself; `normal` and `loose` need one of these to match
};

// The weights and thresholds, in one place.
inline constexpr std::array<ComponentWeight, kComponentClasses> kComponents{{
    {"tpm", ComponentClass::tpm, 40, true},
    {"smbios", ComponentClass::smbios, 30, true},
    {"board", ComponentClass::board, 25, true},
    {"disk", ComponentClass::disk, 15, false},
    {"os", ComponentClass::os, 10, false},
    {"mac", ComponentClass::mac, 10, false},
    {"cpu", ComponentClass::cpu, 5, false},
    {"instance", ComponentClass::instance, 30, true},
}};
inline constexpr unsigned kNormalPercent = 70;  // of the weight of the components known on both sides
inline constexpr unsigned kLoosePercent = 40;

using ComponentMask = std::uint8_t;  // bit i: ComponentClass i
constexpr ComponentMask bit_of(ComponentClass component) noexcept {
  return static_cast<ComponentMask>(1U << static_cast<unsigned>(component));
}
std::optional<ComponentClass> component_of(std::string_view name) noexcept;

// Persisted: do not change values.
enum class Binding : std::uint8_t { none = 0, strict = 1, normal = 2, loose = 3 };

struct Fingerprint {
  // Persisted: do not change values.
  enum class Kind : std::uint8_t { absent = 0, opaque = 1, components = 2 };
  Kind kind = Kind::absent;
  ComponentMask mask = 0;                              // components only: which tags are set
  std::array<base::Digest, kComponentClasses> tags{};  // opaque: tags[0]

  bool operator==(const Fingerprint&) const = default;
};

// What HARDWARE_MISMATCH tells: classes, never values. `opaque_differs` for opaque values or when the kinds differ.
struct HardwareDifference {
  ComponentMask matched = 0, differed = 0, missing = 0;
  bool opaque_differs = false;
  bool fingerprint_missing = false;

  bool operator==(const HardwareDifference&) const = default;
};

// Nothing when `presented` may use a seat bound to `bound`. Compares in constant time for each tag.
std::optional<HardwareDifference> compare_fingerprints(Binding binding, const Fingerprint& bound,
                                                       const Fingerprint& presented) noexcept;
// Nothing when `presented` may become the binding of a seat: under normal and loose it needs a machine-class component,
// because it could never match again without one; under strict any component, because an empty set matches everything.
std::optional<HardwareDifference> check_bindable(Binding binding, const Fingerprint& presented) noexcept;

// A value that many machines share ("unknown", zeros, "To be filled by O.E.M.", empty): no identity at all.
bool is_placeholder(std::string_view value) noexcept;

}  // namespace lictor::licensing
