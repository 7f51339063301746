// Databases and prepared requests for the benchmarks.
//
//   bench_seed fill --data DIR --licenses 1000000 --clients          a database for lictord --data DIR
//   bench_seed fill --data DIR --database URL …                      the same on a server
//   bench_seed requests --data DIR --out FILE --count 200000 …       signed requests, good for 300 s
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <random>
#include <vector>

#include "api/requests.h"
#include "auth/api_keys.h"
#include "base/clock.h"
#include "bench/dataset.h"
#include "bench/request_file.h"
#include "licensing/decide.h"
#include "service/policy_document.h"
#include "store/store.h"

namespace lictor::bench {
namespace {

constexpr std::uint64_t kBatch = 10'000;  // licenses in one transaction
constexpr std::string_view kClientVersion = "2.3.1";
constexpr std::string_view kScopes = "license:validate license:activate license:read usage:write";

struct FillOptions {
  std::string data;
  std::string database;  // of a server; empty: a file in `data`
  std::uint64_t licenses = 1'000'000;
  unsigned max_clients = 5;  // 0: no limit
  unsigned clients = 0;      // activations of each license
  bool varied = false;       // products, policies, holders, statuses and times to search by
};

constexpr std::uint64_t kProducts = 10, kPoliciesOfProduct = 2;  // of a varied database
constexpr base::UnixSeconds kYear = 365 * 86'400;

struct RequestOptions {
  std::string data, out;
  std::string call = "validate";
  std::uint64_t count = 100'000;
  std::uint64_t first = 0;
  std::uint64_t range = 0;  // of licenses from `first` on; 0: all that follow
  bool in_order = false;    // one request for each license of the range in turn, instead of random ones
  bool clients = false;     // with the client and its fingerprint
  bool is_unsigned = false;
  std::uint64_t client_base = 0;  // activate: number of the first new client
};

std::string terms_text(unsigned max_clients) {
  return fmt::format(
      R"({{"type":"subscription","duration":31536000,"grace":604800,"max_clients":{},"binding":"strict",)"
      R"("features":{{"basic":null,"export":null,"sync":null}}}})",
      max_clients == 0 ? "null" : std::to_string(max_clients));
}

std::unique_ptr<store::Store> open_store(const FillOptions& options) {
  if (options.database.starts_with("postgresql:"))
    return store::open_postgres({.url = options.database, .on_commit = {}});
  if (options.database.starts_with("mysql:")) return store::open_mysql({.url = options.database, .on_commit = {}});
  return store::open_sqlite({.path = options.data + "/lictor.db", .checkpoint_pages = 10'000, .on_commit = {}});
}

// Fills a new database by the store alone: no audit events, as if they had been pruned before the first.
class Filler {
 public:
  explicit Filler(const FillOptions& options)
      : options_(options),
        store_(open_store(options)),
        digest_(store_->digest_key()),
        fingerprints_(store_->digest_key()) {}

  void fill() {
    const auth::NewApiKey api_key = auth::make_api_key();
    const Dataset dataset = Dataset::make(options_.licenses, std::string(api_key.text.reveal()));
    store_->write([&](store::Tx& tx) { insert_frame(tx, api_key); });
    for (std::uint64_t done = 0; done < options_.licenses; done += kBatch) {
      insert_batch(dataset, done, std::min(options_.licenses, done + kBatch));
    }
    dataset.save(options_.data);
  }

 private:
  void insert_frame(store::Tx& tx, const auth::NewApiKey& api_key) {
    const std::string text = terms_text(options_.max_clients);
    service::apply_stored_terms(text, terms_);
    for (std::uint64_t i = 0; i < (options_.varied ? kProducts : 1); ++i) {
      const std::string name = i == 0 ? "bench" : fmt::format("bench-{}", i);
      const store::Row product = tx.insert_product({0, crypto::random_id(), name, "{}", now_});
      policies_.push_back(tx.insert_policy({0, crypto::random_id(), product, "bench", text, now_}));
      if (options_.varied)
        policies_.push_back(tx.insert_policy({0, crypto::random_id(), product, "other", text, now_}));
    }
    store::ApiKey key;
    key.id = api_key.id;
    key.name = "bench";
    key.secret_hash = api_key.secret_hash;
    key.scopes = kScopes;
    key.created_at = now_;
    tx.insert_api_key(key);
  }

  void insert_batch(const Dataset& dataset, std::uint64_t first, std::uint64_t end) {
    std::vector<store::NewLicense> licenses;
    std::vector<store::LicenseRef> refs;
    for (std::uint64_t number = first; number < end; ++number) {
      store::NewLicense license;
      license.id = dataset.license_id(number);
      license.key = dataset.license_key(number);
      license.key_digest = digest_(license.key);
      license.policy = policies_[number % policies_.size()];
      license.holder = fmt::format("customer {}", number % 1000);
      license.state = licensing::issue(terms_, now_, std::nullopt, std::nullopt);
      if (options_.varied) vary(license, number);
      refs.push_back({store::LicenseRef::By::id, license.id});
      licenses.push_back(std::move(license));
    }
    store_->write([&](store::Tx& tx) { tx.insert_licenses(licenses); });
    if (options_.clients > 0) store_->write([&](store::Tx& tx) { activate(tx, dataset, refs, first); });
  }

  // Issued over three years, most of them for one; ten licenses a customer; some suspended, revoked, or not yet valid.
  void vary(store::NewLicense& license, std::uint64_t number) {
    licensing::License& state = license.state;
    const auto age = static_cast<base::UnixSeconds>((options_.licenses - number) * 3 * kYear / options_.licenses);
    state.issued_at = state.starts_at = now_ - age;
    state.expires_at = random_() % 10 == 0 ? licensing::kNever : state.issued_at + kYear;
    if (random_() % 1'000 == 0) state.starts_at = now_ + kYear / 4;
    const std::uint64_t fate = random_() % 200;
    if (fate < 2) state.status = licensing::LicenseStatus::suspended;
    if (fate == 2) state.status = licensing::LicenseStatus::revoked;
    license.holder = fmt::format("customer {}", random_() % std::max<std::uint64_t>(1, options_.licenses / 10));
  }

  void activate(store::Tx& tx, const Dataset& dataset, const std::vector<store::LicenseRef>& refs,
                std::uint64_t first) {
    store::Changes changes;
    for (const auto& license : tx.lock(refs)) {
      changes.licenses.push_back({license->row, license->state});
      licensing::License& state = changes.licenses.back().state;
      state.seats_held = options_.clients;
      state.first_activated_at = now_;
      for (unsigned i = 0; i < options_.clients; ++i)
        changes.activations.push_back(seat_of(*license, dataset.machine(first + i * dataset.licenses())));
      ++first;
    }
    tx.apply(changes);
  }

  store::ActivationUpdate seat_of(const store::LicenseRow& license, const Machine& machine) const {
    store::ActivationUpdate update{license.row, machine.client_id, {}, now_};
    update.state.client = crypto::random_id();
    update.state.held = true;
    update.state.activated_at = now_;
    update.state.version = kClientVersion;
    update.state.fingerprint = read_fingerprint(machine.fingerprint);
    return update;
  }

  licensing::Fingerprint read_fingerprint(std::string_view text) const {
    api::JsonMember member;
    member.kind = api::JsonKind::string;
    member.text = text;
    return std::get<licensing::Fingerprint>(fingerprints_.read(api::JsonBody(), member));
  }

  const FillOptions& options_;
  const std::unique_ptr<store::Store> store_;
  const crypto::Prf digest_;
  const api::FingerprintReader fingerprints_;
  const base::UnixSeconds now_ = base::SystemClock().now();
  licensing::Terms terms_;
  std::vector<store::Row> policies_;
  std::mt19937_64 random_{1};
};

// Requests as a client sends them, signed with the guide's signature.
class RequestMaker {
 public:
  RequestMaker(const RequestOptions& options, const Dataset& dataset)
      : options_(options), dataset_(dataset), hmac_(dataset.api_key()), now_(base::SystemClock().now()) {}

  std::string validate(std::uint64_t license) {
    return options_.clients ? request(license, dataset_.machine(license)) : request(license, {});
  }
  // A client that the license does not know yet.
  std::string activate(std::uint64_t license, std::uint64_t client) {
    return request(license, {fmt::format("new-{:012}", client), dataset_.machine(client).fingerprint});
  }

 private:
  std::string request(std::uint64_t license, const Machine& machine) {
    const std::string key = dataset_.license_key(license);
    std::string body = "{", text;  // the signed text has the members in order of their names, and so has the body
    const auto member = [&](std::string_view name, std::string_view value, std::string_view quote) {
      if (!text.empty()) text += '&', body += ',';
      text.append(name).append("=").append(value);
      body.append("\"").append(name).append("\":").append(quote).append(value).append(quote);
    };
    if (!machine.client_id.empty()) {
      member("client_id", machine.client_id, "\"");
      member("client_version", kClientVersion, "\"");
      member("hardware_fingerprint", machine.fingerprint, "\"");
    }
    member("license_key", key, "\"");
    if (!options_.is_unsigned) {
      member("timestamp", std::to_string(now_), "");
      body += R"(,"signature":")" + hex(hmac_(text)) + "\"";
    }
    return with_headers(body + "}");
  }

  std::string with_headers(const std::string& body) const {
    return fmt::format(
        "POST /api/v1/licenses/{} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nX-API-Key: "
        "{}\r\nContent-Length: {}\r\n\r\n{}",
        options_.call, dataset_.api_key(), body.size(), body);
  }

  static std::string hex(const crypto::Sha256& mac) {
    std::string text;
    for (const std::uint8_t byte : mac) fmt::format_to(std::back_inserter(text), "{:02x}", byte);
    return text;
  }

  const RequestOptions& options_;
  const Dataset& dataset_;
  crypto::HmacSha256 hmac_;
  const base::UnixSeconds now_;
};

void write_requests(const RequestOptions& options) {
  const Dataset dataset = Dataset::load(options.data);
  if (options.first >= dataset.licenses()) throw std::runtime_error("--first is beyond the last license");
  const std::uint64_t rest = dataset.licenses() - options.first;
  const std::uint64_t range = options.range == 0 ? rest : std::min(options.range, rest);
  const std::uint64_t count = options.in_order ? range : options.count;
  RequestMaker maker(options, dataset);
  RequestFileWriter file(options.out);
  std::mt19937_64 random(std::random_device{}());
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t license = options.first + (options.in_order ? i : random() % range);
    file.append(options.call == "validate" ? maker.validate(license)
                                           : maker.activate(license, options.client_base + i));
  }
  file.close();
}

void fill(const FillOptions& options) {
  std::filesystem::create_directories(options.data);
  if (std::filesystem::exists(options.data + "/lictor.db"))
    throw std::runtime_error(options.data + " has a database already");
  Filler(options).fill();
}

void add_fill_options(CLI::App& app, FillOptions& options) {
  app.add_option("--data", options.data, "directory of the new database")->required();
  app.add_option("--database", options.database, "URL of an empty database on a server, in place of a file");
  app.add_option("--licenses", options.licenses, "licenses")->check(CLI::PositiveNumber);
  app.add_option("--max-clients", options.max_clients, "seats of each license; 0 is no limit");
  app.add_flag("--clients", options.clients, "one activation of each license; --clients=3: three of each");
  app.add_flag("--varied", options.varied, "products, policies, holders, statuses and times to search by");
}

void add_request_options(CLI::App& app, RequestOptions& options) {
  app.add_option("--data", options.data, "directory of the database")->required();
  app.add_option("--out", options.out, "file to write, see request_file.h")->required();
  app.add_option("--call", options.call, "validate or activate")->check(CLI::IsMember({"validate", "activate"}));
  app.add_option("--count", options.count, "requests, for random licenses");
  app.add_option("--first", options.first, "number of the first license");
  app.add_option("--range", options.range, "licenses from there on; 1: a single hot one; 0: all");
  app.add_flag("--in-order", options.in_order, "one request for each license of the range");
  app.add_flag("--clients", options.clients, "validate: with the license's client and its fingerprint");
  app.add_flag("--unsigned", options.is_unsigned, "without timestamp and signature");
  app.add_option("--client-base", options.client_base, "activate: number of the first new client");
}

int main(int argc, char** argv) {
  CLI::App app("Databases and prepared requests for the benchmarks");
  app.require_subcommand(1);
  FillOptions fill_options;
  RequestOptions request_options;
  CLI::App& fill_command = *app.add_subcommand("fill", "make a database");
  add_fill_options(fill_command, fill_options);
  add_request_options(*app.add_subcommand("requests", "write prepared requests"), request_options);
  CLI11_PARSE(app, argc, argv);
  try {
    crypto::initialize();
    fill_command.parsed() ? fill(fill_options) : write_requests(request_options);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_seed: {}\n", error.what());
    return 2;
  }
}

}  // namespace
}  // namespace lictor::bench

int main(int argc, char** argv) { return lictor::bench::main(argc, argv); }
