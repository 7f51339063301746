#include "bench/dataset.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <stdexcept>

#include "licensing/license_key.h"

namespace lictor::bench {
namespace {

constexpr const char* kDatasetFile = "/bench.dataset";
constexpr const char* kKeyFile = "/bench.key";

std::string hex(const base::Bytes16& bytes) { return fmt::format("{:016x}{:016x}", bytes.low64(), bytes.high64()); }

void write_private(const std::string& path, const std::string& text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const bool written = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (fd >= 0) ::close(fd);
  if (!written) throw std::runtime_error("can't write " + path);
}

}  // namespace

Dataset::Dataset(const crypto::Prf::Key& seed, std::uint64_t licenses, std::string api_key)
    : seed_(seed), prf_(seed), licenses_(licenses), api_key_(std::move(api_key)) {}

Dataset Dataset::make(std::uint64_t licenses, std::string api_key) {
  crypto::Prf::Key seed{};
  crypto::random_bytes(seed);
  return {seed, licenses, std::move(api_key)};
}

Dataset Dataset::load(const std::string& directory) {
  std::ifstream description(directory + kDatasetFile);
  std::ifstream key(directory + kKeyFile);
  crypto::Prf::Key seed{};
  std::uint64_t licenses = 0;
  std::string api_key;
  for (auto& byte : seed) {
    unsigned value = 0;
    description >> value;
    byte = static_cast<std::uint8_t>(value);
  }
  if (!(description >> licenses) || !(key >> api_key)) throw std::runtime_error(directory + " holds no dataset");
  return {seed, licenses, std::move(api_key)};
}

void Dataset::save(const std::string& directory) const {
  std::string text;
  for (const std::uint8_t byte : seed_) text += fmt::format("{} ", byte);
  text += fmt::format("{}\n", licenses_);
  write_private(directory + kDatasetFile, text);
  write_private(directory + kKeyFile, api_key_ + "\n");
}

base::Digest Dataset::derive(char what, std::uint64_t number) const { return prf_(fmt::format("{}{}", what, number)); }

base::Id Dataset::license_id(std::uint64_t number) const { return derive('i', number); }

std::string Dataset::license_key(std::uint64_t number) const {
  std::array<std::uint8_t, licensing::kLicenseKeyRandomSymbols> random{};
  const base::Digest first = derive('k', number), second = derive('l', number);
  for (std::size_t i = 0; i < random.size(); ++i) {
    random[i] = i < first.bytes.size() ? first.bytes[i] : second.bytes[i - first.bytes.size()];
  }
  return licensing::make_license_key(random);
}

Machine Dataset::machine(std::uint64_t number) const {
  return {fmt::format("client-{:08}", number), hex(derive('f', number)) + hex(derive('g', number))};
}

}  // namespace lictor::bench
