// Answers from other threads.
#include <gtest/gtest.h>

#include <thread>

#include "http/test_server.h"

namespace lictor::http::test {
namespace {

TEST(Deferred, AnswersFromAnotherThread) {
  TestServer server;
  Client client(server.port());
  for (int i = 0; i < 3; ++i) {
    client.send(get("/defer"));
    std::thread([&] { server.waiting.take(1).front().resume(std::make_unique<Text>("from afar ")); }).join();
    const auto answer = client.read_answer();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body, "from afar /defer");
  }
}

TEST(Deferred, KeepsTheOrderOfAPipeline) {
  TestServer server;
  Client client(server.port());
  client.send(post("/echo", "1") + get("/defer") + post("/echo", "3") + get("/defer") + post("/echo", "5"));
  EXPECT_EQ(client.read_answer()->body, "1") << "what is ready does not wait";
  server.waiting.take(1).front().resume(std::make_unique<Text>("2 "));
  EXPECT_EQ(client.read_answer()->body, "2 /defer");
  EXPECT_EQ(client.read_answer()->body, "3");
  server.waiting.take(1).front().resume(std::make_unique<Text>("4 "));
  EXPECT_EQ(client.read_answer()->body, "4 /defer");
  EXPECT_EQ(client.read_answer()->body, "5");
}

TEST(Deferred, ManyThreadsResumeManyConnections) {
  raise_descriptor_limit();
  constexpr int kThreads = 8;
  constexpr int kConnections = 64;
  constexpr int kRounds = 50;
  ServerOptions options = quick_options();
  options.io_threads = 2;
  TestServer server(options);
  std::atomic<int> runs{0};
  std::atomic<bool> done{false};
  std::vector<std::thread> workers;
  for (int i = 0; i < kThreads; ++i) {
    workers.emplace_back([&] {
      while (!done) {
        for (Deferred& deferred : server.waiting.take(0)) deferred.resume(std::make_unique<Text>("w", &runs));
        std::this_thread::yield();
      }
    });
  }
  std::vector<Client> clients;
  for (int i = 0; i < kConnections; ++i) clients.emplace_back(server.port());
  for (int round = 0; round < kRounds; ++round) {
    for (Client& client : clients) client.send(get("/defer"));
    for (Client& client : clients) {
      const auto answer = client.read_answer();
      ASSERT_TRUE(answer);
      ASSERT_EQ(answer->body, "w/defer");
    }
  }
  done = true;
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(runs, kConnections * kRounds);
}

TEST(Deferred, RunsEvenWhenTheClientHasGone) {
  TestServer server;
  std::atomic<int> runs{0};
  for (const bool with_reset : {false, true}) {
    Client client(server.port());
    client.send(get("/defer") + get("/defer"));
    std::vector<Deferred> waiting = server.waiting.take(1);
    if (with_reset) {
      client.reset();
    } else {
      client.close();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    waiting.front().resume(std::make_unique<Text>("x", &runs));
    // The second request of the pipeline was complete before the client left; it may or may not be handled.
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    for (Deferred& deferred : server.waiting.take(0)) deferred.resume(std::make_unique<Text>("y"));
  }
  EXPECT_TRUE(eventually([&] { return runs == 2; }));
  EXPECT_TRUE(eventually([&] { return server.server.connections().open == 0; }));
}

// The connection is closed by a failed write while a Deferred is still out.
TEST(Deferred, OutlivesItsConnection) {
  Waiting waiting;
  TestServer server(quick_options(), [&](Exchange& exchange) {
    if (exchange.request().path == "/both") waiting.add(exchange.defer());
    exchange.respond(200, "text/plain", {}, std::string(20'000'000, 'x'));
  });
  Client client(server.port());
  client.send(get("/both"));
  std::vector<Deferred> deferred = waiting.take(1);
  client.reset();
  ASSERT_TRUE(eventually([&] { return server.server.connections().open == 0; }));
  deferred.front().resume(std::make_unique<Text>("x"));
  EXPECT_EQ(Client(server.port()).ask(get("/"))->status, 200);
}

// A pipeline of deferred requests, whose client doesn't read, must not pile up answers.
TEST(Deferred, WaitsForTheReader) {
  TestServer server;
  Client client(server.port());
  std::string pipeline = get("/defer");
  for (int i = 0; i < 20; ++i) pipeline += get("/large") + get("/defer");
  client.send(pipeline);
  server.waiting.take(1).front().resume(std::make_unique<Text>("x"));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_LT(server.handled, 20) << "of 41; how many depends on what the kernel buffers";
}

TEST(Deferred, DroppedIsA500) {
  TestServer server;
  Client client(server.port());
  const auto answer = client.ask(get("/drop"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 500);
  EXPECT_EQ(server.server.connections().protocol_errors, 0U);
}

TEST(Deferred, HandlersThatFailAreA500) {
  TestServer server;
  for (const char* const path : {"/throw", "/silent"}) {
    Client client(server.port());
    const auto answer = client.ask(get(path));
    ASSERT_TRUE(answer) << path;
    EXPECT_EQ(answer->status, 500) << path;
    EXPECT_EQ(answer->body, "500 The request was not answered") << path;
    EXPECT_TRUE(client.at_end()) << path;
  }
  EXPECT_EQ(Client(server.port()).ask(get("/"))->status, 200);
}

// Defers once more, then answers.
class Again final : public Continuation {
 public:
  explicit Again(Waiting& waiting) : waiting_(waiting) {}
  void run(Exchange& exchange) override { waiting_.add(exchange.defer()); }

 private:
  Waiting& waiting_;
};

TEST(Deferred, MayBeDeferredAgain) {
  TestServer server;
  Client client(server.port());
  client.send(get("/defer"));
  server.waiting.take(1).front().resume(std::make_unique<Again>(server.waiting));
  server.waiting.take(1).front().resume(std::make_unique<Text>("second "));
  EXPECT_EQ(client.read_answer()->body, "second /defer");
}

TEST(Deferred, ALateOneOfAnAnsweredRequestDoesNothing) {
  Waiting late;
  TestServer server(quick_options(), [&](Exchange& exchange) {
    late.add(exchange.defer());
    exchange.respond(200, "text/plain", {}, "at once");
  });
  Client client(server.port());
  EXPECT_EQ(client.ask(get("/"))->body, "at once");
  std::atomic<int> runs{0};
  late.take(1).front().resume(std::make_unique<Text>("late", &runs));
  EXPECT_EQ(client.ask(get("/"))->body, "at once");
  EXPECT_EQ(runs, 0);
}

TEST(Deferred, AssigningFinishesWhatWasThere) {
  TestServer server;
  Client first(server.port());
  Client second(server.port());
  first.send(get("/defer"));
  second.send(get("/defer"));
  std::vector<Deferred> waiting = server.waiting.take(2);
  waiting[0] = std::move(waiting[1]);
  waiting[0].resume(std::make_unique<Text>("x"));
  const int one = first.read_answer()->status;
  const int other = second.read_answer()->status;
  EXPECT_EQ(one + other, 700);
}

TEST(Deferred, ResumedWhileTheServerStops) {
  for (int round = 0; round < 20; ++round) {
    TestServer server;
    std::vector<Client> clients;
    for (int i = 0; i < 16; ++i) {
      clients.emplace_back(server.port());
      clients.back().send(get("/defer"));
    }
    std::vector<Deferred> waiting = server.waiting.take(16);
    std::thread resumer([&] {
      for (Deferred& deferred : waiting) deferred.resume(std::make_unique<Text>("x"));
    });
    server.server.stop(std::chrono::milliseconds(round % 3));
    resumer.join();
  }
}

}  // namespace
}  // namespace lictor::http::test
