// The whole API over a real SQLite store, without a network: requests go through api::dispatch.
#pragma once

#include <gtest/gtest.h>
#include <future>

#include <atomic>
#include <boost/json.hpp>
#include <memory>
#include <string>
#include <vector>

#include "api/app.h"
#include "api/routes.h"
#include "store/temp_directory.h"
#include "support/fake_exchange.h"

namespace lictor::test {

namespace json = boost::json;
inline constexpr base::UnixSeconds kNow = 1'800'000'000;

// A store whose writes or reads fail on demand.
class FaultyStore final : public store::Store {
 public:
  explicit FaultyStore(std::unique_ptr<store::Store> real) : real_(std::move(real)) {}
  void write(const std::function<void(store::Tx&)>& work) override {
    if (fail_writes) throw store::StoreError(store::StoreError::Kind::disk_full, "disk full");
    real_->write(work);
  }
  std::unique_ptr<store::Reader> open_reader() override;
  std::array<std::uint8_t, 16> digest_key() const override { return real_->digest_key(); }
  std::string describe() const override { return real_->describe(); }

  std::atomic<bool> fail_writes{false}, fail_reads{false};

 private:
  std::unique_ptr<store::Store> real_;
};

struct Answer : FakeAnswer {
  json::object object;       // the body, when it is JSON
  std::string code() const;  // of an error; "" for a success
  const json::object& data() const { return object.at("data").as_object(); }
  const json::object& details() const { return object.at("error").at("details").as_object(); }
  std::int64_t number(std::string_view name) const { return data().at(name).as_int64(); }
  std::int64_t lease_end() const { return data().at("client").at("lease_expires_at").as_int64(); }
  std::string text(std::string_view name) const { return std::string(data().at(name).as_string()); }
};

class ApiTest : public testing::Test {
 public:
  ~ApiTest() override;

 protected:
  explicit ApiTest(std::size_t queue_max = 8192);

  // `key` empty: no X-API-Key. A body is sent as application/json.
  Answer call(const std::string& method, const std::string& target, const std::string& body = "",
              const std::string& key = "", Headers headers = {});
  static FakeRequest request(const std::string& method, const std::string& target, const std::string& body,
                             const std::string& key, Headers headers = {});
  static Answer parse(FakeAnswer answer);
  Answer post(const std::string& path, const std::string& body) {
    return call("POST", "/api/v1" + path, body, client_key_);
  }
  Answer post(const std::string& path, const json::object& body) { return post(path, json::serialize(body)); }
  Answer get(const std::string& path) { return call("GET", "/api/v1" + path, "", client_key_); }
  Answer admin(const std::string& method, const std::string& path, const std::string& body = "") {
    return call(method, "/api/v1/admin" + path, body, admin_key_);
  }

  std::string add_key(const std::string& scopes, const std::string& more = "");  // the key's text
  void add_product(const std::string& name, const std::string& settings = "");   // members, without braces
  struct License {
    std::string id, key;
  };
  License add_license(const std::string& terms, const std::string& product = "demo", const std::string& more = "");
  json::object activation(const License& license, const std::string& client_id = "c") const;
  Answer activate(const License& license, const std::string& client_id = "c") {
    return post("/licenses/activate", activation(license, client_id));
  }
  Answer validate(const License& license, const std::string& client_id = "c", const std::string& more = "");
  // Keeps the write path busy until the gate opens, so that what is submitted meanwhile waits in the queue.
  void hold();
  // The body with a guide signature by that API key.
  static std::string sign(json::object body, const std::string& key);

  TempDirectory directory_;
  base::ManualClock clock_{kNow};
  base::Logger log_;
  base::Metrics metrics_;
  std::atomic<int> commits_{0};
  FaultyStore store_;
  service::Catalog catalog_;
  service::Cache cache_;
  auth::ApiKeys api_keys_;
  service::WritePath writes_;
  service::ReadPool reads_;
  service::Statistics statistics_;
  api::ScrapedTotals totals_;
  bool stopping_ = false;
  api::App app_;
  FakeServer server_;
  std::string admin_key_, client_key_;
  int policies_ = 0;
  std::promise<void> entered_, gate_;
};

}  // namespace lictor::test
