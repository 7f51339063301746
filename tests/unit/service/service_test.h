// The service layer over a real SQLite store in a directory of its own: products, policies and licenses to order, jobs
// that remember how they ended.
#pragma once

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "licensing/decide.h"
#include "service/batch.h"
#include "service/cache.h"
#include "service/catalog.h"
#include "service/job.h"
#include "service/write_path.h"
#include "store/store.h"
#include "store/temp_directory.h"

namespace lictor::service {

inline constexpr base::UnixSeconds kNow = 1'800'000'000;

struct Outcome {
  Job::End end = Job::End::unavailable;
  Answer answer;
  // The denial's code, "ok", or "unavailable".
  std::string text() const {
    if (end == Job::End::unavailable) return "unavailable";
    return answer.denial ? std::string(licensing::wire_name(answer.denial->code)) : "ok";
  }
};

struct TestJob final : LicenseJob {
  std::promise<Outcome> done;
  void finish(std::unique_ptr<Job> self, End end) noexcept override {
    std::promise<Outcome> promise = std::move(done);
    Outcome outcome{end, std::move(answer)};
    self.reset();
    promise.set_value(std::move(outcome));
  }
};

struct TestAdminJob final : AdminJob {
  std::promise<std::pair<End, std::optional<store::StoreError::Kind>>> done;
  void finish(std::unique_ptr<Job> self, End end) noexcept override {
    auto promise = std::move(done);
    const auto result = std::pair(end, error);
    self.reset();
    promise.set_value(result);
  }
};

inline store::LicenseRef ref_of(const base::Id& license) { return {store::LicenseRef::By::id, license}; }

inline std::unique_ptr<TestJob> make_job(const base::Id& license, std::string client_id,
                                         decltype(LicenseJob::command) command) {
  auto job = std::make_unique<TestJob>();
  job->ref = ref_of(license);
  job->client_id = std::move(client_id);
  job->command = std::move(command);
  job->actor = "key_test";
  job->request_id = "req_test";
  return job;
}
inline std::unique_ptr<TestJob> activate(const base::Id& license, std::string client_id) {
  return make_job(license, std::move(client_id), ActivateInput{std::nullopt, "", crypto::random_id()});
}
inline std::unique_ptr<TestJob> deactivate(const base::Id& license, std::string client_id) {
  return make_job(license, std::move(client_id), DeactivateInput{});
}
inline std::unique_ptr<TestJob> validate(const base::Id& license, std::string client_id) {
  const bool names_client = !client_id.empty();
  return make_job(license, std::move(client_id), ValidateInput{names_client, std::nullopt, "", {}});
}
inline std::unique_ptr<TestJob> change(const base::Id& license, licensing::StatusCommand command) {
  return make_job(license, "", StatusInput{command, "because"});
}
inline std::unique_ptr<TestJob> use(const base::Id& license, std::int64_t quantity, std::string key,
                                    std::uint8_t signature = 0) {
  UsageInput input{false, "calls", quantity, std::move(key), {}, {}};
  input.request.bytes[0] = static_cast<std::uint8_t>(quantity);
  input.signature.bytes[0] = signature;
  return make_job(license, "", std::move(input));
}

class ServiceTest : public testing::Test {
 protected:
  ServiceTest() : store_(store::open_sqlite(options())), cache_({1000, 1000}, catalog_, crypto::Prf::Key{5}) {
    store_->write([&](store::Tx& tx) {
      product_ = {0, crypto::random_id(), "product", "{}", kNow};
      product_.row = tx.insert_product(product_);
    });
    catalog_.add(product_);
  }

  store::Row add_policy(const std::string& terms) {
    store::Policy policy{0, crypto::random_id(), product_.row, "policy-" + std::to_string(++policies_), terms, kNow};
    store_->write([&](store::Tx& tx) { policy.row = tx.insert_policy(policy); });
    catalog_.add(policy);
    return policy.row;
  }

  // A license of a new policy with these terms.
  base::Id add_license(const std::string& terms, const std::string& overrides = "") {
    return add_license(add_policy(terms), overrides);
  }
  base::Id add_license(store::Row policy, const std::string& overrides = "") {
    store::NewLicense license;
    license.id = crypto::random_id();
    license.key_digest = crypto::random_id();
    license.key = "KEY-" + std::to_string(++licenses_);
    license.policy = policy;
    license.overrides = overrides;
    license.state =
        licensing::issue(catalog_.terms(policy, overrides)->terms, clock_.now(), std::nullopt, std::nullopt);
    store_->write([&](store::Tx& tx) { tx.insert_licenses(std::span(&license, 1)); });
    return license.id;
  }

  store::LicenseView read(const base::Id& license, std::optional<std::string_view> client_id = std::nullopt) {
    return store_->open_reader()->license(ref_of(license), client_id, clock_.now()).value();
  }
  std::vector<store::StoredEvent> events(const std::string& action = "") {
    store::EventFilter filter;
    filter.action = action;
    return store_->open_reader()->events(filter, 10'000).events;
  }

  store::SqliteOptions options() {
    store::SqliteOptions sqlite;
    sqlite.path = directory_.file("lictor.db");
    sqlite.on_commit = [this](double) { ++commits_; };
    return sqlite;
  }

  test::TempDirectory directory_;
  std::atomic<int> commits_{0};
  base::ManualClock clock_{kNow};
  std::unique_ptr<store::Store> store_;
  Catalog catalog_;
  Cache cache_;
  store::Product product_;
  int policies_ = 0, licenses_ = 0;
};

}  // namespace lictor::service
