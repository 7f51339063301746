#include "service/catalog.h"

#include <algorithm>
#include <stdexcept>

#include "base/encoding.h"

namespace lictor::service {

bool StripedReferences::none() const noexcept {
  std::uint64_t given_back = 0, taken = 0;
  for (const Stripe& stripe : stripes_) given_back += stripe.given_back.load(std::memory_order_acquire);
  for (const Stripe& stripe : stripes_) taken += stripe.taken.load(std::memory_order_relaxed);
  return taken == given_back;
}

void TermsHandle::release() noexcept {
  if (entry_ == nullptr) return;
  if (entry_->shared) return entry_->shared->drop();
  // The last reference is given up under the catalog's lock, so that terms() can't hand out an entry about to go.
  std::uint32_t count = entry_->references.load(std::memory_order_relaxed);
  while (count > 1) {
    if (entry_->references.compare_exchange_weak(count, count - 1, std::memory_order_acq_rel)) return;
  }
  catalog_->release_last(entry_);
}

void Catalog::release_last(TermsEntry* entry) noexcept {
  const std::lock_guard lock(mutex_);
  if (entry->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  slot(entry->index).store(nullptr, std::memory_order_relaxed);
  free_indexes_.push_back(entry->index);
  entry->retired ? retired_.erase(entry) : entries_.erase(Key(entry->policy->stored.row, entry->overrides));
}

void Catalog::load(store::Reader& reader) {
  for (auto& product : reader.products()) add(std::move(product));
  for (auto& policy : reader.policies()) add(std::move(policy));
}

std::shared_ptr<const Product> Catalog::add(store::Product product) {
  ProductSettings settings = parse_stored_settings(product.settings);
  const std::lock_guard lock(mutex_);
  products_.push_back(std::make_shared<const Product>(Product{std::move(product), std::move(settings)}));
  return products_.back();
}

std::shared_ptr<const Policy> Catalog::add(store::Policy policy) {
  auto owner = product(policy.product);
  if (!owner) throw std::runtime_error("policy '" + policy.name + "' belongs to no product");
  const std::lock_guard lock(mutex_);
  policies_.push_back(std::make_shared<const Policy>(Policy{std::move(policy), std::move(owner)}));
  return policies_.back();
}

std::shared_ptr<const Product> Catalog::product(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto it = std::ranges::find(products_, name, [](const auto& p) -> std::string_view { return p->stored.name; });
  return it == products_.end() ? nullptr : *it;
}

std::shared_ptr<const Product> Catalog::product(store::Row row) const {
  const std::lock_guard lock(mutex_);
  const auto it = std::ranges::find(products_, row, [](const auto& p) { return p->stored.row; });
  return it == products_.end() ? nullptr : *it;
}

std::shared_ptr<const Policy> Catalog::policy(store::Row product, std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto it = std::ranges::find_if(
      policies_, [&](const auto& p) { return p->stored.product == product && p->stored.name == name; });
  return it == policies_.end() ? nullptr : *it;
}

std::shared_ptr<const Policy> Catalog::policy(const base::Id& id) const {
  const std::lock_guard lock(mutex_);
  const auto it = std::ranges::find(policies_, id, [](const auto& p) { return p->stored.id; });
  return it == policies_.end() ? nullptr : *it;
}

std::vector<std::shared_ptr<const Product>> Catalog::products() const {
  const std::lock_guard lock(mutex_);
  auto sorted = products_;
  std::ranges::sort(sorted, {}, [](const auto& p) -> std::string_view { return p->stored.name; });
  return sorted;
}

std::vector<std::shared_ptr<const Policy>> Catalog::policies() const {
  const std::lock_guard lock(mutex_);
  auto sorted = policies_;
  std::ranges::sort(sorted, {}, [](const auto& p) { return std::pair(p->product->stored.name, p->stored.name); });
  return sorted;
}

std::unique_ptr<TermsEntry> Catalog::build(store::Row policy, std::string_view overrides) const {
  const auto it = std::ranges::find(policies_, policy, [](const auto& p) { return p->stored.row; });
  if (it == policies_.end())
    throw std::runtime_error("a license names policy row " + std::to_string(policy) + ", which is not there");
  auto entry = std::make_unique<TermsEntry>();
  entry->policy = *it;
  entry->product = (*it)->product;
  entry->overrides = overrides;
  if (overrides.empty()) entry->shared = std::make_unique<StripedReferences>();
  entry->terms.releases = {entry->product, &entry->product->settings.releases};
  apply_stored_terms(entry->policy->stored.terms, entry->terms);
  apply_stored_terms(overrides, entry->terms);
  // Features that expire make the fragment true for a while only: it is kept when none does.
  for (const auto& feature : entry->terms.features)
    entry->fragment_until = std::min(entry->fragment_until, feature.expires_at);
  entry->fragment = "\"type\":";
  base::append_json_string(entry->fragment, name_of(entry->terms.type));
  entry->fragment += ',';
  append_features(entry->fragment, entry->terms, 0);
  return entry;
}

TermsHandle Catalog::terms(store::Row policy, std::string_view overrides) {
  const std::lock_guard lock(mutex_);
  Key key(policy, overrides);
  const auto found = entries_.find(key);
  if (found != entries_.end()) return {this, found->second.get()};
  TermsEntry* const entry = enter(build(policy, overrides));
  return {this, entry};
}

// Gives it an index and a place among the entries.
TermsEntry* Catalog::enter(std::unique_ptr<TermsEntry> entry) {
  if (free_indexes_.empty()) {
    if (next_index_ == kChunk * kMaxChunks) throw std::runtime_error("too many distinct license terms in memory");
    auto& chunk = chunks_[next_index_ / kChunk];
    if (!chunk) chunk = std::make_unique<Chunk>();
    entry->index = next_index_++;
  } else {
    entry->index = free_indexes_.back();
    free_indexes_.pop_back();
  }
  TermsEntry* const entered = entry.get();
  slot(entered->index).store(entered, std::memory_order_release);
  entries_.insert_or_assign(Key(entered->policy->stored.row, entered->overrides), std::move(entry));
  return entered;
}

void Catalog::retire(std::unique_ptr<TermsEntry> entry) {
  entry->retired = true;
  const TermsEntry* const key = entry.get();
  retired_.emplace(key, std::move(entry));
}

// Shared terms that nobody refers to any more. Whoever gives the last reference back does not look, so that this is
// called at the next change: no more than those of one change lie here idle.
void Catalog::free_retired() noexcept {
  std::erase_if(retired_, [this](const auto& item) {
    const TermsEntry& entry = *item.second;
    if (!entry.shared || !entry.shared->none()) return false;
    slot(entry.index).store(nullptr, std::memory_order_relaxed);
    free_indexes_.push_back(entry.index);
    return true;
  });
}

TermsReplacements Catalog::rebuild(const std::vector<store::Row>& policies) {
  free_retired();
  std::vector<Key> keys;
  for (const auto& [key, entry] : entries_) {
    if (std::ranges::find(policies, key.first) != policies.end()) keys.push_back(key);
  }
  TermsReplacements replacements;
  for (const Key& key : keys) {
    std::unique_ptr<TermsEntry>& held = entries_.at(key);
    auto fresh = build(key.first, key.second);
    TermsEntry* const old = held.get();
    retire(std::move(held));
    replacements.emplace(old->index, TermsHandle(this, enter(std::move(fresh))));
  }
  return replacements;
}

TermsReplacements Catalog::replace(store::Policy policy) {
  const std::lock_guard lock(mutex_);
  const auto it = std::ranges::find(policies_, policy.row, [](const auto& p) { return p->stored.row; });
  const store::Row row = policy.row;
  *it = std::make_shared<const Policy>(Policy{std::move(policy), (*it)->product});
  return rebuild({row});
}

TermsReplacements Catalog::replace(store::Product product) {
  ProductSettings settings = parse_stored_settings(product.settings);
  const std::lock_guard lock(mutex_);
  const auto it = std::ranges::find(products_, product.row, [](const auto& p) { return p->stored.row; });
  *it = std::make_shared<const Product>(Product{std::move(product), std::move(settings)});
  std::vector<store::Row> rows;
  for (auto& policy : policies_) {
    if (policy->stored.product != (*it)->stored.row) continue;
    policy = std::make_shared<const Policy>(Policy{policy->stored, *it});
    rows.push_back(policy->stored.row);
  }
  return rebuild(rows);
}

namespace {

// What replaces one of `all` takes its place there.
void add_replacements(TermsReplacements& all, TermsReplacements&& next) {
  for (auto& [from, to] : all) {
    const auto found = next.find(to->index);
    if (found != next.end()) to = found->second;
  }
  all.merge(next);
}

template <class Stored>
bool lists(const std::vector<Stored>& all, store::Row row) {
  return std::ranges::find(all, row, &Stored::row) != all.end();
}

}  // namespace

TermsReplacements Catalog::become(std::vector<store::Product> products, std::vector<store::Policy> policies) {
  TermsReplacements all;
  for (const auto& mine : this->policies()) {
    if (!lists(policies, mine->stored.row)) remove_policy(mine->stored.row);
  }
  for (const auto& mine : this->products()) {
    if (!lists(products, mine->stored.row)) remove_product(mine->stored.row);
  }
  for (store::Product& stored : products) {
    const auto mine = product(stored.row);
    if (!mine) {
      add(std::move(stored));
    } else if (mine->stored.settings != stored.settings) {
      add_replacements(all, replace(std::move(stored)));
    }
  }
  for (store::Policy& stored : policies) {
    const auto mine = policy(stored.id);
    if (!mine) {
      add(std::move(stored));
    } else if (mine->stored.terms != stored.terms) {
      add_replacements(all, replace(std::move(stored)));
    }
  }
  return all;
}

void Catalog::remove_product(store::Row row) {
  const std::lock_guard lock(mutex_);
  std::erase_if(products_, [row](const auto& product) { return product->stored.row == row; });
}

void Catalog::remove_policy(store::Row row) {
  const std::lock_guard lock(mutex_);
  free_retired();
  std::erase_if(policies_, [row](const auto& policy) { return policy->stored.row == row; });
  for (auto it = entries_.begin(); it != entries_.end();) {
    if (it->first.first != row) {
      ++it;
      continue;
    }
    retire(std::move(it->second));
    it = entries_.erase(it);
  }
}

TermsHandle Catalog::at(std::uint32_t index) noexcept { return {this, slot(index).load(std::memory_order_acquire)}; }

std::uint32_t Catalog::detach(TermsHandle handle) noexcept { return std::exchange(handle.entry_, nullptr)->index; }

void Catalog::drop(std::uint32_t index) noexcept {
  TermsHandle handle;
  handle.catalog_ = this;
  handle.entry_ = slot(index).load(std::memory_order_acquire);
}

std::size_t Catalog::terms_count() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

std::size_t Catalog::retired_count() const {
  const std::lock_guard lock(mutex_);
  return retired_.size();
}

}  // namespace lictor::service
