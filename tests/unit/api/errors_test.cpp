#include "api/errors.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "api/reference.h"
#include "api/routes.h"

namespace lictor::api {
namespace {

namespace json = boost::json;
using licensing::Code;

std::string_view text_of(const json::value& value) { return value.as_string(); }

std::string read_document(const std::string& name) {
  std::ifstream file(LICTOR_DOCS "/" + name);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// What ./dev docs writes.
TEST(Errors, TheDocumentIsWhatTheTablesSay) {
  const std::string document = read_document("http-api.md");
  for (const std::string& part :
       {render_codes_markdown(), render_administration_markdown(), render_import_rows_markdown()}) {
    EXPECT_NE(document.find(" -->\n" + part + "<!-- end"), std::string::npos)
        << "docs/http-api.md is stale: run ./dev docs. It has not:\n"
        << part.substr(0, 300);
  }
}

TEST(Errors, TheDocumentHasEveryRoute) {
  const std::string document = read_document("http-api.md");
  for (const Route& route : route_table()) {
    const std::string full(route.path);
    std::string path = full;  // the document leaves the prefix out where a section names it
    for (const std::string_view prefix : {"/api/v1/admin", "/api/v1"}) {
      if (path.starts_with(prefix)) {
        path.erase(0, prefix.size());
        break;
      }
    }
    const std::string call = std::string(route.method) + " ";
    EXPECT_TRUE(document.find(call + full) != std::string::npos || document.find(call + path) != std::string::npos)
        << "docs/http-api.md has not: " << call << full;
  }
}

// contract.md, section 3, and the codes that came with the routes.
TEST(Errors, StatusOfEachCode) {
  const std::map<std::string, int> expected{
      {"BAD_REQUEST", 400},
      {"UNKNOWN_FIELD", 422},
      {"PAYLOAD_TOO_LARGE", 413},
      {"UNSUPPORTED_MEDIA_TYPE", 415},
      {"UNAUTHENTICATED", 401},
      {"SIGNATURE_INVALID", 401},
      {"SIGNATURE_AMBIGUOUS", 400},
      {"REPLAYED", 409},
      {"CLOCK_SKEW", 401},
      {"FORBIDDEN", 403},
      {"NOT_FOUND", 404},
      {"LICENSE_KEY_INVALID", 404},
      {"LICENSE_SUSPENDED", 403},
      {"LICENSE_REVOKED", 403},
      {"LICENSE_EXPIRED", 403},
      {"LICENSE_NOT_YET_VALID", 403},
      {"CHECK_IN_OVERDUE", 403},
      {"CLIENT_NOT_ACTIVATED", 403},
      {"CLIENT_BLOCKED", 403},
      {"LEASE_EXPIRED", 403},
      {"HARDWARE_MISMATCH", 403},
      {"MAX_CLIENTS_REACHED", 409},
      {"FEATURE_NOT_LICENSED", 403},
      {"VERSION_NOT_COVERED", 403},
      {"USAGE_QUOTA_EXCEEDED", 403},
      {"IDEMPOTENCY_CONFLICT", 409},
      {"RATE_LIMITED", 429},
      {"OVERLOADED", 503},
      {"UNAVAILABLE", 503},
      {"INTERNAL", 500},
      {"METHOD_NOT_ALLOWED", 405},
      {"REQUEST_TIMEOUT", 408},
      {"ALREADY_EXISTS", 409},
      {"TRANSFER_LIMIT_REACHED", 409},
      {"IN_USE", 409},
      {"PRECONDITION_FAILED", 412},
      {"ROWS_REJECTED", 422},
  };
  std::set<std::string> seen;
  for (std::size_t i = 0; i < licensing::kCodeCount; ++i) {
    const auto code = static_cast<Code>(i);
    const std::string name(licensing::wire_name(code));
    seen.insert(name);
    ASSERT_TRUE(expected.contains(name)) << name;
    EXPECT_EQ(info_of(code).status, expected.at(name)) << name;
    EXPECT_EQ(info_of(code).code, code);
    EXPECT_FALSE(info_of(code).message.empty()) << name;
  }
  EXPECT_EQ(seen.size(), expected.size());
}

TEST(Errors, EnvelopeAndProblem) {
  for (std::size_t i = 0; i < licensing::kCodeCount; ++i) {
    Failure failure;
    failure.code = static_cast<Code>(i);
    failure.details = i % 2 == 0 ? "" : R"({"field":"a"})";
    failure.message = i % 3 == 0 ? "a \"quoted\"\nmessage" : "";
    const std::string message = failure.message.empty() ? std::string(info_of(failure.code).message) : failure.message;
    std::string text;
    append_failure(text, failure, "req_1");
    const json::object envelope = json::parse(text).as_object();
    EXPECT_EQ(envelope.size(), 3U);
    EXPECT_EQ(envelope.at("status"), "error");
    EXPECT_EQ(envelope.at("request_id"), "req_1");
    const json::object& error = envelope.at("error").as_object();
    EXPECT_EQ(text_of(error.at("code")), licensing::wire_name(failure.code));
    EXPECT_EQ(text_of(error.at("message")), message);
    EXPECT_EQ(error.at("details").as_object().size(), i % 2);

    text.clear();
    append_problem(text, failure, "req_1");
    const json::object problem = json::parse(text).as_object();
    EXPECT_EQ(problem.at("type"), "about:blank");
    EXPECT_EQ(problem.at("status"), info_of(failure.code).status);
    EXPECT_EQ(text_of(problem.at("title")), http::reason_phrase(info_of(failure.code).status));
    EXPECT_EQ(text_of(problem.at("detail")), message);
    EXPECT_EQ(text_of(problem.at("code")), licensing::wire_name(failure.code));
    EXPECT_EQ(problem.at("request_id"), "req_1");
    EXPECT_EQ(problem.at("details").as_object().size(), i % 2);
  }
}

licensing::Denial denial(Code code, base::UnixSeconds at = 0) {
  licensing::Denial result;
  result.code = code;
  result.at = at;
  return result;
}

TEST(Errors, DetailsOfDenials) {
  licensing::Denial seats = denial(Code::max_clients_reached);
  seats.max_clients = 5;
  seats.active_clients = 5;
  licensing::Denial seats_later = seats;
  seats_later.next_release_at = 1700000000;
  licensing::Denial hardware = denial(Code::hardware_mismatch);
  hardware.hardware.matched = licensing::bit_of(licensing::ComponentClass::tpm);
  hardware.hardware.differed =
      licensing::bit_of(licensing::ComponentClass::mac) | licensing::bit_of(licensing::ComponentClass::cpu);
  hardware.hardware.missing = licensing::bit_of(licensing::ComponentClass::os);
  licensing::Denial opaque = denial(Code::hardware_mismatch);
  opaque.hardware.opaque_differs = true;
  licensing::Denial feature = denial(Code::feature_not_licensed, 1700000000);
  feature.feature = "a\"b";
  licensing::Denial transfer = denial(Code::transfer_limit_reached, 1700000000);
  transfer.max_transfers = 3;
  licensing::Denial quota = denial(Code::usage_quota_exceeded, licensing::kNever);
  quota.used = 9;
  quota.quota = 10;
  const std::pair<licensing::Denial, std::string> rows[] = {
      {denial(Code::license_revoked), ""},
      {denial(Code::license_key_invalid), ""},
      {denial(Code::client_not_activated), ""},
      {denial(Code::license_expired, 1700000000), R"({"expired_at":1700000000})"},
      {denial(Code::license_not_yet_valid, 1700000000), R"({"starts_at":1700000000})"},
      {denial(Code::check_in_overdue, 1700000000), R"({"check_in_due_at":1700000000})"},
      {denial(Code::lease_expired, 1700000000), R"({"lease_expired_at":1700000000})"},
      {denial(Code::version_not_covered), ""},
      {seats, R"({"max_clients":5,"active_clients":5,"next_release_at":null})"},
      {seats_later, R"({"max_clients":5,"active_clients":5,"next_release_at":1700000000})"},
      {hardware, R"({"matched":["tpm"],"differed":["mac","cpu"],"missing":["os"]})"},
      {opaque, R"({"matched":[],"differed":["hardware_fingerprint"],"missing":[]})"},
      {feature, R"({"feature":"a\"b","expired_at":1700000000})"},
      {transfer, R"({"max_transfers":3,"next_transfer_at":1700000000})"},
      {quota, R"({"used":9,"quota":10,"period_ends_at":null})"},
  };
  for (const auto& [input, expected] : rows)
    EXPECT_EQ(describe(input).details, expected) << licensing::wire_name(input.code);
}

TEST(Errors, WordsForPeople) {
  EXPECT_EQ(format_date(0), "1970-01-01");
  EXPECT_EQ(format_date(1709251199), "2024-02-29");
  EXPECT_EQ(format_date(253402300799), "9999-12-31");
  EXPECT_EQ(describe(denial(Code::license_expired, 1709251199)).message, "License has expired on 2024-02-29");
  EXPECT_EQ(describe(denial(Code::overloaded)).retry_after, 1);
  EXPECT_EQ(describe(denial(Code::unavailable)).retry_after, 1);
  EXPECT_EQ(field_details(""), "");
  EXPECT_EQ(field_details("a\"\n"), R"({"field":"a\"\n"})");
}

}  // namespace
}  // namespace lictor::api
