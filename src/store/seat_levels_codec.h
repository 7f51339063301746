// The persisted form of licensing::SeatSeries::levels. Never change what exists.
//
//   levels = (number(seats - seats of the level before) number(seconds))*     levels rise; the first is before none, 0
//   number = base-128, lowest group first, the highest bit of a byte set when more follow (LEB128)
//
// Pure and thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "licensing/seat_series.h"

namespace lictor::store {

std::vector<std::uint8_t> encode_levels(std::span<const licensing::SeatLevel> levels);
// Nothing for bytes that encode_levels could not have written.
std::optional<std::vector<licensing::SeatLevel>> decode_levels(std::span<const std::uint8_t> bytes);

}  // namespace lictor::store
