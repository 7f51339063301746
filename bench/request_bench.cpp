// The server's own part of a validation: from the bytes of a request to the bytes of its answer, without sockets.
// Everything is in memory before the clock starts. Prints nanoseconds a request for each round, and their median.
//
//   bench_request --data DIR --requests FILE --rounds 9
//
// DIR and FILE are made by bench_seed (`fill --clients`, `requests --clients`).
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <vector>

#include "api/routes.h"
#include "bench/dataset.h"
#include "bench/request_file.h"
#include "http/session.h"

namespace lictor::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr std::size_t kSessions = 64;

struct Options {
  std::string data, requests;
  unsigned rounds = 9;
  std::size_t per_round = 200'000;
};

crypto::Prf::Key random_key() {
  crypto::Prf::Key key{};
  crypto::random_bytes(key);
  return key;
}

base::LogOptions log_options(const std::string& data) {
  base::LogOptions options;
  options.file = data + "/bench-request.log";
  options.max_bytes = 10'000'000;
  options.files = 2;
  return options;
}

// Enough that the fullest shard of the cache holds its share.
std::size_t capacity_for(std::uint64_t licenses) { return licenses * 5 / 4 + 100'000; }

// What the daemon builds, but for the sockets.
class Server {
 public:
  explicit Server(const std::string& data, std::uint64_t licenses)
      : log_(log_options(data)),
        metrics_(api::route_labels(), api::failure_reasons(), 1),
        store_(store::open_sqlite({.path = data + "/lictor.db", .checkpoint_pages = 10'000, .on_commit = {}})),
        process_key_(random_key()),
        cache_({capacity_for(licenses), capacity_for(licenses)}, catalog_, process_key_),
        api_keys_(1, process_key_),
        writes_(*store_, catalog_, cache_, clock_, {}),
        reads_(*store_, {}),
        statistics_(*store_, writes_, clock_, 1, {}, {}),
        app_{clock_,
             log_,
             metrics_,
             api_keys_,
             catalog_,
             cache_,
             writes_,
             reads_,
             statistics_,
             totals_,
             crypto::Prf(store_->digest_key()),
             api::FingerprintReader(store_->digest_key()),
             clock_.now(),
             store_->describe(),
             [] { return http::ConnectionCounts{}; },
             [] { return false; },
             [] { return std::uint64_t{0}; }},
        context_{http_options_,      limits_, hooks_,          {}, 0, mailbox_, http::DateLine(clock_.now()),
                 SteadyClock::now(), {},      protocol_errors_} {
    const auto reader = store_->open_reader();
    catalog_.load(*reader);
    api_keys_.load(*reader);
    for (std::size_t i = 0; i < kSessions; ++i) sessions_.push_back(std::make_unique<http::Session>(context_));
  }

  // As if each license had been validated once by its client.
  void warm(const Dataset& dataset) {
    const auto reader = store_->open_reader();
    for (std::uint64_t number = 0; number < dataset.licenses(); ++number) {
      const store::LicenseRef ref{store::LicenseRef::By::key_digest, app_.key_digest(dataset.license_key(number))};
      const std::string client_id = dataset.machine(number).client_id;
      const std::string_view client = client_id;
      const std::uint64_t ticket = cache_.fill_ticket();
      const auto view = reader->license(ref, client, clock_.now());
      if (!view) throw std::runtime_error("a license of the dataset is not in the database");
      cache_.fill(*view, catalog_.terms(view->license.policy, view->license.overrides), true, &client, ticket);
    }
  }

  // As a connection gets a request and gives an answer; throws unless that is 200.
  void answer(std::size_t session_number, std::string_view request) {
    http::Session& session = *sessions_[session_number];
    const std::span<char> space = session.input_space();
    if (space.size() < request.size()) throw std::runtime_error("a request is too long");
    std::ranges::copy(request, space.begin());
    session.receive(request.size());
    if (!context_.output.view().starts_with("HTTP/1.1 200")) {
      throw std::runtime_error("not answered with 200 from memory: " + std::string(context_.output.view()));
    }
    context_.output.clear();
  }

 private:
  base::SystemClock clock_;
  base::Logger log_;
  base::Metrics metrics_;
  const std::unique_ptr<store::Store> store_;
  const crypto::Prf::Key process_key_;
  service::Catalog catalog_;
  service::Cache cache_;
  auth::ApiKeys api_keys_;
  service::WritePath writes_;
  service::ReadPool reads_;
  service::Statistics statistics_;
  api::ScrapedTotals totals_;
  api::App app_;
  const http::ServerOptions http_options_;
  const http::LiveLimits limits_{http_options_};
  const http::ServerHooks hooks_{[this](http::Exchange& exchange) { api::dispatch(app_, exchange); }, {}, {}};
  const std::shared_ptr<http::Mailbox> mailbox_ = std::make_shared<http::Mailbox>();
  std::atomic<std::uint64_t> protocol_errors_{0};
  http::SessionContext context_;
  std::vector<std::unique_ptr<http::Session>> sessions_;
};

void run(const Options& options) {
  crypto::initialize();
  const Dataset dataset = Dataset::load(options.data);
  Server server(options.data, dataset.licenses());
  server.warm(dataset);
  const RequestFile requests(options.requests);
  std::size_t next = 0;
  const auto turn = [&] {
    const auto start = SteadyClock::now();
    for (std::size_t i = 0; i < options.per_round; ++i) {
      server.answer(i % kSessions, requests[next]);
      next = next + 1 == requests.size() ? 0 : next + 1;
    }
    return std::chrono::duration<double, std::nano>(SteadyClock::now() - start).count() /
           static_cast<double>(options.per_round);
  };
  turn();
  std::vector<double> rounds(options.rounds);
  std::ranges::generate(rounds, turn);
  fmt::print(
      "{:.0f} ns a request; rounds: {:.0f}\n",
      [&] {
        std::vector<double> sorted = rounds;
        std::ranges::sort(sorted);
        return sorted[sorted.size() / 2];
      }(),
      fmt::join(rounds, " "));
}

int main(int argc, char** argv) {
  CLI::App app("A validation without sockets");
  Options options;
  app.add_option("--data", options.data, "directory of the database")->required();
  app.add_option("--requests", options.requests, "prepared requests, not older than 300 s")->required();
  app.add_option("--rounds", options.rounds, "rounds")->check(CLI::PositiveNumber);
  app.add_option("--per-round", options.per_round, "requests in a round")->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  try {
    run(options);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_request: {}\n", error.what());
    return 1;
  }
}

}  // namespace
}  // namespace lictor::bench

int main(int argc, char** argv) { return lictor::bench::main(argc, argv); }
