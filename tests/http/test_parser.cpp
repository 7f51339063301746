#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/malformed_http.h"
#include "http/parser.h"

namespace lictor::http::test {
namespace {

using testing::ElementsAre;

constexpr std::size_t kBodyLimit = 64 * 1024;

// What came out of feeding some bytes, as text that can be compared.
struct Outcome {
  Progress progress = Progress::need_more;
  int status = 0;
  std::string text;  // method, target, headers, body and framing of each complete request
  std::size_t requests = 0;

  bool operator==(const Outcome&) const = default;
};

std::string describe(const RequestParser& parser) {
  const Request& request = parser.request();
  std::string text = std::string(request.method) + ' ' + std::string(request.path) + " ? " + std::string(request.query);
  for (const Header& header : request.headers)
    text += '\n' + std::string(header.name) + "=[" + std::string(header.value) + ']';
  text += "\nbody=[" + std::string(request.body) + ']';
  text += parser.is_http11() ? " 1.1" : " 1.0";
  if (parser.keep_alive()) text += " keep-alive";
  if (parser.expects_continue()) text += " expects-continue";
  return text + '\n';
}

// Does with a parser what a session does, with the bytes coming in these pieces.
class Feeder {
 public:
  void feed(std::string_view piece) {
    if (outcome_.progress == Progress::failed) return;
    // A new place each time, so that a view kept too long is found by the sanitizer.
    auto grown = std::make_unique<std::string>(*input_ + std::string(piece));
    if (in_body_) parser_.moved(input_->data(), grown->data());
    input_ = std::move(grown);
    while (outcome_.progress != Progress::failed && step()) {
    }
  }
  const Outcome& outcome() const { return outcome_; }

 private:
  bool step() {
    if (input_->empty()) return false;
    if (!in_body_) {
      outcome_.progress = parser_.parse_header(*input_);
      in_body_ = outcome_.progress == Progress::complete;
    }
    if (in_body_) {
      std::size_t size = input_->size();
      outcome_.progress = parser_.parse_body(input_->data(), size, kBodyLimit);
      input_->resize(size);
    }
    if (outcome_.progress == Progress::failed) outcome_.status = status_of(parser_.failure().error);
    if (outcome_.progress != Progress::complete) return false;
    outcome_.text += describe(parser_);
    ++outcome_.requests;
    input_->erase(0, parser_.message_bytes());
    parser_.reset();
    in_body_ = false;
    outcome_.progress = Progress::need_more;
    return true;
  }

  ParserLimits limits_;
  RequestParser parser_{limits_};
  std::unique_ptr<std::string> input_ = std::make_unique<std::string>();
  bool in_body_ = false;
  Outcome outcome_;
};

Outcome feed(std::string_view bytes, std::size_t piece_bytes = std::string_view::npos) {
  Feeder feeder;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece_bytes, bytes.size())))
    feeder.feed(bytes.substr(0, piece_bytes));
  return feeder.outcome();
}

Outcome feed_split(std::string_view bytes, std::size_t at) {
  Feeder feeder;
  feeder.feed(bytes.substr(0, at));
  feeder.feed(bytes.substr(at));
  return feeder.outcome();
}

struct GoodRequest {
  std::string name;
  std::string bytes;
  std::string text;  // as describe() puts it
};

