#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "http/deadlines.h"
#include "http/response.h"

namespace lictor::http::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Numbered : Deadlines::Node {
  int number = 0;
};

struct Fixture : testing::Test {
  std::vector<int> expired_at(milliseconds after_start) {
    std::vector<int> numbers;
    deadlines.advance(start + after_start,
                      [&](Deadlines::Node& node) { numbers.push_back(static_cast<Numbered&>(node).number); });
    return numbers;
  }
  Deadlines::TimePoint start{seconds(1000)};
  Deadlines deadlines{start};
};
using DeadlinesTest = Fixture;

TEST_F(DeadlinesTest, ExpireOnceAndNeverEarly) {
  Numbered node;
  for (int round = 0; round < 400; ++round) {  // some turns of the wheel
    const milliseconds deadline = milliseconds(round * 1700 + 1000);
    deadlines.set(node, start + deadline);
    ASSERT_TRUE(expired_at(deadline - milliseconds(1)).empty()) << round;
    ASSERT_EQ(expired_at(deadline + 2 * Deadlines::kTick).size(), 1U) << round;
  }
  EXPECT_TRUE(expired_at(seconds(100'000)).empty());
}

TEST_F(DeadlinesTest, MayBeFartherThanTheWheelGoes) {
  Numbered node;
  deadlines.set(node, start + seconds(1000));
  for (int second = 1; second < 1000; ++second) ASSERT_TRUE(expired_at(seconds(second)).empty()) << second;
  EXPECT_EQ(expired_at(seconds(1001)).size(), 1U);
}

TEST_F(DeadlinesTest, MoveLaterAndEarlier) {
  Numbered later, earlier;
  later.number = 1;
  earlier.number = 2;
  deadlines.set(later, start + seconds(5));
  deadlines.set(earlier, start + seconds(100));
  deadlines.set(later, start + seconds(50));
  deadlines.set(earlier, start + seconds(10));
  EXPECT_TRUE(expired_at(seconds(9)).empty());
  EXPECT_THAT(expired_at(seconds(11)), testing::ElementsAre(2));
  EXPECT_TRUE(expired_at(seconds(49)).empty());
  EXPECT_THAT(expired_at(seconds(51)), testing::ElementsAre(1));
}

TEST_F(DeadlinesTest, NeverIsNever) {
  Numbered node;
  deadlines.set(node, start + seconds(1));
  deadlines.set(node, Deadlines::TimePoint::max());
  EXPECT_TRUE(expired_at(seconds(10'000)).empty());
  int found = 0;
  deadlines.for_each([&](Deadlines::Node&) { ++found; });
  EXPECT_EQ(found, 1);
}

TEST_F(DeadlinesTest, ExpiringMayDestroy) {
  std::vector<std::unique_ptr<Numbered>> nodes;
  for (int i = 0; i < 10; ++i) {
    nodes.push_back(std::make_unique<Numbered>());
    deadlines.set(*nodes.back(), start + seconds(1));
  }
  deadlines.advance(start + seconds(2), [&](Deadlines::Node&) {
    if (!nodes.empty()) nodes.clear();
  });
  int found = 0;
  deadlines.for_each([&](Deadlines::Node&) { ++found; });
  EXPECT_EQ(found, 0);
}

// RFC 9110, section 5.6.7, has the first of these.
TEST(Date, IsWrittenAsHttpWantsIt) {
  EXPECT_EQ(DateLine(784111777).view(), "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
  EXPECT_EQ(DateLine(0).view(), "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
  EXPECT_EQ(DateLine(951782400).view(), "Date: Tue, 29 Feb 2000 00:00:00 GMT\r\n");
  EXPECT_EQ(DateLine(4102444799).view(), "Date: Thu, 31 Dec 2099 23:59:59 GMT\r\n");
}

struct ResponseRow {
  const char* name;
  Response response;
  const char* text;  // without the Date line
};

TEST(Response, IsWrittenAsGiven) {
  const std::string date(DateLine(0).view());
  const ResponseRow rows[] = {
      {"plain",
       {200, "a/b", {}, "xyz", ConnectionHeader::none, false},
       "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 3\r\n\r\nxyz"},
      {"extra headers",
       {409, "a/b", "A: 1\r\nB: 2\r\n", "x", ConnectionHeader::close, false},
       "HTTP/1.1 409 Conflict\r\nContent-Type: a/b\r\nContent-Length: 1\r\nConnection: close\r\nA: 1\r\nB: 2\r\n\r\nx"},
      {"empty",
       {200, {}, {}, {}, ConnectionHeader::keep_alive, false},
       "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"},
      {"no content", {204, {}, {}, "ignored", ConnectionHeader::none, false}, "HTTP/1.1 204 No Content\r\n\r\n"},
      {"not modified",
       {304, {}, "ETag: \"x\"\r\n", {}, ConnectionHeader::none, false},
       "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n"},
      {"head",
       {200, "a/b", {}, "xyz", ConnectionHeader::none, true},
       "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 3\r\n\r\n"},
      {"unknown status",
       {299, {}, {}, {}, ConnectionHeader::none, false},
       "HTTP/1.1 299 Unknown\r\nContent-Length: 0\r\n\r\n"},
  };
  for (const ResponseRow& row : rows) {
    Buffer out;
    out.append("before");
    append_response(out, DateLine(0), row.response);
    std::string text(out.view().substr(6));
    const std::size_t at = text.find(date);
    ASSERT_NE(at, std::string::npos) << row.name;
    text.erase(at, date.size());
    EXPECT_EQ(text, row.text) << row.name;
  }
}

}  // namespace
}  // namespace lictor::http::test
