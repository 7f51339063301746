#include "redis/connection.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <utility>

namespace lictor::redis {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

// Answers PING, and whatever follows with the same bytes.
class OddServer {
 public:
  explicit OddServer(std::string answer) : answer_(std::move(answer)), listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const raw = reinterpret_cast<sockaddr*>(&address);
    const bool listens =
        ::bind(listener_, raw, size) == 0 && ::listen(listener_, 1) == 0 && ::getsockname(listener_, raw, &size) == 0;
    url_.host = "127.0.0.1";
    url_.port = listens ? ntohs(address.sin_port) : std::uint16_t{0};
    thread_ = std::thread([this] { serve(); });
  }
  ~OddServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  OddServer(const OddServer&) = delete;
  OddServer& operator=(const OddServer&) = delete;

  const RedisUrl& url() const noexcept { return url_; }

 private:
  void serve() const {
    const int client = ::accept(listener_, nullptr, nullptr);
    char bytes[4096];
    std::string answer = "+PONG\r\n";
    while (::recv(client, bytes, sizeof bytes, 0) > 0) {
      if (::send(client, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) break;
      answer = answer_;
    }
    ::close(client);
  }

  const std::string answer_;
  const int listener_;
  RedisUrl url_;
  std::thread thread_;
};

// No command is answered with one; hiredis would make room for as many elements as it says, and look at each.
TEST(RedisConnection, AnArrayIsNoAnswerHoweverLongItSaysItIs) {
  for (const char* const array : {"*2147483647\r\n", "*1073741824\r\n$1\r\na\r\n", "*1\r\n$1\r\na\r\n", "*0\r\n"}) {
    OddServer server(array);
    Connection connection(server.url(), milliseconds(5'000));
    try {
      connection.ask({"HGET", "a", "b"}, milliseconds(5'000));
      ADD_FAILURE() << "taken: " << array;
    } catch (const RedisError& error) {
      EXPECT_THAT(error.what(), HasSubstr("answers what is no answer")) << array;
    }
  }
}

TEST(RedisConnection, AnAnswerThatIsLargerThanWhatIsEverPutInEndsIt) {
  OddServer server("$64000000\r\n" + std::string(16'000'000, 'x'));
  Connection connection(server.url(), milliseconds(5'000));
  try {
    connection.ask({"HGET", "a", "b"}, milliseconds(5'000));
    ADD_FAILURE() << "taken";
  } catch (const RedisError& error) {
    EXPECT_THAT(error.what(), HasSubstr("more than was ever put into it"));
  }
}

TEST(RedisConnection, OtherAnswersAreRead) {
  using Kind = Reply::Kind;
  for (const auto& [bytes, kind] : {std::pair{"$1\r\na\r\n", Kind::text},
                                    {":7\r\n", Kind::number},
                                    {"$-1\r\n", Kind::nothing},
                                    {"-OOM no\r\n", Kind::error}}) {
    OddServer server(bytes);
    Connection connection(server.url(), milliseconds(5'000));
    EXPECT_EQ(connection.ask({"HGET", "a", "b"}, milliseconds(5'000)).kind, kind) << bytes;
  }
}

}  // namespace
}  // namespace lictor::redis
