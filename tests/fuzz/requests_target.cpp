// The requests of the data plane: the first byte chooses which. What is refused names a member and a reason; what is
// taken keeps the documented bounds, and written out again from its values it is read as the same.
#include <algorithm>
#include <type_traits>

#include "api/json_body.h"
#include "api/requests.h"
#include "base/encoding.h"
#include "fuzz/targets.h"
#include "service/policy_document.h"

namespace lictor::fuzz {
namespace {

using api::FingerprintReader;
using api::JsonBody;
using licensing::Fingerprint;

const FingerprintReader& reader() {
  static const FingerprintReader one(crypto::Prf::Key{1, 2, 3});
  return one;
}

bool is_text(std::string_view text, std::size_t most) {
  return !text.empty() && text.size() <= most && base::is_valid_utf8(text) && !base::has_control_characters(text);
}

// JSON of what was read; the fingerprint, of which only digests are left, is taken over from the body.
class Writer {
 public:
  void add(std::string_view name, std::optional<std::string_view> text) {
    if (text) begin(name), base::append_json_string(out_, *text);
  }
  void add(std::string_view name, std::optional<std::int64_t> number) {
    if (number) begin(name), base::append_number(out_, *number);
  }
  void add_fingerprint(const JsonBody& body) {
    const api::JsonMember* member = body.find(api::JsonName::hardware_fingerprint);
    if (member == nullptr) return;
    begin("hardware_fingerprint");
    if (member->kind == api::JsonKind::string) return base::append_json_string(out_, member->text);
    std::string inner;
    for (const auto& child : body.children(*member)) {  // in another order: it does not matter
      std::string one = base::json_string(child.name) + ":" + base::json_string(child.text);
      inner = inner.empty() ? one : one + "," + inner;
    }
    out_ += "{" + inner + "}";
  }
  void add(std::string_view name, const std::vector<std::string_view>& texts) {
    if (texts.empty()) return;
    begin(name);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      out_ += i == 0 ? '[' : ',';
      base::append_json_string(out_, texts[i]);
    }
    out_ += ']';
  }
  std::string text() const { return out_.empty() ? "{}" : out_ + "}"; }

 private:
  void begin(std::string_view name) {
    out_ += out_.empty() ? '{' : ',';
    base::append_json_string(out_, name);
    out_ += ':';
  }
  std::string out_;
};

template <class Request>
std::string written_out(const JsonBody& body, const Request& request) {
  Writer writer;
  writer.add("timestamp", request.timestamp);
  writer.add("signature", request.signature);
  writer.add("license_key", request.license_key);
  writer.add("license_id", request.license_id);
  writer.add("client_id", std::optional<std::string_view>(request.client_id));
  const auto given = [](std::string_view text) { return text.empty() ? std::nullopt : std::optional(text); };
  if constexpr (requires { request.client_version; }) writer.add("client_version", given(request.client_version));
  if constexpr (requires { request.fingerprint; }) writer.add_fingerprint(body);
  if constexpr (requires { request.features; }) writer.add("features", request.features);
  if constexpr (requires { request.nonce; }) writer.add("nonce", given(request.nonce));
  if constexpr (requires { request.metric; }) {
    writer.add("metric", given(request.metric));
    writer.add("quantity", std::optional(request.quantity));
    writer.add("idempotency_key", given(request.idempotency_key));
  }
  return writer.text();
}

template <class Request>
void check_bounds(const Request& request) {
  require(request.license_key.has_value() != request.license_id.has_value(), "a key or an id");
  require(!request.timestamp || *request.timestamp >= 0, "a time since 1970");
  const std::optional<std::string_view> client = request.client_id;
  if (client) require(is_text(*client, 256) && client->front() != ' ' && client->back() != ' ', "a client's name");
  if constexpr (requires { request.client_version; })
    require(request.client_version.empty() || is_text(request.client_version, 64), "a version");
  if constexpr (requires { request.fingerprint; }) {
    if (request.fingerprint)
      require(request.fingerprint->kind != Fingerprint::Kind::absent &&
                  (request.fingerprint->kind == Fingerprint::Kind::opaque) == (request.fingerprint->mask == 0),
              "a fingerprint of something");
  }
  if constexpr (requires { request.features; }) {
    require(request.features.size() <= 64, "not too many features");
    for (const auto name : request.features)
      require(name.size() <= 64 && base::is_valid_utf8(name), "a feature's name");
  }
  if constexpr (requires { request.metric; }) {
    require(service::is_item_name(request.metric), "a metric's name");
    require(request.quantity >= 1 && request.quantity <= 1'000'000'000'000'000, "a quantity");
    require(is_text(request.idempotency_key, 128), "an idempotency key");
  }
}

template <class Request>
std::optional<api::RequestFault> read(const JsonBody& body, Request& out) {
  return api::read_request(body, reader(), out);
}

template <class Request>
void run(std::string_view text) {
  JsonBody body;
  if (body.parse(text)) return;
  Request request;
  if (const auto fault = read(body, request)) {
    require(!fault->message.empty() && !fault->field.empty(), "a fault names the member and the reason");
    return require(fault->code == licensing::Code::bad_request || fault->code == licensing::Code::unknown_field,
                   "its code");
  }
  check_bounds(request);
  const std::string again = written_out(body, request);
  JsonBody second_body;
  require(!second_body.parse(again), "what is written out again is JSON");
  Request second;
  const auto fault = read(second_body, second);
  require(!fault, "and the same kind of request");
  require(written_out(second_body, second).size() == again.size(), "of the same size");
  if constexpr (requires { request.fingerprint; })
    require(request.fingerprint == second.fingerprint, "the same machine");
}

}  // namespace

void requests(std::string_view input) {
  Input in(input);
  switch (in.byte() % 4) {
    case 0:
      return run<api::ActivateRequest>(in.rest());
    case 1:
      return run<api::ValidateRequest>(in.rest());
    case 2:
      return run<api::DeactivateRequest>(in.rest());
    default:
      return run<api::UsageRequest>(in.rest());
  }
}

Seeds request_seeds() {
  Seeds seeds;
  const std::string_view texts[] = {
      R"({"license_key":"A-B","client_id":"c","hardware_fingerprint":"abc123","client_version":"1.2"})",
      R"({"license_key":"A-B","client_id":"c","hardware_fingerprint":{"tpm":"x1","disk":"unknown","mac":"y2"}})",
      R"({"license_id":"lic_0123456789abcdefghjkmnpqrs","client_id":"c","features":["a","b"],"nonce":"n"})",
      R"({"license_key":"A-B","timestamp":1700000000,"signature":"00"})",
      R"({"license_key":"A-B","metric":"api_calls","quantity":5,"idempotency_key":"k","client_id":"c"})",
      R"({"license_key":"A-B","client_id":" c"})",
      R"({"license_key":"A-B","client_id":"a\u202eb"})",
      R"({"license_key":"A-B","client_id":"c","max_clients":5})"};
  for (const auto text : texts) {
    for (char kind = 0; kind < 4; ++kind) seeds.push_back(kind + std::string(text));
  }
  for (const std::string& text : json_seeds()) seeds.push_back('\1' + text);
  return seeds;
}

}  // namespace lictor::fuzz
