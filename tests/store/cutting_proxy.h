// Between a store and its server: passes everything on, until a request with certain bytes is to be cut off. Then that
// request still reaches the server, and its answer nobody.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace lictor::test {

class CuttingProxy {
 public:
  // On 127.0.0.1, as the server.
  CuttingProxy(std::uint16_t server_port, std::string cut_behind)
      : server_port_(server_port), cut_behind_(std::move(cut_behind)), listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    const bool listens = ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                         ::listen(listener_, 16) == 0 &&
                         ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    port_ = listens ? ntohs(address.sin_port) : 0;
    thread_ = std::thread([this] { run(); });
  }
  ~CuttingProxy() {
    stop_ = true;
    thread_.join();
    for (const auto& [client, server] : pairs_) ::close(client), ::close(server);
    ::close(listener_);
  }
  CuttingProxy(const CuttingProxy&) = delete;
  CuttingProxy& operator=(const CuttingProxy&) = delete;

  std::uint16_t port() const noexcept { return port_; }
  void cut_next() noexcept { armed_ = true; }
  int cuts() const noexcept { return cuts_; }

 private:
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  void accept_one() {
    const int client = ::accept(listener_, nullptr, nullptr);
    const int server = ::socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in address = loopback(server_port_);
    if (::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      pairs_.emplace_back(client, server);
    } else {
      ::close(client), ::close(server);
    }
  }
  // False: this pair is over.
  bool pass_on(int from, int to, bool is_request) {
    std::array<char, 65'536> bytes{};
    const auto size = ::recv(from, bytes.data(), bytes.size(), 0);
    if (size <= 0) return false;
    const std::string_view sent(bytes.data(), static_cast<std::size_t>(size));
    if (::send(to, sent.data(), sent.size(), MSG_NOSIGNAL) != size) return false;
    if (!is_request || sent.find(cut_behind_) == std::string_view::npos || !armed_.exchange(false)) return true;
    static_cast<void>(::recv(to, bytes.data(), bytes.size(), 0));  // the answer: it has happened
    ++cuts_;
    return false;
  }
  void run() {
    while (!stop_) {
      std::vector<pollfd> sockets{{listener_, POLLIN, 0}};
      for (const auto& [client, server] : pairs_)
        sockets.insert(sockets.end(), {{client, POLLIN, 0}, {server, POLLIN, 0}});
      ::poll(sockets.data(), sockets.size(), 20);
      std::vector<std::pair<int, int>> left;
      for (std::size_t i = 0; i < pairs_.size(); ++i) {
        const auto [client, server] = pairs_[i];
        const bool goes_on = (sockets[2 * i + 1].revents == 0 || pass_on(client, server, true)) &&
                             (sockets[2 * i + 2].revents == 0 || pass_on(server, client, false));
        if (goes_on) left.emplace_back(client, server);
        if (!goes_on) ::close(client), ::close(server);
      }
      pairs_ = std::move(left);
      if (sockets.front().revents != 0) accept_one();
    }
  }

  const std::uint16_t server_port_;
  const std::string cut_behind_;
  const int listener_;
  std::uint16_t port_ = 0;
  std::vector<std::pair<int, int>> pairs_;
  std::atomic<bool> armed_{false}, stop_{false};
  std::atomic<int> cuts_{0};
  std::thread thread_;
};

}  // namespace lictor::test
