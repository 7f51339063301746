#include "base/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace lictor::base {
namespace {

using namespace std::chrono_literals;

struct Family {
  std::string type;
  std::string help;
  std::map<std::string, double> samples;  // `name{label="value",…}` with the labels in order
};
using Families = std::map<std::string, Family>;

// A strict reader of the text format: one HELP and one TYPE before the samples of each family, families in one piece,
// no series twice, well-formed labels and numbers. Throws std::runtime_error with the line that is wrong.
class Reader {
 public:
  static Families read(const std::string& text) {
    Reader reader;
    if (!text.empty() && text.back() != '\n') throw std::runtime_error("the last line has no end");
    std::istringstream lines(text);
    for (reader.line_.clear(); std::getline(lines, reader.line_);) reader.read_line();
    for (const auto& [name, family] : reader.families_) reader.check_histogram(name, family);
    return reader.families_;
  }

 private:
  [[noreturn]] void fail(const char* why) const { throw std::runtime_error(std::string(why) + ": " + line_); }

  void read_line() {
    if (line_.starts_with("# HELP ")) {
      const auto [name, rest] = split(line_.substr(7));
      if (rest.empty() || !families_.emplace(name, Family{"", rest, {}}).second) fail("HELP empty or twice");
      current_ = name;
    } else if (line_.starts_with("# TYPE ")) {
      const auto [name, rest] = split(line_.substr(7));
      static const std::set<std::string> types{"counter", "gauge", "histogram"};
      if (name != current_ || !families_[name].type.empty() || !types.contains(rest)) fail("TYPE out of place");
      families_[name].type = rest;
    } else {
      read_sample();
    }
  }

  static std::pair<std::string, std::string> split(const std::string& text) {
    const std::size_t space = text.find(' ');
    return {text.substr(0, space), space == std::string::npos ? "" : text.substr(space + 1)};
  }

  void read_sample() {
    at_ = 0;
    const std::string name = read_name();
    Family& family = families_[current_];
    const bool histogram = family.type == "histogram";
    const bool belongs = histogram
                             ? name == current_ + "_bucket" || name == current_ + "_sum" || name == current_ + "_count"
                             : name == current_;
    if (family.type.empty() || !belongs) fail("sample outside its family");
    std::string series = name;
    if (at_ < line_.size() && line_[at_] == '{') series += read_labels();
    if (at_ >= line_.size() || line_[at_++] != ' ') fail("no space before the value");
    if (!family.samples.emplace(series, read_number()).second) fail("series twice");
  }

  std::string read_name() {
    const std::size_t begin = at_;
    while (at_ < line_.size() && (std::isalnum(static_cast<unsigned char>(line_[at_])) || line_[at_] == '_')) ++at_;
    if (at_ == begin || std::isdigit(static_cast<unsigned char>(line_[begin]))) fail("not a name");
    return line_.substr(begin, at_ - begin);
  }

  std::string read_labels() {
    const std::size_t begin = at_;
    std::set<std::string> seen;
    do {
      ++at_;
      if (!seen.insert(read_name()).second) fail("label twice");
      if (line_.substr(at_, 2) != "=\"") fail("label without value");
      for (at_ += 2; at_ < line_.size() && line_[at_] != '"'; ++at_) {
        if (line_[at_] == '\\' && std::string("\\\"n").find(line_.at(++at_)) == std::string::npos)
          fail("unknown escape");
      }
      ++at_;
    } while (at_ < line_.size() && line_[at_] == ',');
    if (at_ >= line_.size() || line_[at_++] != '}') fail("labels without end");
    return line_.substr(begin, at_ - begin);
  }

  double read_number() {
    const std::string text = line_.substr(at_);
    std::size_t used = 0;
    const double number = text == "+Inf" ? INFINITY : std::stod(text, &used);
    if (text != "+Inf" && used != text.size()) fail("not a number");
    return number;
  }

  // Buckets rise to +Inf, whose count is _count.
  void check_histogram(const std::string& name, const Family& family) {
    if (family.type != "histogram") return;
    std::map<std::string, std::map<double, double>> buckets;  // other labels → le → count
    for (const auto& [series, value] : family.samples) {
      const std::size_t le = series.find("le=\"");
      if (!series.starts_with(name + "_bucket") || le == std::string::npos) continue;
      const std::string bound = series.substr(le + 4, series.find('"', le + 4) - le - 4);
      std::string others = series.substr(name.size() + 7, le - name.size() - 7);
      if (others.ends_with(',')) others.back() = '}';
      buckets[others == "{" ? "" : others][bound == "+Inf" ? INFINITY : std::stod(bound)] = value;
    }
    for (const auto& [labels, counts] : buckets) {
      double last = 0;
      for (const auto& [bound, count] : counts) {
        if (count < std::exchange(last, count)) throw std::runtime_error("buckets fall: " + name + labels);
      }
      line_ = name + labels;
      if (!counts.contains(INFINITY)) fail("no +Inf bucket");
      if (family.samples.at(name + "_count" + labels) != last) fail("_count is not the last bucket");
      if (!family.samples.contains(name + "_sum" + labels)) fail("no _sum");
    }
    if (buckets.empty() && !family.samples.empty()) throw std::runtime_error("no buckets: " + name);
  }