std::vector<GoodRequest> good_requests() {
  const std::string get = "GET / HTTP/1.1\r\nHost: h\r\n";
  const std::string post = "POST /p HTTP/1.1\r\nHost: h\r\n";
  const std::string chunked_head = post + "Transfer-Encoding: chunked\r\n\r\n";
  const std::string chunked_text = "POST /p ? \nHost=[h]\nTransfer-Encoding=[chunked]\n";
  return {
      {"the smallest", get + "\r\n", "GET / ? \nHost=[h]\nbody=[] 1.1 keep-alive\n"},
      {"query", "GET /a/b?c=d&e?f HTTP/1.1\r\nHost: h\r\n\r\n",
       "GET /a/b ? c=d&e?f\nHost=[h]\nbody=[] 1.1 keep-alive\n"},
      {"unknown method", "BREW /pot HTTP/1.1\r\nHost: h\r\n\r\n", "BREW /pot ? \nHost=[h]\nbody=[] 1.1 keep-alive\n"},
      {"an empty line first", "\r\n" + get + "\r\n", "GET / ? \nHost=[h]\nbody=[] 1.1 keep-alive\n"},
      {"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET / ? \nHost=[]\nbody=[] 1.1 keep-alive\n"},
      {"Host with IPv6 and port", "GET / HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n",
       "GET / ? \nHost=[[::1]:8000]\nbody=[] 1.1 keep-alive\n"},
      {"absolute form", "GET http://h/x?y HTTP/1.1\r\nHost: h\r\n\r\n",
       "GET /x ? y\nHost=[h]\nbody=[] 1.1 keep-alive\n"},
      {"absolute form, other case", "GET HTTP://H:80/x HTTP/1.1\r\nHost: h:80\r\n\r\n",
       "GET /x ? \nHost=[h:80]\nbody=[] 1.1 keep-alive\n"},
      {"value trimmed", get + "X:  \t a b\t \r\nY:\r\n\r\n",
       "GET / ? \nHost=[h]\nX=[a b]\nY=[]\nbody=[] 1.1 keep-alive\n"},
      {"tab and bytes above ASCII in a value", get + "X: a\tb \xc3\xa9\r\n\r\n",
       "GET / ? \nHost=[h]\nX=[a\tb \xc3\xa9]\nbody=[] 1.1 keep-alive\n"},
      {"close", get + "Connection: close\r\n\r\n", "GET / ? \nHost=[h]\nConnection=[close]\nbody=[] 1.1\n"},
      {"close among others", get + "Connection: TE, Close\r\n\r\n",
       "GET / ? \nHost=[h]\nConnection=[TE, Close]\nbody=[] 1.1\n"},
      {"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "GET / ? \nbody=[] 1.0\n"},
      {"HTTP/1.0 kept alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
       "GET / ? \nConnection=[keep-alive]\nbody=[] 1.0 keep-alive\n"},
      {"upgrade is ignored", get + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
       "GET / ? \nHost=[h]\nConnection=[Upgrade]\nUpgrade=[websocket]\nbody=[] 1.1 keep-alive\n"},
      {"body", post + "Content-Length: 5\r\n\r\nhello",
       "POST /p ? \nHost=[h]\nContent-Length=[5]\nbody=[hello] 1.1 keep-alive\n"},
      {"body of any bytes", post + "Content-Length: 4\r\n\r\n\r\n\r\n",
       "POST /p ? \nHost=[h]\nContent-Length=[4]\nbody=[\r\n\r\n] 1.1 keep-alive\n"},
      {"length with zeros in front", post + "Content-Length: 002\r\n\r\nab",
       "POST /p ? \nHost=[h]\nContent-Length=[002]\nbody=[ab] 1.1 keep-alive\n"},
      {"length 0", post + "Content-Length: 0\r\n\r\n",
       "POST /p ? \nHost=[h]\nContent-Length=[0]\nbody=[] 1.1 keep-alive\n"},
      {"expectation", post + "Content-Length: 1\r\nExpect: 100-Continue\r\n\r\nx",
       "POST /p ? \nHost=[h]\nContent-Length=[1]\nExpect=[100-Continue]\nbody=[x] 1.1 keep-alive expects-continue\n"},
      {"chunks", chunked_head + "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
       chunked_text + "body=[hello world] 1.1 keep-alive\n"},
      {"no chunks", chunked_head + "0\r\n\r\n", chunked_text + "body=[] 1.1 keep-alive\n"},
      {"chunk size with zeros and capitals", chunked_head + "00A\r\n0123456789\r\n000\r\n\r\n",
       chunked_text + "body=[0123456789] 1.1 keep-alive\n"},
      {"chunk extensions", chunked_head + "3;a;b=c;d=\"e f\"\r\nabc\r\n0;z\r\n\r\n",
       chunked_text + "body=[abc] 1.1 keep-alive\n"},
      {"trailers", chunked_head + "3\r\nabc\r\n0\r\nX-Sum: 1\r\nHost: evil\r\n\r\n",
       chunked_text + "body=[abc] 1.1 keep-alive\n"},
      {"chunks that look like chunks", chunked_head + "7\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n",
       chunked_text + "body=[0\r\n\r\n\r\n] 1.1 keep-alive\n"},
      {"three in a row", get + "\r\n" + post + "Content-Length: 2\r\n\r\nhi" + chunked_head + "1\r\nx\r\n0\r\n\r\n",
       "GET / ? \nHost=[h]\nbody=[] 1.1 keep-alive\n"
       "POST /p ? \nHost=[h]\nContent-Length=[2]\nbody=[hi] 1.1 keep-alive\n" +
           chunked_text + "body=[x] 1.1 keep-alive\n"},
  };
}

TEST(Parser, ReadsWhatItShould) {
  for (const GoodRequest& row : good_requests()) {
    const Outcome outcome = feed(row.bytes);
    EXPECT_EQ(outcome.progress, Progress::need_more) << row.name;
    EXPECT_EQ(outcome.text, row.text) << row.name;
  }
}

TEST(Parser, EverySplitIntoTwoReadsGivesTheSame) {
  for (const GoodRequest& row : good_requests()) {
    for (std::size_t at = 0; at <= row.bytes.size(); ++at)
      ASSERT_EQ(feed_split(row.bytes, at).text, row.text) << row.name << " split at " << at;
  }
}

TEST(Parser, ByteByByteGivesTheSame) {
  for (const GoodRequest& row : good_requests()) {
    for (std::size_t piece = 1; piece <= 7; ++piece)
      ASSERT_EQ(feed(row.bytes, piece).text, row.text) << row.name << " in pieces of " << piece;
  }
}

TEST(Parser, RefusesTheMalformedHoweverTheyAreSplit) {
  std::size_t rows = 0;
  for (const MalformedRequest& row : malformed_requests()) {
    if (row.status == 0 || row.status == 408) continue;
    ++rows;
    const Outcome whole = feed(row.bytes);
    ASSERT_EQ(whole.status, row.status) << row.name;
    ASSERT_EQ(whole.requests, static_cast<std::size_t>(row.good_before)) << row.name;
    const std::size_t step = row.bytes.size() < 600 ? 1 : row.bytes.size() / 61;
    for (std::size_t at = 1; at < row.bytes.size(); at += step)
      ASSERT_EQ(feed_split(row.bytes, at), whole) << row.name << " split at " << at;
    ASSERT_EQ(feed(row.bytes, step), whole) << row.name << " in pieces of " << step;
  }
  EXPECT_GE(rows, 100U);
}

TEST(Parser, AnUnfinishedRequestWaits) {
  for (const GoodRequest& row : good_requests()) {
    if (row.name == "three in a row") continue;
    for (std::size_t size = 1; size < row.bytes.size(); ++size) {
      const Outcome outcome = feed(row.bytes.substr(0, size));
      ASSERT_EQ(outcome.progress, Progress::need_more) << row.name << " cut at " << size;
      ASSERT_EQ(outcome.requests, 0U) << row.name << " cut at " << size;
    }
  }
}

TEST(Parser, LimitsAreExact) {
  const ParserLimits limits;
  const auto with_total = [](std::size_t bytes) {
    const std::string start = "GET / HTTP/1.1\r\nHost: h\r\nX: ";
    return start + std::string(bytes - start.size() - 4, 'x') + "\r\n\r\n";
  };
  EXPECT_EQ(feed(with_total(limits.header_bytes)).requests, 1U);
  EXPECT_EQ(feed(with_total(limits.header_bytes + 1)).status, 431);
  const auto with_target_of = [](std::size_t bytes) {
    return "GET /" + std::string(bytes - 1, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n";
  };
  EXPECT_EQ(feed(with_target_of(limits.target_bytes)).requests, 1U);
  EXPECT_EQ(feed(with_target_of(limits.target_bytes + 1)).status, 414);
  const auto with_headers_of = [](std::size_t count) {
    return "GET / HTTP/1.1\r\nHost: h\r\n" + repeat("A: 1\r\n", count - 1) + "\r\n";
  };
  EXPECT_EQ(feed(with_headers_of(limits.headers)).requests, 1U);
  EXPECT_EQ(feed(with_headers_of(limits.headers + 1)).status, 431);
  const auto with_body_of = [](std::size_t bytes) {
    return with_body("Content-Length: " + std::to_string(bytes) + "\r\n", std::string(bytes, 'b'));
  };
  EXPECT_EQ(feed(with_body_of(kBodyLimit)).requests, 1U);
  EXPECT_EQ(feed(with_body_of(kBodyLimit + 1)).status, 413);
  EXPECT_EQ(feed(chunked("10000\r\n" + std::string(kBodyLimit, 'b') + "\r\n0\r\n\r\n")).requests, 1U);
  EXPECT_EQ(feed(chunked("10000\r\n" + std::string(kBodyLimit, 'b') + "\r\n1\r\nb\r\n0\r\n\r\n")).status, 413);
}

TEST(Parser, ABodyOverTheLimitIsRefusedBeforeItArrives) {
  EXPECT_EQ(feed(with_body("Content-Length: 65537\r\n", "")).status, 413);
  EXPECT_EQ(feed(chunked("10001\r\n")).status, 413);
}

TEST(Message, NamesCompareWithoutCase) {
  EXPECT_TRUE(equal_names("Content-Length", "content-lENGTH"));
  EXPECT_FALSE(equal_names("Content-Length", "Content_Length"));
  EXPECT_FALSE(equal_names("a", "ab"));
  EXPECT_FALSE(equal_names("@", "`"));
}

TEST(Message, TheFirstHeaderOfANameCounts) {
  const Header headers[] = {{"A", "1"}, {"B", "2"}, {"b", "3"}};
  Request request;
  request.headers = headers;
  EXPECT_EQ(request.header("b"), "2");
  EXPECT_EQ(request.header("c"), "");
}

}  // namespace
}  // namespace lictor::http::test
