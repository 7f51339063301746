#include "lictor/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "base/id.h"
#include "crypto/crypto.h"
#include "lictor/error.h"
#include "lictor/json_fields.h"
#include "lictor/page_watch.h"
#include "lictor/text.h"

namespace lictor::cli {
namespace json = boost::json;
namespace {

std::string escaped(std::string_view text) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";  // RFC 3986, 2.3
  std::string out;
  for (const char c : text) {
    if (kPlain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string query_text(const Query& query) {
  std::string out;
  for (const auto& [name, value] : query) {
    if (value.empty()) continue;
    out += out.empty() ? '?' : '&';
    out += name + "=" + escaped(value);
  }
  return out;
}

// `field: terms.lease, allowed: …`
std::string details_text(const json::object& details) {
  std::string out;
  for (const auto& [name, value] : details) {
    const std::string text = value.is_string() ? std::string(value.get_string()) : json::serialize(value);
    out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", std::string_view(name), text);
  }
  return out;
}

// RFC 9110, 8.8.3: the quotes belong to the tag, but a shell would eat them.
std::string if_match_line(const std::string& etag) {
  const bool whole = etag == "*" || etag.starts_with('"') || etag.starts_with("W/");
  const bool plain = std::all_of(etag.begin(), etag.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (!plain) throw CommandError(ExitCode::usage, "--if-match: not an ETag; give the `etag` that --json showed, or *");
  return "If-Match: " + (whole ? etag : '"' + etag + '"');
}

json::object object_from(json::value&& data) {
  return data.is_object() ? std::move(data.get_object()) : json::object();
}

}  // namespace

Client::Client(Connection connection, std::chrono::milliseconds timeout)
    : connection_(std::move(connection)), transfer_(connection_, timeout) {}

Answer Client::exchange(Method method, std::string_view path, std::string body, const std::string& if_match) {
  Request request{method, "/api/v1/admin" + std::string(path), std::move(body), {}};
  if (method == Method::post) {
    // A new one for each command: only the same command, sent again after its answer was lost, is recognised.
    request.headers.push_back("Idempotency-Key: " + base::format_id("lictor", crypto::random_id()));
  }
  if (!if_match.empty()) request.headers.push_back(if_match_line(if_match));
  Answer answer = transfer_.run(request);
  etag_ = answer.etag;
  return answer;
}

json::object Client::get(std::string_view path, const Query& query) {
  return object_from(data_of(exchange(Method::get, std::string(path) + query_text(query), {}, {})));
}

json::object Client::post(std::string_view path, const json::object& body, const std::string& if_match) {
  return object_from(data_of(exchange(Method::post, path, json::serialize(body), if_match)));
}

json::object Client::post_text(std::string_view path, std::string body) {
  return object_from(data_of(exchange(Method::post, path, std::move(body), {})));
}

json::object Client::patch(std::string_view path, const json::object& body, const std::string& if_match) {
  return object_from(data_of(exchange(Method::patch, path, json::serialize(body), if_match)));
}

json::object Client::remove(std::string_view path, const std::string& if_match) {
  return object_from(data_of(exchange(Method::remove, path, {}, if_match)));
}

void Client::pages(std::string_view path, Query query, const std::function<bool(const json::object&)>& visit) {
  query.emplace_back("cursor", "");
  std::string& cursor = query.back().second;
  PageWatch watch;
  while (true) {
    // All of a page's values at once in a few large pieces of memory: pages have up to 5000 items.
    const json::value data = data_of(exchange(Method::get, std::string(path) + query_text(query), {}, {}),
                                     json::make_shared_resource<json::monotonic_resource>());
    if (!visit(data.as_object())) return;
    cursor = watch.next(data.as_object());
    if (cursor.empty()) return;
  }
}

Listing Client::list(std::string_view path, std::string_view member, const Query& query,
                     std::optional<std::size_t> limit, std::size_t page) {
  Listing listing;
  PageWatch watch;
  std::string cursor;
  while (!limit || listing.items.size() < *limit) {
    Query one = query;
    const std::size_t wanted = limit ? std::min(*limit - listing.items.size(), page) : page;
    one.emplace_back("limit", std::to_string(wanted));
    one.emplace_back("cursor", cursor);
    json::object data = get(path, one);
    const std::string next = watch.next(data);
    if (json::value* items = data.if_contains({member.data(), member.size()}); items != nullptr && items->is_array()) {
      for (json::value& item : items->get_array()) listing.items.push_back(std::move(item));
    }
    cursor = next;
    listing.more = !cursor.empty();
    if (cursor.empty()) break;
  }
  return listing;
}

json::value Client::data_of(const Answer& answer, json::storage_ptr storage) const {
  boost::system::error_code error;
  // Invalid UTF-8 in an event that somebody edited in the database must reach the verification of the chain.
  json::parse_options lenient;
  lenient.allow_invalid_utf8 = true;
  json::value parsed = json::parse(answer.body, error, std::move(storage), lenient);
  if (error || !parsed.is_object()) refuse_foreign(answer);
  json::object& envelope = parsed.get_object();
  const std::string status = text_of(envelope, "status");
  json::value* const data = envelope.if_contains("data");
  if (answer.status >= 200 && answer.status < 300 && status == "success" && data != nullptr && data->is_object()) {
    return std::move(*data);
  }
  if (answer.status < 400 || status != "error") refuse_foreign(answer);
  refuse(answer, envelope);
}

void Client::refuse(const Answer& answer, const json::object& envelope) const {
  const json::object error = object_of(envelope, "error");
  const std::string code = text_of(error, "code");
  const json::object details = object_of(error, "details");
  const std::string request_id = text_of(envelope, "request_id");
  std::string line = code + ": " + text_of(error, "message");
  if (const std::string text = details_text(details); !text.empty()) line += " (" + text + ")";
  if (!request_id.empty()) line += " [" + request_id + "]";

  ExitCode exit_code = ExitCode::refused;
  std::string hint;
  if (answer.status == 401) {
    exit_code = ExitCode::unauthenticated;
    hint = fmt::format("the API key came from {}; {}", connection_.key_source, kKeyPlaces);
  } else if (code == "FORBIDDEN") {
    exit_code = ExitCode::unauthenticated;
    hint = fmt::format("the API key from {} lacks a scope for this", connection_.key_source);
  } else if (answer.status == 412) {
    exit_code = ExitCode::changed;
    hint = "somebody changed it meanwhile: look at it again, then give its new etag, or leave --if-match out";
  } else if (!answer.retry_after.empty()) {
    hint = fmt::format("try again in {} s", printable(answer.retry_after));
  }
  throw RefusedError(exit_code, printable(line), hint, code, details);
}

void Client::refuse_foreign(const Answer& answer) const {
  const std::string type = answer.content_type.empty() ? "no content type" : printable(answer.content_type);
  throw CommandError(
      ExitCode::unreachable,
      fmt::format("{} answers, but not as a lictord does (HTTP {}, {})", connection_.url, answer.status, type),
      answer.status >= 300 && answer.status < 400 ? "redirects are not followed; give the final address with --url"
                                                  : "say where the server is with --url or LICTOR_URL");
}

}  // namespace lictor::cli
