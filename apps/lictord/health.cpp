#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>

#include "config/data_files.h"
#include "lictord/address.h"
#include "lictord/commands.h"
#include "lictord/key_file.h"

namespace lictor::daemon {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{4};  // in all; below the 5 s that health checks are usually given

struct Address {
  std::string host;  // numeric, without brackets
  std::uint16_t port = 0;
};

// The address that is listened on; of port 0, what the server that runs has noted.
Address address_of(const config::Options& options) {
  Address address{local_host_of(options.server.listen_address), options.server.listen_port};
  if (address.port != 0) return address;
  const std::string url = running_url((options.server.data / config::kUrlFile).string());
  const std::size_t colon = url.rfind(':');
  if (colon == std::string::npos) {
    throw std::runtime_error(fmt::format("no lictord runs on {}", options.server.data.string()));
  }
  std::from_chars(url.data() + colon + 1, url.data() + url.size(), address.port);
  return address;
}

class Socket {
 public:
  explicit Socket(const Address& address) : end_(steady_clock::now() + kPatience) {
    addrinfo hints{};
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int failed = ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
    if (failed != 0) throw std::runtime_error(fmt::format("{}: {}", address.host, gai_strerror(failed)));
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    descriptor_ = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    limit_wait();
    if (descriptor_ >= 0 && ::connect(descriptor_, found->ai_addr, found->ai_addrlen) == 0) return;
    const int error = errno;
    if (descriptor_ >= 0) ::close(descriptor_);
    throw std::runtime_error(fmt::format("{}: {}", url_of(address.host, address.port),
                                         error == EINPROGRESS ? "no connection in time" : std::strerror(error)));
  }
  ~Socket() { ::close(descriptor_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  bool send(std::string_view text) { return ::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL) >= 0; }

  // What it answers, up to `most` bytes or the end of patience.
  std::string receive(std::size_t most) {
    std::string text;
    std::array<char, 512> part{};
    while (text.size() < most && limit_wait()) {
      const ssize_t got = ::recv(descriptor_, part.data(), part.size(), 0);
      if (got <= 0) break;
      text.append(part.data(), static_cast<std::size_t>(got));
    }
    return text;
  }

 private:
  bool limit_wait() {
    const auto left = std::chrono::duration_cast<std::chrono::microseconds>(end_ - steady_clock::now());
    if (left.count() <= 0) return false;
    const timeval time{static_cast<time_t>(left.count() / 1'000'000),
                       static_cast<suseconds_t>(left.count() % 1'000'000)};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    ::setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
    return true;
  }

  const steady_clock::time_point end_;
  int descriptor_ = -1;
};

// The status of "HTTP/1.1 200 OK".
std::optional<int> status_of(std::string_view answer) {
  constexpr std::string_view kVersion = "HTTP/1.1 ";
  if (!answer.starts_with(kVersion) || answer.size() < kVersion.size() + 3) return std::nullopt;
  const char* const digits = answer.data() + kVersion.size();
  int status = 0;
  const auto [end, error] = std::from_chars(digits, digits + 3, status);
  return error == std::errc{} && end == digits + 3 ? std::optional(status) : std::nullopt;
}

}  // namespace

int run_health(const config::CommandLine& line) {
  const Address address = address_of(*line.outcome.options);
  const std::string path = line.has("--live") ? "/health" : "/ready";
  const std::string url = url_of(address.host, address.port) + path;
  Socket socket(address);
  socket.send(fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", path,
                          url_of(address.host, address.port).substr(std::strlen("http://"))));
  const std::string answer = socket.receive(16);
  const auto status = status_of(answer);
  if (!status) {
    throw std::runtime_error(answer.empty() ? fmt::format("{}: no answer within {} s", url, kPatience.count())
                                            : fmt::format("{}: what answers there is no lictord", url));
  }
  if (*status != 200) throw std::runtime_error(fmt::format("{}: HTTP {}", url, *status));
  std::printf("%s: well\n", url.c_str());
  return 0;
}

}  // namespace lictor::daemon
