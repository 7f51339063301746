// What every engine must do, written against store.h alone. An engine joins with one INSTANTIATE_TEST_SUITE_P for
// StoreConformance and one for StoreRace.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <mutex>
#include <ostream>
#include <string>
#include <vector>

#include "store/store.h"

namespace lictor::test {

inline constexpr store::UnixSeconds kNow = 1'800'000'000;

// One database, removed when it goes.
class Database {
 public:
  virtual ~Database() = default;
  virtual std::unique_ptr<store::Store> open() = 0;  // again after the store before was destroyed
  // Of a database that several processes may have open at once; empty: of one that belongs to a single process.
  virtual std::string url_for_others() const { return {}; }
};

struct Engine {
  std::string name;
  std::function<std::unique_ptr<Database>()> make;
};
inline void PrintTo(const Engine& engine, std::ostream* out) { *out << engine.name; }
inline std::string engine_name(const testing::TestParamInfo<Engine>& info) { return info.param.name; }

// Ids that tests can name: `kind` keeps those of different records apart.
store::Id id_of(char kind, std::uint64_t number);
// `client`: whose activation is asked for next.
store::LicenseRef by_id(std::uint64_t number, std::string_view client = {});
store::LicenseRef by_key(std::uint64_t number, std::string_view client = {});
store::NewLicense new_license(std::uint64_t number, store::Row policy);
store::ActivationUpdate held_seat(store::Row license, const std::string& client_id,
                                  store::UnixSeconds lease_expires_at = licensing::kNever);
store::Event event(const std::string& action, const std::string& subject = "lic_1");

class StoreTest : public testing::TestWithParam<Engine> {
 protected:
  StoreTest();
  void reopen();

  // A policy of a product of its own, and licenses 1 … count of it.
  store::Row make_policy(const std::string& name);
  void make_licenses(std::uint64_t count);
  void apply(const store::Changes& changes);
  void give_seat(std::uint64_t license, const std::string& client_id,
                 store::UnixSeconds lease_expires_at = licensing::kNever);
  store::LicenseRow row_of(std::uint64_t license);
  // Through one reader, page by page; nothing when the chain is whole.
  std::string chain_fault();

  std::unique_ptr<Database> database_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<store::Reader> reader_;
  store::Row policy_ = 0;
};

class StoreConformance : public StoreTest {};
class LicenseOrders : public StoreTest {  // search_test.cpp
 protected:
  void SetUp() override;
  store::Row other_ = 0;  // another policy
};
class StoreRace : public StoreTest {};  // also run under the thread sanitizer

}  // namespace lictor::test
