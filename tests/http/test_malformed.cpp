// Every malformed request against a real server: the right status or a closed connection, and the server lives on.
#include <gtest/gtest.h>

#include <memory>
#include <set>

#include "http/malformed_http.h"
#include "http/test_server.h"

namespace lictor::http::test {
namespace {

void expect_outcome(Client& client, const MalformedRequest& row) {
  for (int i = 0; i < row.good_before; ++i) {
    const auto answer = client.read_answer();
    ASSERT_TRUE(answer) << row.name;
    EXPECT_EQ(answer->status, 200) << row.name;
  }
  if (row.status != 0) {
    const auto answer = client.read_answer();
    ASSERT_TRUE(answer) << row.name;
    EXPECT_EQ(answer->status, row.status) << row.name;
    EXPECT_TRUE(answer->has("\r\nConnection: close\r\n")) << row.name;
    EXPECT_TRUE(answer->has("\r\nContent-Type: application/json\r\n")) << row.name;
    EXPECT_EQ(answer->body.substr(0, 4), std::to_string(row.status) + ' ') << row.name;
  }
  EXPECT_TRUE(client.at_end()) << row.name;
}

TEST(Malformed, EachGetsItsStatusOrAClosedConnection) {
  raise_descriptor_limit();
  TestServer server;
  const std::vector<MalformedRequest> rows = malformed_requests();
  ASSERT_GE(rows.size(), 100U);
  // All at once: some answers come only after a timeout.
  std::vector<std::unique_ptr<Client>> clients;
  int good = 0;
  for (const MalformedRequest& row : rows) {
    clients.push_back(std::make_unique<Client>(server.port()));
    clients.back()->send(row.bytes);
    if (row.then == ThenClient::ends_its_side) clients.back()->end_output();
    good += row.good_before;
  }
  for (std::size_t i = 0; i < rows.size(); ++i) expect_outcome(*clients[i], rows[i]);
  EXPECT_EQ(server.handled, good) << "a malformed request must not reach the handler";

  int refused = 0;
  for (const MalformedRequest& row : rows) refused += row.status != 0 ? 1 : 0;
  EXPECT_EQ(server.server.connections().protocol_errors, static_cast<std::uint64_t>(refused));
  Client after(server.port());
  EXPECT_EQ(after.ask(get("/"))->status, 200);
}

TEST(Malformed, NamesAreDistinct) {
  std::set<std::string> names;
  for (const MalformedRequest& row : malformed_requests()) EXPECT_TRUE(names.insert(row.name).second) << row.name;
}

// A client that sends all of a refused body before it reads must still get the answer, not a reset connection.
TEST(Malformed, TheAnswerToAHugeBodyArrives) {
  TestServer server;
  Client client(server.port());
  client.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n" + std::string(200'000, 'x'));
  const auto answer = client.read_answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 413);
  EXPECT_TRUE(client.at_end());
}

// One byte now and then must not keep a connection longer than the header timeout.
TEST(Malformed, SlowHeadersTimeOut) {
  TestServer server;
  Client client(server.port(), 1);
  const auto start = std::chrono::steady_clock::now();
  const std::string request = get("/", repeat("X: 1\r\n", 50));
  for (const char c : request) {
    if (!client.send({&c, 1})) break;
    ::usleep(50'000);
    if (std::chrono::steady_clock::now() - start > std::chrono::seconds(3)) break;
  }
  const auto answer = client.read_answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 408);
  EXPECT_EQ(server.handled, 0);
}

TEST(Malformed, SlowBodiesTimeOut) {
  TestServer server;
  Client client(server.port(), 5);
  client.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n");
  for (int i = 0; i < 50; ++i) {
    client.send("x");
    ::usleep(50'000);
  }
  EXPECT_EQ(client.read_answer()->status, 408);
  EXPECT_EQ(server.handled, 0);
}

}  // namespace
}  // namespace lictor::http::test
