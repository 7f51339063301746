// Licenses as a statement gave them, found by what they were asked for: for engines that lock several at once.
#pragma once

#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "store/store.h"

namespace lictor::store {

template <class Record>  // LicenseRow or LicenseDetails
class LicenseIndex {
 public:
  const LicenseRow& add(Record record) {
    records_.push_back(std::move(record));
    const LicenseRow& license = license_of(records_.back());
    by_id_.emplace(license.id, records_.size() - 1);
    by_key_.emplace(license.key_digest, records_.size() - 1);
    return license;
  }

  std::vector<std::optional<Record>> of(std::span<const LicenseRef> refs) const {
    std::vector<std::optional<Record>> found;
    found.reserve(refs.size());
    for (const LicenseRef& ref : refs) {
      const auto& index = ref.by == LicenseRef::By::id ? by_id_ : by_key_;
      const auto it = index.find(ref.value);
      found.push_back(it == index.end() ? std::nullopt : std::optional(records_[it->second]));
    }
    return found;
  }

 private:
  static const LicenseRow& license_of(const LicenseRow& license) noexcept { return license; }
  static const LicenseRow& license_of(const LicenseDetails& details) noexcept { return details.license; }

  std::vector<Record> records_;
  std::unordered_map<base::Bytes16, std::size_t, base::Bytes16Hash> by_id_, by_key_;
};

}  // namespace lictor::store
