#include "service/catalog_sync.h"

#include <utility>

namespace lictor::service {

CatalogSync::CatalogSync(store::Store& store, Catalog& catalog, Cache& cache,
                         std::function<void(store::Reader&)> load_api_keys)
    : reader_(store.open_reader()), catalog_(catalog), cache_(cache), load_api_keys_(std::move(load_api_keys)) {}

void CatalogSync::run() {
  std::int64_t version = 0;
  std::vector<store::Product> products;
  std::vector<store::Policy> policies;
  const auto read = [&] {
    version = reader_->catalog_version();
    products = reader_->products();
    policies = reader_->policies();
    load_api_keys_(*reader_);
  };
  try {
    reader_->at_one_moment(read);
  } catch (const store::StoreError& error) {
    if (error.kind() != store::StoreError::Kind::connection_lost) throw;
    reader_->at_one_moment(read);  // it may have been lost since it was last used, which is seldom
  }
  const TermsReplacements replacements = catalog_.become(std::move(products), std::move(policies));
  if (!replacements.empty()) {
    cache_.begin_publish();
    cache_.replace_terms(replacements);
  }
  note(version);
}

}  // namespace lictor::service
