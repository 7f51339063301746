#include "store/seat_levels_codec.h"

#include <limits>

namespace lictor::store {
namespace {

constexpr int kGroupBits = 7;
constexpr std::uint8_t kMore = 0x80;
constexpr std::uint64_t kMostNumber = std::numeric_limits<std::uint32_t>::max();

void append(std::vector<std::uint8_t>& bytes, std::uint32_t number) {
  while (number >= kMore) {
    bytes.push_back(static_cast<std::uint8_t>(number) | kMore);
    number >>= kGroupBits;
  }
  bytes.push_back(static_cast<std::uint8_t>(number));
}

std::optional<std::uint32_t> take(std::span<const std::uint8_t>& bytes) {
  std::uint64_t number = 0;
  for (int shift = 0; !bytes.empty() && shift <= 28; shift += kGroupBits) {
    const std::uint8_t byte = bytes.front();
    bytes = bytes.subspan(1);
    number |= static_cast<std::uint64_t>(byte & (kMore - 1)) << shift;
    if ((byte & kMore) != 0) continue;
    const bool is_shortest = byte != 0 || shift == 0;
    return is_shortest && number <= kMostNumber ? std::optional(static_cast<std::uint32_t>(number)) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

std::vector<std::uint8_t> encode_levels(std::span<const licensing::SeatLevel> levels) {
  std::vector<std::uint8_t> bytes;
  std::uint32_t before = 0;
  for (const licensing::SeatLevel& level : levels) {
    append(bytes, level.seats - before);
    append(bytes, level.seconds);
    before = level.seats;
  }
  return bytes;
}

std::optional<std::vector<licensing::SeatLevel>> decode_levels(std::span<const std::uint8_t> bytes) {
  std::vector<licensing::SeatLevel> levels;
  std::uint64_t seats = 0;
  while (!bytes.empty()) {
    const auto step = take(bytes);
    const auto seconds = take(bytes);
    if (!step || !seconds || *step == 0 || *seconds == 0 || seats + *step > kMostNumber) return std::nullopt;
    seats += *step;
    levels.push_back({static_cast<std::uint32_t>(seats), *seconds});
  }
  return levels;
}

}  // namespace lictor::store
