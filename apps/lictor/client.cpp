#include "lictor/client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "lictor/error.h"
#include "lictor/json_fields.h"
#include "lictor/text.h"

namespace lictor::cli {
namespace json = boost::json;
namespace {

constexpr std::size_t kMaxAnswerBytes = 64u << 20;
constexpr std::size_t kPageSize = 500;  // the most that a list gives at once
constexpr std::chrono::milliseconds kMaxConnectTime{5000};

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

std::size_t append_body(char* data, std::size_t, std::size_t size, void* body) {
  auto& text = *static_cast<std::string*>(body);
  if (text.size() + size > kMaxAnswerBytes) return 0;  // ends the transfer
  text.append(data, size);
  return size;
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

}  // namespace

struct Client::Answer {
  long status = 0;
  std::string content_type;
  std::string retry_after;
  std::string body;
};

// The libcurl handle: https://curl.se/libcurl/c/
class Client::Transfer {
 public:
  Transfer(const Connection& connection, std::chrono::milliseconds timeout)
      : url_(connection.url),
        start_hint_(fmt::format("start the server with: lictord --data {}; or say where it is with --url or LICTOR_URL",
                                connection.data.empty() ? "DIR" : printable(connection.data.string()))),
        handle_(curl_easy_init(), &curl_easy_cleanup) {
    if (!handle_) throw std::runtime_error("libcurl can't start");
    const std::string key_line = "X-API-Key: " + std::string(connection.api_key.reveal());
    for (const char* line :
         {key_line.c_str(), "Accept: application/json", "Content-Type: application/json", "Expect:"}) {
      headers_.reset(curl_slist_append(headers_.release(), line));
    }
    CURL* const curl = handle_.get();
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "lictor/" LICTOR_VERSION);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers_.get());
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(std::min(timeout, kMaxConnectTime).count()));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &append_body);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error_.data());
    if (connection.loopback) curl_easy_setopt(curl, CURLOPT_PROXY, "");  // no proxy reaches this machine's loopback
  }

  // `body`: nothing for GET.
  Answer run(const std::string& path, const std::optional<std::string>& body) {
    CURL* const curl = handle_.get();
    Answer answer;
    error_[0] = '\0';
    curl_easy_setopt(curl, CURLOPT_URL, (url_ + path).c_str());
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer.body);
    if (body) {
      curl_easy_setopt(curl, CURLOPT_POST, 1L);
      curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, static_cast<long>(body->size()));
      curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->c_str());
    } else {
      curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    }
    const CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK) fail(code, body.has_value());
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
    const char* type = nullptr;
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    if (type != nullptr) answer.content_type = type;
    curl_header* header = nullptr;
    if (curl_easy_header(curl, "Retry-After", 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
      answer.retry_after = header->value;
    return answer;
  }

 private:
  [[noreturn]] void fail(CURLcode code, bool changes) const {
    const std::string reason = error_[0] == '\0' ? curl_easy_strerror(code) : error_.data();
    const bool connected = code != CURLE_COULDNT_CONNECT && code != CURLE_COULDNT_RESOLVE_HOST &&
                           code != CURLE_COULDNT_RESOLVE_PROXY && code != CURLE_PEER_FAILED_VERIFICATION &&
                           code != CURLE_SSL_CONNECT_ERROR;
    const char* const other_hint = changes ? "the server may have done it all the same: look before you try again"
                                           : "--timeout gives it more time";
    throw CommandError(ExitCode::unreachable, fmt::format("no answer from {}: {}", url_, printable(reason)),
                       connected ? other_hint : start_hint_);
  }

  std::string url_;
  std::string start_hint_;
  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> handle_;
  std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers_{nullptr, &curl_slist_free_all};
  std::array<char, CURL_ERROR_SIZE> error_{};
};

Client::Client(Connection connection, std::chrono::milliseconds timeout)
    : connection_(std::move(connection)), transfer_(std::make_unique<Transfer>(connection_, timeout)) {}
Client::~Client() = default;

json::object Client::get(std::string_view path, const Query& query) {
  return data_of(transfer_->run("/api/v1/admin" + std::string(path) + query_text(query), std::nullopt));
}

json::object Client::post(std::string_view path, const json::object& body) {
  return data_of(transfer_->run("/api/v1/admin" + std::string(path), json::serialize(body)));
}

Listing Client::list(std::string_view path, std::string_view member, const Query& query,
                     std::optional<std::size_t> limit) {
  Listing listing;
  std::string cursor;
  while (!limit || listing.items.size() < *limit) {
    Query page = query;
    const std::size_t wanted = limit ? std::min(*limit - listing.items.size(), kPageSize) : kPageSize;
    page.emplace_back("limit", std::to_string(wanted));
    page.emplace_back("cursor", cursor);
    const json::object data = get(path, page);
    json::array items = array_of(data, member);
    for (json::value& item : items) listing.items.push_back(std::move(item));
    cursor = items.empty() ? std::string() : text_of(data, "next_cursor");
    listing.more = !cursor.empty();
    if (cursor.empty()) break;
  }
  return listing;
}

json::object Client::data_of(const Answer& answer) const {
  boost::system::error_code error;
  // Invalid UTF-8 in an event that somebody edited in the database must reach the verification of the chain.
  json::parse_options lenient;
  lenient.allow_invalid_utf8 = true;
  const json::value parsed = json::parse(answer.body, error, {}, lenient);
  if (error || !parsed.is_object()) refuse_foreign(answer);
  const json::object& envelope = parsed.get_object();
  const std::string status = text_of(envelope, "status");
  const json::value* data = find(envelope, "data");
  if (answer.status >= 200 && answer.status < 300 && status == "success" && data != nullptr && data->is_object()) {
    return data->get_object();
  }
  if (answer.status < 400 || status != "error") refuse_foreign(answer);
  refuse(answer, envelope);
}

void Client::refuse(const Answer& answer, const json::object& envelope) const {
  const json::object error = object_of(envelope, "error");
  const std::string code = text_of(error, "code");
  const std::string details = details_text(object_of(error, "details"));
  const std::string request_id = text_of(envelope, "request_id");
  std::string line = code + ": " + text_of(error, "message");
  if (!details.empty()) line += " (" + details + ")";
  if (!request_id.empty()) line += " [" + request_id + "]";

  ExitCode exit_code = ExitCode::refused;
  std::string hint;
  if (answer.status == 401) {
    exit_code = ExitCode::unauthenticated;
    hint = fmt::format("the API key came from {}; {}", connection_.key_source, kKeyPlaces);
  } else if (code == "FORBIDDEN") {
    exit_code = ExitCode::unauthenticated;
    hint = fmt::format("the API key from {} lacks a scope for this", connection_.key_source);
  } else if (!answer.retry_after.empty()) {
    hint = fmt::format("try again in {} s", printable(answer.retry_after));
  }
  throw CommandError(exit_code, printable(line), hint);
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
