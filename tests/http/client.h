// A client that sends exactly the bytes it is told to, and reads answers; blocking, with a timeout on everything.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace lictor::http::test {

struct Answer {
  int status = 0;
  std::string head;  // status line and headers
  std::string body;

  bool has(std::string_view header_line) const { return head.find(header_line) != std::string::npos; }
};

class Client {
 public:
  explicit Client(std::uint16_t port, int timeout_seconds = 10) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const timeval timeout{timeout_seconds, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error("cannot connect");
  }
  Client(Client&& other) noexcept : socket_(std::exchange(other.socket_, -1)), input_(std::move(other.input_)) {}
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { close(); }

  // False when the server has closed meanwhile.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  void end_output() { ::shutdown(socket_, SHUT_WR); }
  void close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }
  // Closes with a reset instead of an orderly end.
  void reset() {
    const linger now{1, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }

  // The next answer, interim ones (1xx) included; nullopt when the connection ended or the time is up.
  std::optional<Answer> read_answer(bool to_head = false) {
    std::size_t end = 0;
    while ((end = input_.find("\r\n\r\n")) == std::string::npos) {
      if (!read_more()) return std::nullopt;
    }
    Answer answer;
    answer.head = input_.substr(0, end + 4);
    answer.status = std::atoi(answer.head.c_str() + 9);
    const std::size_t length = to_head ? 0 : content_length(answer.head);
    while (input_.size() < end + 4 + length) {
      if (!read_more()) return std::nullopt;
    }
    answer.body = input_.substr(end + 4, length);
    input_.erase(0, end + 4 + length);
    return answer;
  }
  std::optional<Answer> ask(std::string_view request) {
    if (!send(request)) return std::nullopt;
    return read_answer();
  }

  // Whether the server ends the connection (in order, or with a reset) without sending anything more.
  bool at_end() { return input_.empty() && !read_more() && !timed_out_; }
  bool timed_out() const { return timed_out_; }
  int socket() const { return socket_; }

 private:
  static std::size_t content_length(const std::string& head) {
    static constexpr std::string_view kName = "\r\nContent-Length: ";
    const std::size_t at = head.find(kName);
    return at == std::string::npos ? 0 : static_cast<std::size_t>(std::atoll(head.c_str() + at + kName.size()));
  }
  bool read_more() {
    char bytes[16384];
    const ssize_t received = ::recv(socket_, bytes, sizeof bytes, 0);
    timed_out_ = received < 0 && errno == EAGAIN;
    if (received <= 0) return false;
    input_.append(bytes, static_cast<std::size_t>(received));
    return true;
  }

  int socket_;
  std::string input_;
  bool timed_out_ = false;
};

// Many connections need many descriptors, for both of their ends.
inline void raise_descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace lictor::http::test
