// What a good client sees of the server: keep-alive, pipelines, limits, stopping.
#include <gtest/gtest.h>

#include <cstring>
#include <future>
#include <system_error>
#include <thread>

#include "http/malformed_http.h"
#include "http/test_server.h"

namespace lictor::http::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

TEST(Server, AnswersWithWhatTheHandlerSays) {
  TestServer server;
  Client client(server.port());
  const auto answer = client.ask(post("/echo", "hello"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "hello");
  EXPECT_TRUE(answer->head.starts_with("HTTP/1.1 200 OK\r\nDate: ")) << answer->head;
  EXPECT_TRUE(answer->has(" GMT\r\n"));
  EXPECT_TRUE(answer->has("\r\nContent-Type: text/plain\r\n"));
  EXPECT_TRUE(answer->has("\r\nContent-Length: 5\r\n"));
  EXPECT_TRUE(answer->has("\r\nX-Extra: 1\r\n"));
  EXPECT_FALSE(answer->has("Connection:"));
  EXPECT_FALSE(answer->has("Server:"));
}

TEST(Server, TheHandlerSeesTheRequest) {
  std::string seen;
  TestServer server(quick_options(), [&](Exchange& exchange) {
    const Request& request = exchange.request();
    seen = std::string(request.method) + '|' + std::string(request.target) + '|' + std::string(request.path) + '|' +
           std::string(request.query) + '|' + std::string(request.peer) + '|' + std::string(request.header("x-a"));
    EXPECT_LT(steady_clock::now() - request.received_at, seconds(5));
    EXPECT_EQ(exchange.io_thread(), 0U);
    exchange.respond(204, {}, {}, {});
  });
  Client client(server.port());
  const auto answer = client.ask(get("/a?b", "X-A: c\r\n"));
  EXPECT_EQ(answer->status, 204);
  EXPECT_FALSE(answer->has("Content-Length"));
  EXPECT_FALSE(answer->has("Content-Type"));
  EXPECT_EQ(seen, "GET|/a?b|/a|b|127.0.0.1|c");
}

struct KeepAliveRow {
  const char* name;
  std::string request;
  bool kept;
  const char* header;  // that the answer must have; empty: no Connection header
};

TEST(Server, KeepsOrClosesTheConnection) {
  const std::string host = "\r\nHost: h\r\n";
  const KeepAliveRow rows[] = {
      {"1.1", "GET / HTTP/1.1" + host + "\r\n", true, ""},
      {"1.1 close", "GET / HTTP/1.1" + host + "Connection: close\r\n\r\n", false, "Connection: close"},
      {"1.1 Close among others", "GET / HTTP/1.1" + host + "Connection: x, Close\r\n\r\n", false, "Connection: close"},
      {"1.0", "GET / HTTP/1.0\r\n\r\n", false, "Connection: close"},
      {"1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true, "Connection: keep-alive"},
      {"1.0 with body", "POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi", false, "Connection: close"},
  };
  TestServer server;
  for (const KeepAliveRow& row : rows) {
    Client client(server.port());
    const auto answer = client.ask(row.request);
    ASSERT_TRUE(answer) << row.name;
    EXPECT_EQ(answer->status, 200) << row.name;
    EXPECT_EQ(answer->has("Connection:"), *row.header != '\0') << row.name;
    EXPECT_TRUE(answer->has(row.header)) << row.name;
    if (row.kept) {
      EXPECT_EQ(client.ask(get("/"))->status, 200) << row.name;
    } else {
      EXPECT_TRUE(client.at_end()) << row.name;
    }
  }
}

TEST(Server, HeadHasTheHeadersOfGetAndNoBody) {
  TestServer server;
  Client client(server.port());
  client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
  const auto answer = client.read_answer(true);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->has("\r\nContent-Length: 2\r\n"));
  EXPECT_EQ(client.ask(get("/"))->body, "ok") << "what follows must be the next answer";
}

TEST(Server, AnswersAPipelineInOrder) {
  TestServer server;
  Client client(server.port());
  std::string requests;
  for (int i = 0; i < 300; ++i) requests += post("/echo", "number " + std::to_string(i));
  std::thread sender([&] { client.send(requests); });
  for (int i = 0; i < 300; ++i) {
    const auto answer = client.read_answer();
    ASSERT_TRUE(answer) << i;
    ASSERT_EQ(answer->body, "number " + std::to_string(i));
  }
  sender.join();
}

TEST(Server, AnswersWhatCameBeforeTheClientsEnd) {
  TestServer server;
  Client client(server.port());
  client.send(get("/") + post("/echo", "last"));
  client.end_output();
  EXPECT_EQ(client.read_answer()->body, "ok");
  EXPECT_EQ(client.read_answer()->body, "last");
  EXPECT_TRUE(client.at_end());
}

TEST(Server, TakesBodiesUpToTheLimitInAnyPieces) {
  TestServer server;
  std::string body(64 * 1024, 'b');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>('a' + i % 23);
  Client client(server.port());
  for (int round = 0; round < 3; ++round) {
    const std::string request = post("/echo", body);
    for (std::size_t at = 0; at < request.size(); at += 9999) client.send(request.substr(at, 9999));
    const auto answer = client.read_answer();
    ASSERT_TRUE(answer);
    EXPECT_TRUE(answer->body == body);
  }
  std::string chunks;
  for (std::size_t at = 0; at < body.size(); at += 1000) {
    const std::string piece = body.substr(at, 1000);
    char size[16];
    std::snprintf(size, sizeof size, "%zx\r\n", piece.size());
    chunks += size + piece + "\r\n";
  }
  const auto answer = client.ask("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks +
                                 "0\r\nX-Trailer: 1\r\n\r\n");
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->body == body);
}