  Families families_;
  std::string line_;
  std::string current_;
  std::size_t at_ = 0;
};

double sample(const Metrics& metrics, const std::string& family, const std::string& series) {
  const Families families = Reader::read(metrics.render());
  const auto found = families.at(family).samples.find(series);
  return found == families.at(family).samples.end() ? -1 : found->second;
}

std::string latency(const std::string& part, const std::string& endpoint, const std::string& le = "") {
  return "license_request_latency_seconds_" + part + "{endpoint=\"" + endpoint + (le.empty() ? "" : "\",le=\"" + le) +
         "\"}";
}

TEST(Reader, RefusesWhatIsMalformed) {
  const std::string head = "# HELP a A.\n# TYPE a counter\n";
  EXPECT_NO_THROW(Reader::read(head + "a 1\n"));
  EXPECT_NO_THROW(Reader::read(head + "a{b=\"\\\"\\\\\\n,}\"} 1\n"));
  for (const char* wrong :
       {"a 1", "a\n", "a x\n", "a 1 \n", "b 1\n", "a{} 1\n", "a{b=c} 1\n", "a{b=\"c\" 1\n", "a 1\na 2\n",
        "a{b=\"\\x\"} 1\n", "a{b=\"1\",b=\"2\"} 1\n", "# TYPE a counter\n", "# HELP a B.\n", "\n"}) {
    EXPECT_ANY_THROW(Reader::read(head + wrong)) << wrong;
  }
  const std::string histogram = "# HELP h H.\n# TYPE h histogram\n";
  EXPECT_NO_THROW(Reader::read(histogram + "h_count 2\nh_sum 1\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\n"));
  EXPECT_ANY_THROW(Reader::read(histogram + "h_count 2\nh_sum 1\nh_bucket{le=\"1\"} 1\n"));
  EXPECT_ANY_THROW(Reader::read(histogram + "h_count 2\nh_sum 1\nh_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 2\n"));
  EXPECT_ANY_THROW(Reader::read(histogram + "h_count 3\nh_sum 1\nh_bucket{le=\"+Inf\"} 2\n"));
}

TEST(Metrics, CountsRequestsByMethodAndEndpointOverAllThreads) {
  Metrics metrics({{"POST", "validate"}, {"POST", "activate"}, {"GET", "license"}}, {}, 3);
  for (unsigned thread = 0; thread < 3; ++thread) metrics.count_request(thread, 0, 10us);
  metrics.count_request(2, 1, 10us);
  EXPECT_EQ(sample(metrics, "license_requests_total", "license_requests_total{method=\"POST\",endpoint=\"validate\"}"),
            3);
  EXPECT_EQ(sample(metrics, "license_requests_total", "license_requests_total{method=\"POST\",endpoint=\"activate\"}"),
            1);
  EXPECT_EQ(sample(metrics, "license_requests_total", "license_requests_total{method=\"GET\",endpoint=\"license\"}"),
            0);
}

TEST(Metrics, RoutesOfOneEndpointShareItsHistogramAndEqualLabelsAreSummed) {
  Metrics metrics({{"POST", "activate"}, {"POST", "activate"}, {"GET", "activate"}}, {}, 1);
  for (unsigned route = 0; route < 3; ++route) metrics.count_request(0, route, 2s);
  EXPECT_EQ(sample(metrics, "license_requests_total", "license_requests_total{method=\"POST\",endpoint=\"activate\"}"),
            2);
  EXPECT_EQ(sample(metrics, "license_requests_total", "license_requests_total{method=\"GET\",endpoint=\"activate\"}"),
            1);
  EXPECT_EQ(sample(metrics, "license_request_latency_seconds", latency("count", "activate")), 3);
  EXPECT_EQ(sample(metrics, "license_request_latency_seconds", latency("sum", "activate")), 6);
}

TEST(Metrics, BucketsHoldTheirUpperEnd) {
  struct Case {
    std::chrono::nanoseconds latency;
    std::string first_bucket;
    std::string last_without;
  };
  const std::vector<Case> cases{{0ns, "2.5e-05", ""},     {-5ns, "2.5e-05", ""},
                                {25us, "2.5e-05", ""},    {25'001ns, "5e-05", "2.5e-05"},
                                {1ms, "0.001", "0.0005"}, {1'000'001ns, "0.0025", "0.001"},
                                {10s, "10", "5"},         {11s, "+Inf", "10"},
                                {1h, "+Inf", "10"}};
  for (const Case& c : cases) {
    Metrics metrics({{"POST", "v"}}, {}, 1);
    metrics.count_request(0, 0, c.latency);
    EXPECT_EQ(sample(metrics, "license_request_latency_seconds", latency("bucket", "v", c.first_bucket)), 1)
        << c.latency.count();
    if (c.last_without.empty()) continue;
    EXPECT_EQ(sample(metrics, "license_request_latency_seconds", latency("bucket", "v", c.last_without)), 0)
        << c.latency.count();
  }
}

TEST(Metrics, ReasonsThatNeverOccurredAreThereAsZero) {
  Metrics metrics({}, {"MAX_CLIENTS_REACHED", "LICENSE_EXPIRED"}, 2);
  metrics.count_activation_failure(1, 1);
  metrics.count_activation_failure(0, 1);
  const Families families = Reader::read(metrics.render());
  const std::map<std::string, double> expected{
      {"license_activation_failures_total{reason=\"LICENSE_EXPIRED\"}", 2},
      {"license_activation_failures_total{reason=\"MAX_CLIENTS_REACHED\"}", 0}};
  EXPECT_EQ(families.at("license_activation_failures_total").samples, expected);
}

TEST(Metrics, IndexesOutOfRangeAreIgnored) {
  Metrics metrics({{"POST", "v"}}, {"R"}, 1);
  metrics.count_request(1, 0, 1us);
  metrics.count_request(0, 1, 1us);
  metrics.count_activation_failure(0, 1);
  metrics.count_activation_failure(7, 0);
  EXPECT_EQ(sample(metrics, "license_request_latency_seconds", latency("count", "v")), 0);
  EXPECT_EQ(sample(metrics, "license_activation_failures_total", "license_activation_failures_total{reason=\"R\"}"), 0);
}

TEST(Metrics, RegisteredFamiliesHaveHelpTypeAndLabels) {
  Metrics metrics({{"POST", "v"}}, {"R"}, 1);
  Counter& hits = metrics.counter("lictor_cache_lookups_total", "Lookups.", {{"result", "hit"}});
  Counter& misses = metrics.counter("lictor_cache_lookups_total", "Lookups.", {{"result", "miss"}});
  Histogram& batch = metrics.histogram("lictor_batch_commands", "Commands in a transaction.", {1, 4, 16});
  double depth = 3;
  metrics.gauge("lictor_queue_commands", "Commands that wait.", [&] { return depth; });
  metrics.counter_from("lictor_log_dropped_lines_total", "Lines not written.", [] { return 12345678.0; });
  hits.add();
  misses.add(4);
  for (const double size : {1.0, 2.0, 16.0, 17.0, std::numeric_limits<double>::quiet_NaN()}) batch.observe(size);
  depth = 5.5;

  const Families all = Reader::read(metrics.render());
  EXPECT_EQ(all.size(), 7U);
  EXPECT_EQ(all.at("lictor_cache_lookups_total").samples.at("lictor_cache_lookups_total{result=\"hit\"}"), 1);
  EXPECT_EQ(all.at("lictor_cache_lookups_total").samples.at("lictor_cache_lookups_total{result=\"miss\"}"), 4);
  EXPECT_EQ(all.at("lictor_queue_commands").samples.at("lictor_queue_commands"), 5.5);
  EXPECT_EQ(all.at("lictor_queue_commands").type, "gauge");
  EXPECT_EQ(all.at("lictor_queue_commands").help, "Commands that wait.");
  EXPECT_EQ(all.at("lictor_log_dropped_lines_total").samples.at("lictor_log_dropped_lines_total"), 12345678.0);
  EXPECT_EQ(all.at("lictor_log_dropped_lines_total").type, "counter");
  const std::map<std::string, double> expected{{"lictor_batch_commands_bucket{le=\"1\"}", 1},
                                               {"lictor_batch_commands_bucket{le=\"4\"}", 2},
                                               {"lictor_batch_commands_bucket{le=\"16\"}", 3},
                                               {"lictor_batch_commands_bucket{le=\"+Inf\"}", 4},
                                               {"lictor_batch_commands_sum", 36},
                                               {"lictor_batch_commands_count", 4}};
  EXPECT_EQ(all.at("lictor_batch_commands").samples, expected);
}

TEST(Metrics, LabelValuesAreEscaped) {
  Metrics metrics({{"POST", "a\"b\\c\nd"}}, {}, 1);
  const Families all = Reader::read(metrics.render());
  EXPECT_TRUE(all.at("license_requests_total")
                  .samples.contains("license_requests_total{method=\"POST\",endpoint=\"a\\\"b\\\\c\\nd\"}"));
}

TEST(Metrics, RefusesNamesThatWouldMakeTheTextInvalid) {
  Metrics metrics({}, {}, 1);
  metrics.counter("lictor_a_total", "A.");
  metrics.gauge("lictor_b", "B.", [] { return 0.0; }, {{"x", "1"}});
  const auto read = [] { return 0.0; };
  EXPECT_THROW(metrics.counter("lictor_a_total", "A."), std::invalid_argument) << "twice";
  EXPECT_THROW(metrics.counter("lictor_a_total", "Other.", {{"x", "1"}}), std::invalid_argument) << "other help";
  EXPECT_THROW(metrics.gauge("lictor_a_total", "A.", read, {{"x", "1"}}), std::invalid_argument) << "other type";
  EXPECT_THROW(metrics.gauge("lictor_b", "B.", read, {{"x", "1"}}), std::invalid_argument) << "same labels";
  EXPECT_NO_THROW(metrics.gauge("lictor_b", "B.", read, {{"x", "2"}}));
  EXPECT_THROW(metrics.counter("lictor_c", "C."), std::invalid_argument) << "no _total";
  EXPECT_THROW(metrics.counter("license_requests_total", "R."), std::invalid_argument) << "built in";
  EXPECT_THROW(metrics.gauge("lictor d", "D.", read), std::invalid_argument);
  EXPECT_THROW(metrics.gauge("1d", "D.", read), std::invalid_argument);
  EXPECT_THROW(metrics.gauge("", "D.", read), std::invalid_argument);
  EXPECT_THROW(metrics.gauge("lictor_d", "", read), std::invalid_argument);
  EXPECT_THROW(metrics.gauge("lictor_d", "two\nlines", read), std::invalid_argument);
  EXPECT_THROW(metrics.gauge("lictor_d", "D.", nullptr), std::invalid_argument);
  EXPECT_THROW(metrics.gauge("lictor_d", "D.", read, {{"le", "1"}}), std::invalid_argument);
  EXPECT_THROW(metrics.gauge("lictor_d", "D.", read, {{"__x", "1"}}), std::invalid_argument);
  EXPECT_THROW(metrics.gauge("lictor_d", "D.", read, {{"a-b", "1"}}), std::invalid_argument);
  EXPECT_THROW(metrics.histogram("lictor_d", "D.", {1, 1}), std::invalid_argument);
  EXPECT_THROW(metrics.histogram("lictor_d", "D.", {2, 1}), std::invalid_argument);
  EXPECT_THROW(metrics.histogram("lictor_d", "D.", {INFINITY}), std::invalid_argument);
  EXPECT_THROW(Metrics({}, {"R", "R"}, 1), std::invalid_argument);
  EXPECT_NO_THROW(Reader::read(metrics.render()));
}

// Each thread under its own number, scrapes in between: nothing is lost, no family contradicts itself.
TEST(Metrics, ThreadsCountExactlyWhileOthersScrape) {
  constexpr unsigned kThreads = 4, kRequests = 50'000;
  Metrics metrics({{"POST", "v"}, {"GET", "v"}}, {"R"}, kThreads);
  Counter& counter = metrics.counter("lictor_c_total", "C.");
  Histogram& histogram = metrics.histogram("lictor_h", "H.", {1, 2});
  std::vector<std::thread> threads;
  for (unsigned thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (unsigned i = 0; i < kRequests; ++i) {
        metrics.count_request(thread, i % 2, std::chrono::microseconds(i % 1000));
        metrics.count_activation_failure(thread, 0);
        counter.add();
        histogram.observe(i % 3);
      }
    });
  }
  for (int scrape = 0; scrape < 20; ++scrape) EXPECT_NO_THROW(Reader::read(metrics.render()));
  for (auto& thread : threads) thread.join();
  const Families all = Reader::read(metrics.render());
  constexpr double kTotal = double{kThreads} * kRequests;
  EXPECT_EQ(all.at("license_request_latency_seconds").samples.at(latency("count", "v")), kTotal);
  EXPECT_NEAR(all.at("license_request_latency_seconds").samples.at(latency("sum", "v")), kTotal * 499.5e-6, 1e-6);
  EXPECT_EQ(all.at("license_requests_total").samples.at("license_requests_total{method=\"GET\",endpoint=\"v\"}"),
            kTotal / 2);
  EXPECT_EQ(all.at("license_activation_failures_total").samples.at("license_activation_failures_total{reason=\"R\"}"),
            kTotal);
  EXPECT_EQ(all.at("lictor_c_total").samples.at("lictor_c_total"), kTotal);
  EXPECT_EQ(all.at("lictor_h").samples.at("lictor_h_count"), kTotal);
}

}  // namespace
}  // namespace lictor::base
