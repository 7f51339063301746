#include "lictor/transfer.h"

#include <fmt/format.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <stdexcept>

#include "lictor/error.h"
#include "lictor/text.h"

namespace lictor::cli {
namespace {

constexpr std::size_t kMaxAnswerBytes = 64u << 20;
constexpr std::chrono::milliseconds kMaxConnectTime{5000};

std::size_t append_body(char* data, std::size_t, std::size_t size, void* body) {
  auto& text = *static_cast<std::string*>(body);
  if (text.size() + size > kMaxAnswerBytes) return 0;  // ends the transfer
  text.append(data, size);
  return size;
}

std::string header_of(CURL* curl, const char* name) {
  curl_header* header = nullptr;
  return curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK ? header->value : "";
}

// The connection ended before the answer did: whether the server acted on the request is not known.
bool is_broken(CURLcode code) {
  return code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING ||
         code == CURLE_PARTIAL_FILE;
}

}  // namespace

Transfer::Transfer(const Connection& connection, std::chrono::milliseconds timeout)
    : url_(connection.url),
      key_line_("X-API-Key: " + std::string(connection.api_key.reveal())),
      start_hint_(fmt::format("start the server with: lictord --data {}; or say where it is with --url or LICTOR_URL",
                              connection.data.empty() ? "DIR" : printable(connection.data.string()))),
      handle_(curl_easy_init(), &curl_easy_cleanup) {
  if (!handle_) throw std::runtime_error("libcurl can't start");
  CURL* const curl = handle_.get();
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "lictor/" LICTOR_VERSION);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(std::min(timeout, kMaxConnectTime).count()));
  curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 256L * 1024);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &append_body);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error_.data());
  if (!connection.ca_file.empty()) {
    curl_easy_setopt(curl, CURLOPT_CAINFO, connection.ca_file.c_str());
    curl_easy_setopt(curl, CURLOPT_CAPATH, nullptr);  // the system's
  }
  if (connection.loopback) curl_easy_setopt(curl, CURLOPT_PROXY, "");  // no proxy reaches this machine's loopback
}

Answer Transfer::run(const Request& request) {
  Answer answer;
  CURLcode code = perform(request, answer);
  if (is_broken(code) && (request.method == Method::get || request.method == Method::post)) {
    answer = Answer();
    code = perform(request, answer);
  }
  if (code != CURLE_OK) fail(code, request.method != Method::get);
  CURL* const curl = handle_.get();
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
  const char* type = nullptr;
  curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
  if (type != nullptr) answer.content_type = type;
  answer.retry_after = header_of(curl, "Retry-After");
  answer.etag = header_of(curl, "ETag");
  if (answer.etag.size() >= 2 && answer.etag.front() == '"')
    answer.etag = answer.etag.substr(1, answer.etag.size() - 2);
  return answer;
}

CURLcode Transfer::perform(const Request& request, Answer& answer) {
  CURL* const curl = handle_.get();
  std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers{nullptr, &curl_slist_free_all};
  const auto add = [&headers](const char* line) { headers.reset(curl_slist_append(headers.release(), line)); };
  for (const char* line :
       {key_line_.c_str(), "Accept: application/json", "Content-Type: application/json", "Expect:"}) {
    add(line);
  }
  for (const std::string& line : request.headers) add(line.c_str());
  error_[0] = '\0';
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_URL, (url_ + request.path).c_str());
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer.body);
  if (request.method == Method::post || request.method == Method::patch) {
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.c_str());
  } else {
    curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
  }
  const char* const verb = request.method == Method::patch    ? "PATCH"
                           : request.method == Method::remove ? "DELETE"
                                                              : nullptr;
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, verb);
  const CURLcode code = curl_easy_perform(curl);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, nullptr);  // they end with this function
  return code;
}

void Transfer::fail(CURLcode code, bool changes) const {
  const std::string reason = error_[0] == '\0' ? curl_easy_strerror(code) : error_.data();
  throw CommandError(ExitCode::unreachable, fmt::format("no answer from {}: {}", url_, printable(reason)),
                     hint_for(code, changes));
}

bool Transfer::has_unknown_issuer() const {
  long result = X509_V_OK;
  curl_easy_getinfo(handle_.get(), CURLINFO_SSL_VERIFYRESULT, &result);
  return result == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY || result == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
         result == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT || result == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN;
}

std::string Transfer::hint_for(CURLcode code, bool changes) const {
  switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return start_hint_;
    case CURLE_SSL_CONNECT_ERROR:
      return "is it https that is spoken there? the address begins with http:// or https://";
    case CURLE_PEER_FAILED_VERIFICATION:
      return has_unknown_issuer()
                 ? "for an authority of your own, give its certificate with --ca-file FILE or LICTOR_CA_FILE"
                 : "give the address that the server's certificate is for; if it is, that certificate is out of date";
    case CURLE_SSL_CACERT_BADFILE:
      return "--ca-file and LICTOR_CA_FILE name a file of certificates in PEM form";
    default:
      return changes ? "the server may have done it all the same: look before you try again"
                     : "--timeout gives it more time";
  }
}

}  // namespace lictor::cli
