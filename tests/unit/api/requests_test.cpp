#include "api/requests.h"

#include <gtest/gtest.h>

#include "base/encoding.h"

namespace lictor::api {
namespace {

using licensing::Code;

const FingerprintReader& reader() {
  static const FingerprintReader fingerprints(crypto::Prf::Key{1, 2, 3});
  return fingerprints;
}

// The fault as "CODE field", or "" when the request was read.
template <class Request>
std::string fault_of(const std::string& text, Request* out = nullptr) {
  thread_local JsonBody body;
  thread_local std::string kept;
  kept = text;
  if (const auto problem = body.parse(kept)) return "JSON " + problem->field;
  Request request;
  const auto fault = read_request(body, reader(), out != nullptr ? *out : request);
  return fault ? std::string(licensing::wire_name(fault->code)) + " " + fault->field : "";
}

// `members` set over the smallest good request; an empty value takes a member out.
std::string with(std::vector<std::pair<std::string, std::string>> members,
                 const std::pair<std::string, std::string>& change) {
  bool found = false;
  for (auto& member : members) {
    if (member.first != change.first) continue;
    member.second = change.second;
    found = true;
  }
  if (!found) members.push_back(change);
  std::string text = "{";
  for (const auto& [name, value] : members) {
    if (!value.empty()) text += (text.size() > 1 ? "," : "") + base::json_string(name) + ":" + value;
  }
  return text + "}";
}

std::string quoted(std::size_t length) { return '"' + std::string(length, 'x') + '"'; }
using Base = std::vector<std::pair<std::string, std::string>>;
const Base kActivate{{"license_key", "\"KEY-1\""}, {"client_id", "\"c\""}};
const Base kValidate{{"license_id", "\"lic_1\""}};
const Base kDeactivate{{"license_key", "\"KEY-1\""}, {"client_id", "\"c\""}};
const Base kUsage{
    {"license_id", "\"lic_1\""}, {"metric", "\"calls\""}, {"quantity", "1"}, {"idempotency_key", "\"i\""}};

struct Row {
  std::string member, value, fault;  // fault without the field; "" = good
};

// Values of a text member of 1 … most bytes.
std::vector<Row> text_rows(const std::string& name, std::size_t most) {
  return {{name, "\"x\"", ""},
          {name, quoted(most), ""},
          {name, quoted(most + 1), "BAD_REQUEST"},
          {name, "\"\"", "BAD_REQUEST"},
          {name, "1", "BAD_REQUEST"},
          {name, "null", "BAD_REQUEST"},
          {name, "true", "BAD_REQUEST"},
          {name, "[\"x\"]", "BAD_REQUEST"},
          {name, "{\"x\":\"x\"}", "BAD_REQUEST"},
          {name, R"("a\u0000b")", "BAD_REQUEST"},
          {name, R"("a\nb")", "BAD_REQUEST"},
          {name, R"("\u007f")", "BAD_REQUEST"},
          {name, R"("\u0085")", "BAD_REQUEST"},
          {name, R"("a\u202eb")", "BAD_REQUEST"},  // right-to-left override
          {name, R"("a\u2066b")", "BAD_REQUEST"},
          {name, R"("a\u200bb")", "BAD_REQUEST"},  // zero width
          {name, R"("\ufeffa")", "BAD_REQUEST"},
          {name, R"("客户端 é 😀")", ""}};
}

std::vector<Row> timestamp_rows() {
  return {{"timestamp", "0", ""},
          {"timestamp", "1700000000", ""},
          {"timestamp", "-1", "BAD_REQUEST"},
          {"timestamp", "1e9", "BAD_REQUEST"},
          {"timestamp", "1.5", "BAD_REQUEST"},
          {"timestamp", "\"1700000000\"", "BAD_REQUEST"},
          {"timestamp", "253402300799", ""},
          {"timestamp", "253402300800", "BAD_REQUEST"},
          {"timestamp", "9223372036854775808", "BAD_REQUEST"},
          {"timestamp", "null", "BAD_REQUEST"},
          {"signature", "1", "BAD_REQUEST"},
          {"signature", "\"\"", ""},
          {"license_key", "1", "BAD_REQUEST"},
          {"license_key", "null", "BAD_REQUEST"},
          {"license_key", "[]", "BAD_REQUEST"}};
}

// A9 and everything else that is no member.
std::vector<Row> unknown_rows() {
  std::vector<Row> rows;
  for (const char* name : {"max_clients", "status", "role", "License_key", "license_key ", "", "$ref", "__proto__",
                           "product", "expires_at"}) {
    rows.push_back({name, "1", "UNKNOWN_FIELD"});
  }
  return rows;
}

template <class Request>
void run_rows(const Base& base, const std::vector<Row>& rows) {
  ASSERT_EQ(fault_of<Request>(with(base, {"timestamp", "1"})), "");
  for (const auto& row : rows) {
    const std::string text = with(base, {row.member, row.value});
    const std::string field = row.member.empty() ? "\"\"" : row.member;
    EXPECT_EQ(fault_of<Request>(text), row.fault.empty() ? "" : row.fault + " " + field) << text.substr(0, 200);
  }
}

template <class Request>
void every_member_is_required(const Base& base) {
  for (const auto& [name, value] : base) {
    const std::string field = name == "license_key" && !std::is_same_v<Request, ActivateRequest> ? "license_id" : name;
    EXPECT_EQ(fault_of<Request>(with(base, {name, ""})), "BAD_REQUEST " + field);
  }
}

TEST(ActivateRequest, Members) {
  every_member_is_required<ActivateRequest>(kActivate);
  run_rows<ActivateRequest>(kActivate, text_rows("client_id", 256));
  run_rows<ActivateRequest>(kActivate, text_rows("client_version", 64));
  run_rows<ActivateRequest>(kActivate, timestamp_rows());
  run_rows<ActivateRequest>(kActivate, unknown_rows());
  for (const char* name : {"license_id", "features", "nonce", "metric"}) {
    EXPECT_EQ(fault_of<ActivateRequest>(with(kActivate, {name, "\"x\""})), "UNKNOWN_FIELD " + std::string(name));
  }
}

TEST(ValidateRequest, Members) {
  every_member_is_required<ValidateRequest>(kValidate);
  run_rows<ValidateRequest>(kValidate, text_rows("client_id", 256));
  run_rows<ValidateRequest>(kValidate, text_rows("client_version", 64));
  run_rows<ValidateRequest>(kValidate, text_rows("nonce", 128));
  run_rows<ValidateRequest>(kValidate, unknown_rows());
  EXPECT_EQ(fault_of<ValidateRequest>(R"({"license_id":"lic_1","license_key":"K"})"), "BAD_REQUEST license_id");
  EXPECT_EQ(fault_of<ValidateRequest>("{}"), "BAD_REQUEST license_id");
  EXPECT_EQ(fault_of<ValidateRequest>(R"({"license_id":"l","hardware_fingerprint":"hw"})"), "BAD_REQUEST client_id");
  std::string names = "\"f\"", many = "\"f0\"";
  for (int i = 1; i < 64; ++i) many += ",\"f" + std::to_string(i) + "\"";
  run_rows<ValidateRequest>(kValidate, {{"features", "[]", ""},
                                        {"features", "[" + names + "]", ""},
                                        {"features", "[" + many + "]", ""},
                                        {"features", "[" + many + ",\"x\"]", "BAD_REQUEST"},
                                        {"features", "[1]", "BAD_REQUEST"},
                                        {"features", "[\"a\",null]", "BAD_REQUEST"},
                                        {"features", "[[\"a\"]]", "BAD_REQUEST"},
                                        {"features", "{\"a\":\"b\"}", "BAD_REQUEST"},
                                        {"features", "\"a\"", "BAD_REQUEST"},
                                        {"features", "[" + quoted(64) + "]", ""},
                                        {"features", "[" + quoted(65) + "]", "BAD_REQUEST"},
                                        {"features", R"(["a\nb"])", "BAD_REQUEST"},
                                        {"features", R"(["\u202ea"])", "BAD_REQUEST"}});
}

TEST(DeactivateRequest, Members) {
  every_member_is_required<DeactivateRequest>(kDeactivate);
  run_rows<DeactivateRequest>(kDeactivate, text_rows("client_id", 256));
  run_rows<DeactivateRequest>(kDeactivate, timestamp_rows());
  run_rows<DeactivateRequest>(kDeactivate, unknown_rows());
  // Giving a seat back never depends on the fingerprint: it is not even read.
  run_rows<DeactivateRequest>(
      kDeactivate, {{"hardware_fingerprint", "\"unknown\"", ""}, {"hardware_fingerprint", "{\"tpm\":1}", ""}});
}

TEST(UsageRequest, Members) {
  every_member_is_required<UsageRequest>(kUsage);
  run_rows<UsageRequest>(kUsage, text_rows("client_id", 256));
  run_rows<UsageRequest>(kUsage, text_rows("idempotency_key", 128));
  run_rows<UsageRequest>(kUsage, unknown_rows());
  run_rows<UsageRequest>(kUsage, {{"quantity", "1000000000000000", ""},
                                  {"quantity", "1000000000000001", "BAD_REQUEST"},
                                  {"quantity", "0", "BAD_REQUEST"},
                                  {"quantity", "-0", "BAD_REQUEST"},
                                  {"quantity", "-1", "BAD_REQUEST"},
                                  {"quantity", "1e3", "BAD_REQUEST"},
                                  {"quantity", "1.0", "BAD_REQUEST"},
                                  {"quantity", "\"1\"", "BAD_REQUEST"},
                                  {"quantity", "18446744073709551617", "BAD_REQUEST"},
                                  {"metric", quoted(64), ""},
                                  {"metric", quoted(65), "BAD_REQUEST"},
                                  {"metric", "\"a.b:c-d_E9\"", ""},
                                  {"metric", "\"a b\"", "BAD_REQUEST"},
                                  {"metric", "\"_a\"", "BAD_REQUEST"},
                                  {"metric", "\"\"", "BAD_REQUEST"},
                                  {"metric", "\"ａ\"", "BAD_REQUEST"},
                                  {"metric", R"("a\n")", "BAD_REQUEST"},
                                  {"metric", "1", "BAD_REQUEST"}});
}

TEST(Requests, ValuesArriveAsSent) {
  ValidateRequest request;
  ASSERT_EQ(
      fault_of(
          R"({"nonce":"n\u00e9","license_key":" key ","client_id":"c\"","client_version":"2.3.1","features":["a","\u0062"],)"
          R"("timestamp":17,"signature":"sig","hardware_fingerprint":"hw"})",
          &request),
      "");
  EXPECT_EQ(request.license_key, " key ");
  EXPECT_FALSE(request.license_id);
  EXPECT_EQ(request.client_id, "c\"");
  EXPECT_EQ(request.nonce, "né");
  EXPECT_EQ(request.client_version, "2.3.1");
  EXPECT_EQ(request.features, (std::vector<std::string_view>{"a", "b"}));
  EXPECT_EQ(request.timestamp, 17);
  EXPECT_EQ(request.signature, "sig");
  EXPECT_EQ(request.fingerprint->kind, licensing::Fingerprint::Kind::opaque);
}

// ---- fingerprints ----

std::string fingerprint_fault(const std::string& value) {
  return fault_of<ActivateRequest>(with(kActivate, {"hardware_fingerprint", value}));
}
licensing::Fingerprint fingerprint(const std::string& value) {
  ActivateRequest request;
  EXPECT_EQ(fault_of(with(kActivate, {"hardware_fingerprint", value}), &request), "") << value;
  return request.fingerprint.value_or(licensing::Fingerprint{});
}

TEST(FingerprintReader, Refused) {
  const std::string hash = base::to_hex(crypto::sha256("-unknown"));
  std::string upper = hash;
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  const std::string kWhole = "BAD_REQUEST hardware_fingerprint";
  const std::pair<std::string, std::string> rows[] = {
      {"\"\"", kWhole},
      {"\"unknown\"", kWhole},
      {"\"UNKNOWN\"", kWhole},
      {"\"  \"", kWhole},
      {"\"0\"", kWhole},
      {"\"00000000-0000-0000-0000-000000000000\"", kWhole},
      {"\"ff:ff:ff:ff:ff:ff\"", kWhole},
      {"\"To be filled by O.E.M.\"", kWhole},
      {"\"" + hash + "\"", kWhole},
      {"\"" + upper + "\"", kWhole},
      {"\"" + upper.substr(0, 32) + hash.substr(32) + "\"", kWhole},
      {"\"" + base::to_hex(crypto::sha256("x86_64-unknown")) + "\"", kWhole},
      {"\"" + base::to_hex(crypto::sha256("")) + "\"", kWhole},
      {quoted(513), kWhole},
      {R"("a\u0000")", kWhole},
      {R"("a\u202e")", kWhole},
      {"1", kWhole},
      {"null", kWhole},
      {"[\"a\"]", kWhole},
      {"{}", kWhole},
      {R"({"tpm":"unknown","mac":"00:00:00:00:00:00"})", kWhole},
      {R"({"tpm":"a","gpu":"b"})", "UNKNOWN_FIELD hardware_fingerprint.gpu"},
      {R"({"TPM":"a"})", "UNKNOWN_FIELD hardware_fingerprint.TPM"},
      {R"({"":"a"})", "UNKNOWN_FIELD hardware_fingerprint.\"\""},
      {R"({"tpm":1})", "BAD_REQUEST hardware_fingerprint.tpm"},
      {R"({"tpm":null})", "BAD_REQUEST hardware_fingerprint.tpm"},
      {R"({"tpm":["a"]})", "BAD_REQUEST hardware_fingerprint.tpm"},
      {R"({"tpm":"a\u0000"})", "BAD_REQUEST hardware_fingerprint.tpm"},
      {"{\"tpm\":" + quoted(513) + "}", "BAD_REQUEST hardware_fingerprint.tpm"},
      {R"({"tpm":"a","tpm":"b"})", "JSON tpm"},
  };
  for (const auto& [value, expected] : rows) EXPECT_EQ(fingerprint_fault(value), expected) << value.substr(0, 100);
}

TEST(FingerprintReader, DigestsTellValuesAndClassesApart) {
  const auto a = fingerprint("\"machine-a\"");
  EXPECT_EQ(a, fingerprint("\"machine-\\u0061\""));
  EXPECT_FALSE(a == fingerprint("\"machine-b\""));
  EXPECT_FALSE(a == fingerprint("\"Machine-a\"")) << "an opaque value is compared exactly";
  const auto parts = fingerprint(R"({"tpm":"machine-a","mac":"machine-a","board":"unknown"})");
  EXPECT_EQ(parts.kind, licensing::Fingerprint::Kind::components);
  EXPECT_EQ(parts.mask,
            licensing::bit_of(licensing::ComponentClass::tpm) | licensing::bit_of(licensing::ComponentClass::mac))
      << "a placeholder is a missing component";
  EXPECT_NE(parts.tags[0], parts.tags[5]);
  EXPECT_NE(parts.tags[0], a.tags[0]);
  EXPECT_FALSE(fingerprint("\"machine-a\"").tags[0] == base::Digest{});
  EXPECT_EQ(fingerprint("\"" + std::string(63, 'a') + "b\"").kind, licensing::Fingerprint::Kind::opaque);
}

TEST(FingerprintReader, TheDatabasesKeyDecides) {
  JsonBody body;
  const std::string text = R"({"f":"machine-a"})";
  ASSERT_FALSE(body.parse(text));
  const auto one = reader().read(body, *body.find("f"));
  const auto other = FingerprintReader(crypto::Prf::Key{9}).read(body, *body.find("f"));
  EXPECT_FALSE(std::get<licensing::Fingerprint>(one) == std::get<licensing::Fingerprint>(other));
}

}  // namespace
}  // namespace lictor::api
