// The store on SQLite: durable activations in batches, and single reads. The files go into a directory made in the
// current one, which must be on a real disk for the figures to mean something.
//
//   bench_store --benchmark_counters_tabular=true
#include <benchmark/benchmark.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "crypto/crypto.h"
#include "licensing/license.h"
#include "store/store.h"

namespace {

using namespace lictor;

constexpr store::UnixSeconds kNow = 1'800'000'000;
constexpr std::size_t kSpread = 100'000;  // licenses

// A database with `count` licenses, removed when it goes.
class Fixture {
 public:
  explicit Fixture(std::size_t count) {
    crypto::initialize();
    std::string name = "bench_store.XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("can't make a directory here");
    directory_ = name;
    store_ = store::open_sqlite({.path = name + "/lictor.db", .checkpoint_pages = 10'000, .on_commit = {}});
    fill(count);
  }
  ~Fixture() {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  store::Store& store() { return *store_; }
  const std::vector<store::Id>& ids() const { return ids_; }
  double licenses_per_second() const { return licenses_per_second_; }

 private:
  void fill(std::size_t count) {
    store::Row policy = 0;
    store_->write([&](store::Tx& tx) {
      const store::Row product = tx.insert_product({.id = crypto::random_id(), .name = "p", .settings = "{}"});
      policy = tx.insert_policy({.id = crypto::random_id(), .product = product, .name = "q", .terms = "{}"});
    });
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t done = 0; done < count;) {
      std::vector<store::NewLicense> batch(std::min<std::size_t>(10'000, count - done));
      for (store::NewLicense& license : batch) {
        license.id = crypto::random_id();
        license.key_digest = crypto::random_id();
        license.key = "ABCDEFGH-1234-5678-9ABC-0123456789AB";
        license.policy = policy;
        license.holder = "holder " + std::to_string(done % 1'000);
        license.state.issued_at = kNow;
        ids_.push_back(license.id);
        ++done;
      }
      store_->write([&](store::Tx& tx) { tx.insert_licenses(batch); });
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    licenses_per_second_ = static_cast<double>(count) / took.count();
  }

  std::filesystem::path directory_;
  std::unique_ptr<store::Store> store_;
  std::vector<store::Id> ids_;
  double licenses_per_second_ = 0;
};

enum class Load : std::int64_t { spread = 0, spread_leases = 1, hot = 2 };

// One batch as the write path does it: lock, read the seats, change, append one event for each.
void activate(store::Store& store, const std::vector<store::LicenseRef>& refs, std::int64_t& client, bool leases) {
  store.write([&](store::Tx& tx) {
    auto licenses = tx.lock(refs);
    std::vector<std::string> names;
    std::vector<store::SeatQuery> queries;
    names.reserve(refs.size());
    for (const auto& license : licenses) {
      names.push_back("client-" + std::to_string(client++));
      queries.push_back({license->row, names.back()});
    }
    const auto seats = tx.activations(queries);
    benchmark::DoNotOptimize(seats.data());
    store::Changes changes;
    store::LicenseRow* first = &*licenses.front();
    for (std::size_t i = 0; i < refs.size(); ++i) {
      const bool same = i > 0 && licenses[i]->row == first->row;
      if (!same) changes.licenses.push_back({licenses[i]->row, licenses[i]->state});
      ++changes.licenses.back().state.seats_held;
      store::ActivationUpdate update{
          .license = licenses[i]->row, .client_id = names[i], .state = {}, .last_seen_at = kNow};
      update.state.client = crypto::random_id();
      update.state.held = true;
      update.state.activated_at = kNow;
      if (leases) update.state.lease_expires_at = kNow + 3'600;
      update.state.version = "1.2.3";
      update.state.fingerprint.kind = licensing::Fingerprint::Kind::opaque;
      update.state.fingerprint.tags[0] = update.state.client;
      changes.activations.push_back(std::move(update));
      changes.events.push_back({.at = kNow,
                                .actor = "key_01hzy3v7k3n8q4r5s6t7v8w9xa",
                                .action = "seat.granted",
                                .subject = base::format_id(base::kLicensePrefix, licenses[i]->id),
                                .client = names[i],
                                .code = {},
                                .request_id = "req_01hzy3v7k3n8q4r5s6t7v8w9xa",
                                .detail = {}});
    }
    tx.apply(changes);
  });
}

void apply(benchmark::State& state) {
  static Fixture fixture(kSpread);
  static std::int64_t client = 0;
  std::mt19937_64 random(1);
  const auto load = static_cast<Load>(state.range(0));
  const auto batch = static_cast<std::size_t>(state.range(1));
  double slowest = 0;
  std::vector<store::LicenseRef> refs(batch);
  for (auto _ : state) {
    for (store::LicenseRef& ref : refs) {
      const std::size_t index = load == Load::hot ? 0 : random() % fixture.ids().size();
      ref = {store::LicenseRef::By::id, fixture.ids()[index]};
    }
    const auto start = std::chrono::steady_clock::now();
    activate(fixture.store(), refs, client, load != Load::spread);
    slowest = std::max(slowest, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(batch));
  state.counters["slowest_ms"] = slowest * 1'000;
  state.SetLabel(load == Load::hot ? "hot, leases" : load == Load::spread ? "spread, node-locked" : "spread, leases");
}
BENCHMARK(apply)->ArgsProduct({{0, 1, 2}, {1, 16, 64, 256}})->MinTime(3)->UseRealTime();

void read_license(benchmark::State& state) {
  static Fixture fixture(1'000'000);
  const auto reader = fixture.store().open_reader();
  std::mt19937_64 random(1);
  for (auto _ : state) {
    const store::LicenseRef ref{store::LicenseRef::By::id, fixture.ids()[random() % fixture.ids().size()]};
    benchmark::DoNotOptimize(reader->license(ref, "client-1", kNow));
  }
  state.SetItemsProcessed(state.iterations());
  state.counters["inserted_per_second"] = fixture.licenses_per_second();
}
BENCHMARK(read_license)->MinTime(2)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
