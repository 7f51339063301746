#include "api/api_test.h"

#include <algorithm>

#include "base/encoding.h"
#include "support/forwarding_reader.h"

namespace lictor::test {
namespace {

class Initialized : public testing::Environment {
  void SetUp() override { crypto::initialize(); }
};
[[maybe_unused]] testing::Environment* const kInitialized = testing::AddGlobalTestEnvironment(new Initialized);

// Hands every call on, unless reads are to fail.
class FaultyReader final : public ForwardingReader {
 public:
  FaultyReader(std::unique_ptr<Reader> real, const std::atomic<bool>& fail)
      : ForwardingReader(std::move(real)), fail_(fail) {}

 private:
  Reader& real() override {
    if (fail_) throw store::StoreError(store::StoreError::Kind::connection_lost, "no database");
    return ForwardingReader::real();
  }
  const std::atomic<bool>& fail_;
};

base::LogOptions log_options(const TempDirectory& directory) {
  base::LogOptions options;
  options.level = base::Level::trace;
  options.format = base::LogFormat::json;
  options.file = directory.path() / "api.log";
  options.max_bytes = 10'000'000;
  options.files = 2;
  return options;
}

store::SqliteOptions sqlite_options(const TempDirectory& directory, std::atomic<int>& commits) {
  store::SqliteOptions options;
  options.path = directory.file("lictor.db");
  options.on_commit = [&commits](double) { ++commits; };
  return options;
}

service::ReadOptions read_options(std::size_t queue_max) {
  service::ReadOptions options;
  options.queue_max = queue_max;
  return options;
}

}  // namespace

std::unique_ptr<store::Reader> FaultyStore::open_reader() {
  return std::make_unique<FaultyReader>(real_->open_reader(), fail_reads);
}

std::string Answer::code() const {
  const json::value* error = object.if_contains("error");
  if (error != nullptr) return std::string(error->at("code").as_string());
  const json::value* code = object.if_contains("code");  // of a problem
  return code == nullptr ? "" : std::string(code->as_string());
}

ApiTest::ApiTest(std::size_t queue_max)
    : log_(log_options(directory_)),
      metrics_(api::route_labels(), api::failure_reasons(), 1),
      store_(store::open_sqlite(sqlite_options(directory_, commits_))),
      cache_({1000, 1000}, catalog_, crypto::Prf::Key{3}),
      api_keys_(1, crypto::Prf::Key{3}),
      writes_(store_, catalog_, cache_, clock_, {256, queue_max, {}, {}, {}}),
      reads_(store_, read_options(queue_max)),
      statistics_(store_, writes_, clock_, 1, {}, [](std::string_view what) { ADD_FAILURE() << what; }),
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
           crypto::Prf(store_.digest_key()),
           api::FingerprintReader(store_.digest_key()),
           kNow,
           store_.describe(),
           [] { return http::ConnectionCounts{}; },
           [this] { return stopping_; },
           [] { return std::uint64_t{0}; }},
      server_([this](http::Exchange& exchange) { api::dispatch(app_, exchange); }) {
  auth::NewApiKey made = auth::make_api_key();
  admin_key_ = made.text.reveal();
  store::ApiKey key;
  key.id = made.id;
  key.name = "administrator";
  key.secret_hash = made.secret_hash;
  key.scopes = "admin:*";
  store_.write([&](store::Tx& tx) { tx.insert_api_key(key); });
  api_keys_.add(key);
  client_key_ = add_key("license:validate license:activate license:read usage:write");
  add_product("demo");
}

ApiTest::~ApiTest() {
  statistics_.stop();
  writes_.stop();
  reads_.stop();
}

FakeRequest ApiTest::request(const std::string& method, const std::string& target, const std::string& body,
                             const std::string& key, Headers headers) {
  if (!key.empty()) headers.emplace_back("X-API-Key", key);
  const bool has_type = std::ranges::any_of(headers, [](const auto& header) { return header.first == "Content-Type"; });
  if (!body.empty() && !has_type) headers.emplace_back("Content-Type", "application/json");
  return {method, target, std::move(headers), body};
}

