#include "store/whole_file.h"

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "store/store.h"

namespace lictor::store {
namespace {

// https://www.sqlite.org/fileformat2.html#the_database_header
constexpr std::string_view kMagic{"SQLite format 3\0", 16};
constexpr std::size_t kPageSizeAt = 16, kChangesAt = 24, kPagesAt = 28, kChangesOfPagesAt = 92, kHeadBytes = 100;

using Head = std::array<char, kHeadBytes>;

std::uint64_t big_endian(const Head& head, std::size_t at, std::size_t size) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < size; ++i) number = number << 8 | static_cast<unsigned char>(head[at + i]);
  return number;
}

}  // namespace

void check_file_is_whole(const std::string& path) {
  std::error_code error;
  const auto log = std::filesystem::file_size(path + "-wal", error);
  if (!error && log > 0) return;
  Head head{};
  std::ifstream file(path, std::ios::binary);
  if (!file.read(head.data(), kHeadBytes) || std::string_view(head.data(), kMagic.size()) != kMagic) return;
  const std::uint64_t page_size = big_endian(head, kPageSizeAt, 2);
  const std::uint64_t pages = big_endian(head, kPagesAt, 4);
  if (big_endian(head, kChangesAt, 4) != big_endian(head, kChangesOfPagesAt, 4)) return;  // the number is not kept up
  const std::uint64_t whole = pages * (page_size == 1 ? 65536 : page_size);
  const std::uint64_t size = std::filesystem::file_size(path, error);
  if (error || size >= whole) return;
  throw StoreError(StoreError::Kind::corrupt, "database " + path + ": damaged: it has " + std::to_string(size) +
                                                  " of " + std::to_string(whole) + " bytes, its end is missing");
}

}  // namespace lictor::store
