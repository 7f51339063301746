#include "service/compact_index.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <unordered_map>
#include <vector>

namespace lictor::service {
namespace {

// Keys live outside, as in the cache's slabs.
struct Model {
  TableMemory memory{1};
  CompactIndex index{memory, 0};
  std::unordered_map<std::uint32_t, std::uint64_t> hash_of_slot;

  std::uint32_t find(std::uint64_t hash) const {
    return index.find(hash, [&](std::uint32_t slot) { return hash_of_slot.at(slot) == hash; });
  }
  void insert(std::uint64_t hash, std::uint32_t slot) {
    index.insert(hash, slot);
    hash_of_slot[slot] = hash;
  }
  void erase(std::uint32_t slot) {
    index.erase(hash_of_slot.at(slot), slot);
    hash_of_slot.erase(slot);
  }
};

// Inserts, finds and erases at random; `mask` decides how many distinct tags there are, `base` where their homes lie.
void run_random(std::uint64_t base, std::uint64_t mask, std::size_t most, int steps) {
  std::mt19937_64 random(base ^ mask);
  Model model;
  std::vector<std::uint32_t> slots;
  std::uint32_t next_slot = 0;
  for (int step = 0; step < steps; ++step) {
    const bool grow = slots.empty() || (slots.size() < most && random() % 100 < 55);
    if (grow) {
      const std::uint64_t hash = base | ((random() & mask) << 32) | next_slot;  // the low half keeps keys apart
      model.insert(hash, next_slot);
      slots.push_back(next_slot++);
    } else {
      const std::size_t at = random() % slots.size();
      const std::uint64_t hash = model.hash_of_slot.at(slots[at]);
      ASSERT_EQ(model.find(hash), slots[at]);
      model.erase(slots[at]);
      ASSERT_EQ(model.find(hash), CompactIndex::kNone);
      slots[at] = slots.back();
      slots.pop_back();
    }
    ASSERT_EQ(model.index.size(), slots.size());
    if (step % 64 == 0) {
      for (const auto& [slot, hash] : model.hash_of_slot) ASSERT_EQ(model.find(hash), slot) << step;
    }
  }
}

TEST(CompactIndex, AgainstAMap) { run_random(0, 0xFFFFFFFF, 5000, 30'000); }
TEST(CompactIndex, ManyKeysWithOneTag) { run_random(0, 0x3, 200, 20'000); }
TEST(CompactIndex, HomesAtTheEndWrapAround) {
  run_random(0xFFFFFFFF00000000ULL, 0x0, 40, 20'000);          // all of them at the very last place
  run_random(0xFF00000000000000ULL, 0x00FFFFFF, 200, 20'000);  // in the last part
}

TEST(CompactIndex, Empty) {
  TableMemory memory{1};
  CompactIndex index{memory, 0};
  EXPECT_EQ(index.find(1, [](std::uint32_t) { return true; }), CompactIndex::kNone);
  EXPECT_EQ(index.size(), 0U);
  EXPECT_EQ(index.bytes(), 0U);
  index.prefetch(1);
}

// Shards' tables lie side by side; one may be generations ahead of another.
TEST(CompactIndex, TablesThatShareMemory) {
  constexpr std::uint32_t kTables = 5, kMost = 60'000;
  std::mt19937_64 random(7);
  TableMemory memory{kTables};
  std::vector<std::unique_ptr<CompactIndex>> indexes;
  std::vector<std::uint64_t> hashes(kMost);
  for (auto& hash : hashes) hash = random();
  for (std::uint32_t table = 0; table < kTables; ++table) {
    indexes.push_back(std::make_unique<CompactIndex>(memory, table));
    const std::uint32_t count = kMost / (table + 1);
    for (std::uint32_t slot = 0; slot < count; ++slot) indexes[table]->insert(hashes[slot], slot * kTables + table);
  }
  for (std::uint32_t table = 0; table < kTables; ++table) {
    const std::uint32_t count = kMost / (table + 1);
    ASSERT_EQ(indexes[table]->size(), count);
    for (std::uint32_t slot = 0; slot < kMost; ++slot) {
      const std::uint32_t wanted = slot * kTables + table;
      const std::uint32_t found = indexes[table]->find(hashes[slot], [&](std::uint32_t is) { return is == wanted; });
      ASSERT_EQ(found, slot < count ? wanted : CompactIndex::kNone) << table;
    }
  }
}

TEST(CompactIndex, CostsAFewBytesForEachEntry) {
  std::mt19937_64 random(1);
  TableMemory memory{1};
  CompactIndex index{memory, 0};
  for (std::uint32_t slot = 0; slot < 100'000; ++slot) index.insert(random(), slot);
  EXPECT_LE(index.bytes(), 100'000 * 8 * 8 / 7 * 3 / 2 + 64);
}

}  // namespace
}  // namespace lictor::service