Answer ApiTest::parse(FakeAnswer raw) {
  Answer answer{std::move(raw), {}};
  EXPECT_EQ(answer.answers, 1);
  if (answer.content_type.find("json") != std::string::npos) answer.object = json::parse(answer.body).as_object();
  return answer;
}

Answer ApiTest::call(const std::string& method, const std::string& target, const std::string& body,
                     const std::string& key, Headers headers) {
  return parse(server_.run(request(method, target, body, key, std::move(headers))));
}

std::string ApiTest::add_key(const std::string& scopes, const std::string& more) {
  std::string list;
  for (std::size_t at = 0; at < scopes.size();) {
    const std::size_t end = std::min(scopes.find(' ', at), scopes.size());
    list += (list.empty() ? "" : ",") + base::json_string(scopes.substr(at, end - at));
    at = end + 1;
  }
  const auto answer = admin("POST", "/api-keys", R"({"name":"test","scopes":[)" + list + "]" + more + "}");
  EXPECT_EQ(answer.status, 201) << answer.body;
  return answer.status == 201 ? answer.text("api_key") : "";
}

void ApiTest::add_product(const std::string& name, const std::string& settings) {
  const auto answer =
      admin("POST", "/products", R"({"name":")" + name + "\"" + (settings.empty() ? "" : "," + settings) + "}");
  EXPECT_EQ(answer.status, 201) << answer.body;
}

ApiTest::License ApiTest::add_license(const std::string& terms, const std::string& product, const std::string& more) {
  const std::string policy = "policy-" + std::to_string(++policies_);
  const auto made = admin("POST", "/policies",
                          R"({"product":")" + product + R"(","name":")" + policy + R"(","terms":)" + terms + "}");
  EXPECT_EQ(made.status, 201) << made.body;
  const auto issued =
      admin("POST", "/licenses", R"({"product":")" + product + R"(","policy":")" + policy + "\"" + more + "}");
  EXPECT_EQ(issued.status, 201) << issued.body;
  const json::object& license = issued.data().at("licenses").at(0).as_object();
  return {std::string(license.at("license_id").as_string()), std::string(license.at("license_key").as_string())};
}

json::object ApiTest::activation(const License& license, const std::string& client_id) const {
  return {{"license_key", license.key}, {"client_id", client_id}};
}

Answer ApiTest::validate(const License& license, const std::string& client_id, const std::string& more) {
  std::string body = R"({"license_id":")" + license.id + "\"";
  if (!client_id.empty()) body += R"(,"client_id":")" + client_id + "\"";
  return post("/licenses/validate", body + (more.empty() ? "" : "," + more) + "}");
}

void ApiTest::hold() {
  struct HoldingJob final : service::AdminJob {
    void finish(std::unique_ptr<Job>, End) noexcept override {}
  };
  auto job = std::make_unique<HoldingJob>();
  job->work = [this](store::Tx&, base::UnixSeconds, std::vector<store::Event>&) {
    entered_.set_value();
    gate_.get_future().wait();
    return true;
  };
  std::unique_ptr<service::AdminJob> handed = std::move(job);
  ASSERT_TRUE(writes_.submit(handed));
  entered_.get_future().wait();
}

std::string ApiTest::sign(json::object body, const std::string& key) {
  std::vector<std::pair<std::string, std::string>> members;
  for (const auto& member : body) {
    members.emplace_back(member.key(), member.value().is_string() ? std::string(member.value().get_string())
                                                                  : json::serialize(member.value()));
  }
  std::ranges::sort(members);
  std::string text;
  for (const auto& [name, value] : members) {
    text.append(text.empty() ? "" : "&").append(name).append("=").append(value);
  }
  body["signature"] = base::to_hex(crypto::HmacSha256(key)(text));
  return json::serialize(body);
}

}  // namespace lictor::test