TEST(Server, TheBodyLimitMayDependOnTheRequest) {
  ServerHooks hooks;
  hooks.handle = [](Exchange& exchange) { exchange.respond(200, "text/plain", {}, exchange.request().body); };
  hooks.body_limit = [](const Request& request, unsigned io_thread) -> std::size_t {
    EXPECT_EQ(io_thread, 0U);
    return request.method == "PUT" && request.path == "/large" && request.header("X-May") == "1" ? 1'000'000 : 10;
  };
  Server server(quick_options(), hooks);
  server.start();
  const std::string body(500'000, 'x');
  Client client(server.port());
  const auto answer =
      client.ask("PUT /large?a HTTP/1.1\r\nHost: h\r\nX-May: 1\r\nContent-Length: 500000\r\n\r\n" + body);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->body == body);
  EXPECT_EQ(client.ask(post("/large", "0123456789a"))->status, 200) << "what the server takes anyway is not asked for";
  EXPECT_EQ(client.ask(post("/large", std::string(65'537, 'x')))->status, 413);
  Client other(server.port());
  EXPECT_EQ(other.ask("PUT /large HTTP/1.1\r\nHost: h\r\nContent-Length: 65537\r\n\r\n")->status, 413);
}

TEST(Server, InvitesABodyOnlyWhenItWillTakeIt) {
  TestServer server;
  const std::string head = "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n";
  Client client(server.port());
  const auto interim = client.ask(head + "Content-Length: 5\r\n\r\n");
  ASSERT_TRUE(interim);
  EXPECT_EQ(interim->head, "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(client.ask("hello")->body, "hello");
  EXPECT_EQ(client.ask(head + "Content-Length: 5\r\n\r\nhello")->body, "hello") << "nobody waits for an invitation";

  EXPECT_EQ(client.ask(head + "Transfer-Encoding: chunked\r\n\r\n")->status, 100);
  EXPECT_EQ(client.ask("5\r\nhello\r\n0\r\n\r\n")->body, "hello");

  EXPECT_EQ(client.ask(head + "Content-Length: 65537\r\n\r\n")->status, 413);
  Client old(server.port());
  const auto answer = old.ask("POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi");
  EXPECT_EQ(answer->body, "hi") << "HTTP/1.0 knows no interim answers";
}

TEST(Server, ManyIdleConnectionsAndStillAnswers) {
  raise_descriptor_limit();
  TestServer server;
  std::vector<std::unique_ptr<Client>> idle;
  for (int i = 0; i < 1000; ++i) {
    idle.push_back(std::make_unique<Client>(server.port()));
    ASSERT_EQ(idle.back()->ask(get("/"))->status, 200);
  }
  EXPECT_EQ(server.server.connections().open, 1000U);
  EXPECT_EQ(server.server.connections().accepted, 1000U);
  for (const auto& client : idle) ASSERT_EQ(client->ask(get("/"))->status, 200);
  idle.clear();
  EXPECT_TRUE(eventually([&] { return server.server.connections().open == 0; }));
}

TEST(Server, ClosesIdleConnections) {
  ServerOptions options = quick_options();
  options.idle_timeout = seconds(1);
  TestServer server(options);
  Client client(server.port());
  for (int i = 0; i < 4; ++i) {  // each request starts the time anew
    EXPECT_EQ(client.ask(get("/"))->status, 200);
    std::this_thread::sleep_for(milliseconds(600));
  }
  EXPECT_TRUE(client.at_end());
}

TEST(Server, ASlowReaderGetsItAllButNotForEver) {
  ServerOptions options = quick_options();
  options.write_timeout = seconds(1);
  TestServer server(options);
  Client slow(server.port());
  for (int i = 0; i < 3; ++i) slow.send(get("/large"));
  for (int i = 0; i < 3; ++i) {
    std::this_thread::sleep_for(milliseconds(300));
    const auto answer = slow.read_answer();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body.size(), 4'000'000U);
  }
  Client stuck(server.port());
  for (int i = 0; i < 100; ++i) stuck.send(get("/large"));
  const int before = server.handled;
  EXPECT_TRUE(eventually([&] { return server.server.connections().open == 1; })) << "only the first is left";
  EXPECT_LT(server.handled - before, 100) << "no further answers are made while one can't be sent";
}

TEST(Server, RefusesConnectionsOverTheLimit) {
  ServerOptions options = quick_options();
  options.max_connections = 2;
  TestServer server(options);
  Client first(server.port());
  Client second(server.port());
  EXPECT_EQ(first.ask(get("/"))->status, 200);
  EXPECT_EQ(second.ask(get("/"))->status, 200);
  for (int i = 0; i < 5; ++i) {
    Client third(server.port());
    const auto answer = third.ask(get("/"));
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 503);
    EXPECT_TRUE(answer->has("\r\nRetry-After: 1\r\n"));
    EXPECT_TRUE(answer->has("\r\nConnection: close\r\n"));
    EXPECT_TRUE(third.at_end());
  }
  EXPECT_EQ(server.server.connections().refused, 5U);
  EXPECT_EQ(server.server.connections().protocol_errors, 0U);
  first.close();
  EXPECT_TRUE(eventually([&] { return Client(server.port()).ask(get("/"))->status == 200; }));
}

TEST(Server, LimitsChangeWhileItRuns) {
  ServerOptions options = quick_options();
  options.io_threads = 2;
  TestServer server(options);
  Client first(server.port());
  EXPECT_EQ(first.ask(get("/"))->status, 200);
  ServerLimits limits = static_cast<const ServerLimits&>(options);
  limits.max_connections = 1;
  server.server.set_limits(limits);
  EXPECT_EQ(Client(server.port()).ask(get("/"))->status, 503) << "holds for the next connection";
  EXPECT_EQ(first.ask(get("/"))->status, 200) << "which is there already";
  limits.max_connections = 10;
  limits.idle_timeout = milliseconds(500);
  server.server.set_limits(limits);
  Client second(server.port());
  EXPECT_EQ(second.ask(get("/"))->status, 200);
  EXPECT_EQ(first.ask(get("/"))->status, 200) << "begins its next wait";
  EXPECT_TRUE(first.at_end());
  EXPECT_TRUE(second.at_end());
}

TEST(Server, EachThreadReportsHoweverIdleUnlessItIsStuck) {
  std::atomic<bool> stuck{false};
  TestServer server(quick_options(), [&](Exchange& exchange) {
    while (stuck) std::this_thread::sleep_for(milliseconds(10));
    exchange.respond(200, "text/plain", {}, "at last");
  });
  const auto silent = [&] { return std::chrono::steady_clock::now() - server.server.slowest_report(); };
  std::this_thread::sleep_for(milliseconds(1200));
  EXPECT_LT(silent(), milliseconds(1000));
  stuck = true;
  Client client(server.port());
  client.send(get("/"));
  EXPECT_TRUE(eventually([&] { return silent() > milliseconds(1500); }));
  stuck = false;
  EXPECT_TRUE(eventually([&] { return silent() < milliseconds(1000); }));
  server.server.stop(milliseconds(0));
  EXPECT_EQ(server.server.slowest_report(), std::chrono::steady_clock::time_point::max()) << "no thread is behind";
}

TEST(Server, RunningOutOfDescriptorsDoesNotStopIt) {
  TestServer server;
  Client before(server.port());
  ASSERT_EQ(before.ask(get("/"))->status, 200);
  rlimit saved{};
  ::getrlimit(RLIMIT_NOFILE, &saved);
  std::optional<Answer> answer;
  std::thread asking;
  {
    Client waiting(server.port());
    ASSERT_EQ(waiting.ask(get("/"))->status, 200);
    rlimit tight = saved;
    const int highest = ::dup(0);
    ::close(highest);
    tight.rlim_cur = static_cast<rlim_t>(highest) + 1;  // room for the client's end only
    ::setrlimit(RLIMIT_NOFILE, &tight);
    Client late(server.port());
    EXPECT_EQ(before.ask(get("/"))->status, 200) << "others are served meanwhile";
    ::setrlimit(RLIMIT_NOFILE, &saved);
    answer = late.ask(get("/"));
  }
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
}

TEST(Server, SeveralThreadsShareThePort) {
  ServerOptions options = quick_options();
  options.io_threads = 3;
  std::atomic<unsigned> seen{0};
  TestServer server(options, [&](Exchange& exchange) {
    seen |= 1U << exchange.io_thread();
    exchange.respond(200, "text/plain", {}, "ok");
  });
  for (int i = 0; i < 200 && seen != 7; ++i) ASSERT_EQ(Client(server.port()).ask(get("/"))->status, 200);
  EXPECT_EQ(seen, 7U);
}

TEST(Server, SaysWhereItCannotListen) {
  for (const unsigned io_threads : {1U, 2U}) {
    TestServer taken;
    ServerOptions options = quick_options();
    options.io_threads = io_threads;
    options.listen_port = taken.port();
    try {
      const Server second(options, {});
      FAIL() << "the port is taken";
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.code(), std::errc::address_in_use);
      EXPECT_NE(std::string(error.what()).find("127.0.0.1:" + std::to_string(taken.port())), std::string::npos);
    }
  }
  ServerOptions options = quick_options();
  options.listen_address = "localhost";
  EXPECT_THROW(Server(options, {}), std::system_error) << "names are not resolved";
}

TEST(Server, ListensOnIpv6) {
  ServerOptions options = quick_options();
  options.listen_address = "::";
  std::string peer;
  TestServer server(options, [&](Exchange& exchange) {
    peer = exchange.request().peer;
    exchange.respond(200, "text/plain", {}, "ok");
  });
  EXPECT_EQ(Client(server.port()).ask(get("/"))->status, 200);
  EXPECT_EQ(peer, "127.0.0.1") << "an IPv4 peer is named as such";
}

TEST(ServerStop, ClosesIdleConnectionsAtOnce) {
  TestServer server;
  Client idle(server.port());
  EXPECT_EQ(idle.ask(get("/"))->status, 200);
  const auto start = steady_clock::now();
  server.server.stop(seconds(30));
  EXPECT_LT(steady_clock::now() - start, seconds(5));
  EXPECT_TRUE(idle.at_end());
  EXPECT_THROW(Client{server.port()}, std::runtime_error);
  server.server.stop(seconds(30));
}

// A proxy asks another server when a connection ends that it kept, but not when it is reset.
TEST(ServerStop, ARequestThatCrossesTheEndOfAnIdleConnectionMeetsNoReset) {
  TestServer server;
  Client client(server.port());
  EXPECT_EQ(client.ask(get("/"))->status, 200);
  std::thread stopper([&] { server.server.stop(seconds(30)); });
  char byte = 0;
  EXPECT_EQ(::recv(client.socket(), &byte, 1, MSG_PEEK), 0) << "the end is told at once";
  client.send(get("/"));
  std::this_thread::sleep_for(milliseconds(50));
  int error = 0;
  socklen_t size = sizeof error;
  EXPECT_EQ(::getsockopt(client.socket(), SOL_SOCKET, SO_ERROR, &error, &size), 0);
  EXPECT_EQ(error, 0) << std::strerror(error);
  EXPECT_EQ(::recv(client.socket(), &byte, 1, 0), 0);
  client.close();
  const auto start = steady_clock::now();
  stopper.join();
  EXPECT_LT(steady_clock::now() - start, seconds(5));
}

TEST(ServerStop, ServesWhoIsConnectedAlready) {
  std::promise<void> held, go_on;
  TestServer server(quick_options(), [&](Exchange& exchange) {
    if (exchange.request().path == "/hold") {
      held.set_value();
      go_on.get_future().wait();
    }
    exchange.respond(200, "text/plain", {}, "ok");
  });
  Client first(server.port());
  first.send(get("/hold"));
  held.get_future().wait();  // the thread that would accept the second is busy
  const std::jthread stopper([&] { server.server.stop(seconds(30)); });
  std::this_thread::sleep_for(milliseconds(50));  // the order to stop waits for it, too
  Client second(server.port());
  second.send(get("/"));
  go_on.set_value();
  for (Client* const each : {&first, &second}) {
    const auto answer = each->read_answer();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 200);
    each->close();
  }
}

TEST(ServerStop, LetsRequestsInFlightFinish) {
  TestServer server;
  Client client(server.port());
  client.send(get("/defer"));
  std::vector<Deferred> waiting = server.waiting.take(1);
  Client half(server.port());
  half.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe");
  ASSERT_TRUE(eventually([&] { return server.server.connections().open == 2; }));
  std::this_thread::sleep_for(milliseconds(100));
  std::thread stopper([&] { server.server.stop(seconds(30)); });
  std::this_thread::sleep_for(milliseconds(200));
  waiting.front().resume(std::make_unique<Text>("done"));
  half.send("llo");
  for (Client* const each : {&client, &half}) {
    const auto answer = each->read_answer();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body, each == &client ? "done/defer" : "hello");
    EXPECT_TRUE(answer->has("\r\nConnection: close\r\n"));
    EXPECT_TRUE(each->at_end());
    each->close();
  }
  stopper.join();
}

TEST(ServerStop, EndsAfterTheGrace) {
  TestServer server;
  Client client(server.port());
  client.send(get("/defer"));
  std::vector<Deferred> waiting = server.waiting.take(1);
  const auto start = steady_clock::now();
  server.server.stop(milliseconds(300));
  const auto took = steady_clock::now() - start;
  EXPECT_GE(took, milliseconds(300));
  EXPECT_LT(took, seconds(5));
  EXPECT_TRUE(client.at_end());
  std::atomic<int> runs{0};
  waiting.front().resume(std::make_unique<Text>("late", &runs));
  EXPECT_EQ(runs, 0) << "the thread it belongs to is gone";
}

TEST(ServerStop, FromManyThreadsAtOnce) {
  TestServer server;
  std::vector<std::thread> stoppers;
  for (int i = 0; i < 4; ++i) stoppers.emplace_back([&] { server.server.stop(milliseconds(100)); });
  for (std::thread& stopper : stoppers) stopper.join();
}

TEST(ServerStop, WithoutStart) {
  Server server(quick_options(), {});
  server.stop(seconds(1));
}

}  // namespace
}  // namespace lictor::http::test
