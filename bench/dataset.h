// What a benchmark's database holds, so that requests can be made without reading it: everything about license number
// n follows from the seed, which lies with the API key beside the database.
#pragma once

#include <cstdint>
#include <string>

#include "base/id.h"
#include "crypto/crypto.h"

namespace lictor::bench {

struct Machine {
  std::string client_id;
  std::string fingerprint;  // 64 hex digits
};

class Dataset {
 public:
  Dataset(const crypto::Prf::Key& seed, std::uint64_t licenses, std::string api_key);
  static Dataset make(std::uint64_t licenses, std::string api_key);
  static Dataset load(const std::string& directory);  // throws std::runtime_error
  void save(const std::string& directory) const;      // bench.dataset and, mode 0600, bench.key

  std::uint64_t licenses() const noexcept { return licenses_; }
  const std::string& api_key() const noexcept { return api_key_; }
  base::Id license_id(std::uint64_t number) const;
  std::string license_key(std::uint64_t number) const;
  Machine machine(std::uint64_t number) const;  // the client that license `number` is seeded with

 private:
  base::Digest derive(char what, std::uint64_t number) const;

  crypto::Prf::Key seed_;
  crypto::Prf prf_;
  std::uint64_t licenses_;
  std::string api_key_;
};

}  // namespace lictor::bench
