#include "base/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>

#include "base/ascii.h"

namespace lictor::base {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// Upper ends of the latency buckets. A cached validation takes microseconds, a durable write milliseconds.
constexpr std::array<std::int64_t, 18> kLatencyBoundsNanoseconds{
    25'000,      50'000,      100'000,       250'000,       500'000,       1'000'000,
    2'500'000,   5'000'000,   10'000'000,    25'000'000,    50'000'000,    100'000'000,
    250'000'000, 500'000'000, 1'000'000'000, 2'500'000'000, 5'000'000'000, 10'000'000'000};
constexpr std::size_t kLatencyBuckets = kLatencyBoundsNanoseconds.size() + 1;  // and the one without end
constexpr std::size_t kCellsPerRoute = kLatencyBuckets + 1;                    // and the sum
constexpr std::size_t kCellsPerLine = 8;

std::size_t latency_bucket(std::int64_t nanoseconds) noexcept {
  std::size_t bucket = 0;  // nearly all requests end at the first steps
  while (bucket < kLatencyBoundsNanoseconds.size() && nanoseconds > kLatencyBoundsNanoseconds[bucket]) ++bucket;
  return bucket;
}

// Two lines are added so that the prefetcher, which fetches lines in pairs, never shares one between threads.
std::size_t lines_for(std::size_t cells) noexcept { return (cells + kCellsPerLine - 1) / kCellsPerLine + 2; }

// Exact as long as a cell has one writer, and cheaper than an addition that locks the bus.
void add_alone(std::atomic<std::uint64_t>& cell, std::uint64_t amount) noexcept {
  cell.store(cell.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

bool is_name(std::string_view text, bool colon_allowed) noexcept {
  const auto is_first = [&](char c) { return is_letter(c) || c == '_' || (colon_allowed && c == ':'); };
  return !text.empty() && is_first(text.front()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return is_first(c) || is_digit(c); });
}

void check_family(const std::string& name, const std::string& help, MetricType type, const Labels& labels) {
  const auto refuse = [&](const std::string& why) { throw std::invalid_argument("metric " + name + ": " + why); };
  if (!is_name(name, true)) refuse("not a metric name");
  if (type == MetricType::Counter && !name.ends_with("_total")) refuse("the name of a counter ends with _total");
  // The serializer writes the help as it is.
  if (help.empty() || help.find_first_of("\n\\") != std::string::npos) refuse("the help is empty or more than a line");
  for (const auto& [label, value] : labels) {
    if (!is_name(label, false) || label.starts_with("__") || label == "le") refuse("not a label name: " + label);
  }
}

ClientMetric with_labels(const Labels& labels) {
  ClientMetric metric;
  for (const auto& [name, value] : labels) metric.label.push_back({name, value});
  return metric;
}

MetricFamily make_family(std::string name, std::string help, MetricType type) {
  return {std::move(name), std::move(help), type, {}};
}

ClientMetric::Histogram cumulate(const std::vector<double>& bounds, const std::vector<std::uint64_t>& counts,
                                 double sum) {
  ClientMetric::Histogram histogram;
  std::uint64_t so_far = 0;
  for (std::size_t bucket = 0; bucket < counts.size(); ++bucket) {
    so_far += counts[bucket];
    histogram.bucket.push_back({so_far, bucket < bounds.size() ? bounds[bucket] : INFINITY});
  }
  histogram.sample_count = so_far;
  histogram.sample_sum = sum;
  return histogram;
}

std::vector<double> latency_bounds_seconds() {
  std::vector<double> bounds;
  for (const std::int64_t bound : kLatencyBoundsNanoseconds) bounds.push_back(static_cast<double>(bound) / 1e9);
  return bounds;
}

}  // namespace

Histogram::Histogram(std::vector<double> bounds) : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {
  const bool finite = std::all_of(bounds_.begin(), bounds_.end(), [](double bound) { return std::isfinite(bound); });
  if (!finite || std::adjacent_find(bounds_.begin(), bounds_.end(), std::greater_equal<>()) != bounds_.end()) {
    throw std::invalid_argument("the bounds of a histogram are finite and rise");
  }
}

void Histogram::observe(double value) noexcept {
  if (std::isnan(value)) return;
  const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  counts_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::vector<std::uint64_t> Histogram::counts() const {
  std::vector<std::uint64_t> counts;
  for (const auto& count : counts_) counts.push_back(count.load(std::memory_order_relaxed));
  return counts;
}

enum class Metrics::Kind : std::uint8_t {
  counter = static_cast<std::uint8_t>(MetricType::Counter),
  gauge = static_cast<std::uint8_t>(MetricType::Gauge),
  histogram = static_cast<std::uint8_t>(MetricType::Histogram),
};

// One series of a registered family; exactly one of the three sources is set.
struct Metrics::Sample {
  Labels labels;
  std::unique_ptr<Counter> counter;
  std::unique_ptr<Histogram> histogram;
  std::function<double()> read;

  ClientMetric collect(MetricType type) const {
    ClientMetric metric = with_labels(labels);
    if (histogram) {
      metric.histogram = cumulate(histogram->bounds(), histogram->counts(), histogram->sum());
    } else if (type == MetricType::Counter) {
      metric.counter.value = counter ? static_cast<double>(counter->value()) : read();
    } else {
      metric.gauge.value = read();
    }
    return metric;
  }
};

struct Metrics::Family {
  std::string name;
  std::string help;
  MetricType type;
  std::deque<Sample> samples;
};

// What all I/O threads together counted for one route, read once so that its two families agree.
struct Metrics::RouteCounts {
  std::vector<std::uint64_t> buckets = std::vector<std::uint64_t>(kLatencyBuckets);
  double sum_seconds = 0;

  std::uint64_t requests() const {
    std::uint64_t requests = 0;
    for (const std::uint64_t bucket : buckets) requests += bucket;
    return requests;
  }
  void add(const RouteCounts& other) {
    for (std::size_t bucket = 0; bucket < kLatencyBuckets; ++bucket) buckets[bucket] += other.buckets[bucket];
    sum_seconds += other.sum_seconds;
  }
};

Metrics::Metrics(std::vector<RouteLabel> routes, std::vector<std::string> failure_reasons, unsigned io_threads)
    : routes_(std::move(routes)),
      failure_reasons_(std::move(failure_reasons)),
      io_threads_(io_threads),
      lines_per_thread_(lines_for(routes_.size() * kCellsPerRoute + failure_reasons_.size())),
      lines_(std::make_unique<CacheLine[]>(io_threads_ * lines_per_thread_)) {
  const std::set<std::string> distinct(failure_reasons_.begin(), failure_reasons_.end());
  if (distinct.size() != failure_reasons_.size()) throw std::invalid_argument("two failure reasons have one name");
}

Metrics::~Metrics() = default;

std::atomic<std::uint64_t>& Metrics::cell(unsigned io_thread, std::size_t index) const noexcept {
  return lines_[io_thread * lines_per_thread_ + index / kCellsPerLine].cells[index % kCellsPerLine];
}

void Metrics::count_request(unsigned io_thread, unsigned route, std::chrono::nanoseconds latency) noexcept {
  if (io_thread >= io_threads_ || route >= routes_.size()) return;
  const std::int64_t nanoseconds = std::max<std::int64_t>(latency.count(), 0);
  const std::size_t base = route * kCellsPerRoute;
  add_alone(cell(io_thread, base + latency_bucket(nanoseconds)), 1);
  add_alone(cell(io_thread, base + kLatencyBuckets), static_cast<std::uint64_t>(nanoseconds));
}

void Metrics::count_activation_failure(unsigned io_thread, unsigned reason) noexcept {
  if (io_thread >= io_threads_ || reason >= failure_reasons_.size()) return;
  add_alone(cell(io_thread, routes_.size() * kCellsPerRoute + reason), 1);
}

std::uint64_t Metrics::total(std::size_t index) const noexcept {
  std::uint64_t sum = 0;
  for (unsigned thread = 0; thread < io_threads_; ++thread) {
    sum += cell(thread, index).load(std::memory_order_relaxed);
  }
  return sum;
}

Metrics::RouteCounts Metrics::route_counts(std::size_t route) const {
  RouteCounts counts;
  for (std::size_t bucket = 0; bucket < kLatencyBuckets; ++bucket) {
    counts.buckets[bucket] = total(route * kCellsPerRoute + bucket);
  }
  counts.sum_seconds = static_cast<double>(total(route * kCellsPerRoute + kLatencyBuckets)) / 1e9;
  return counts;
}

Metrics::Sample& Metrics::add_sample(const std::string& name, const std::string& help, Kind kind,
                                     const Labels& labels) {
  const auto type = static_cast<MetricType>(kind);
  check_family(name, help, type, labels);
  const auto refuse = [&](const char* why) { throw std::invalid_argument("metric " + name + ": " + why); };
  if (name.starts_with("license_")) refuse("the prefix license_ is taken by the built-in metrics");
  const auto same_name = [&](const auto& family) { return family->name == name; };
  auto found = std::find_if(families_.begin(), families_.end(), same_name);
  if (found == families_.end()) {
    families_.push_back(std::make_unique<Family>(Family{name, help, type, {}}));
    found = std::prev(families_.end());
  }
  Family& family = **found;
  if (family.type != type || family.help != help) refuse("registered before with another type or help");
  for (const Sample& sample : family.samples) {
    if (sample.labels == labels) refuse("registered before with the same labels");
  }
  return family.samples.emplace_back(Sample{labels, nullptr, nullptr, nullptr});
}

Histogram& Metrics::histogram(const std::string& name, const std::string& help, std::vector<double> bounds) {
  auto histogram = std::make_unique<Histogram>(std::move(bounds));
  const std::lock_guard lock(mutex_);
  Sample& sample = add_sample(name, help, Kind::histogram, {});
  sample.histogram = std::move(histogram);
  return *sample.histogram;
}

Counter& Metrics::counter(const std::string& name, const std::string& help, const Labels& labels) {
  auto counter = std::make_unique<Counter>();
  const std::lock_guard lock(mutex_);
  Sample& sample = add_sample(name, help, Kind::counter, labels);
  sample.counter = std::move(counter);
  return *sample.counter;
}

void Metrics::gauge(const std::string& name, const std::string& help, std::function<double()> read,
                    const Labels& labels) {
  if (!read) throw std::invalid_argument("metric " + name + ": nothing to read");
  const std::lock_guard lock(mutex_);
  add_sample(name, help, Kind::gauge, labels).read = std::move(read);
}

void Metrics::counter_from(const std::string& name, const std::string& help, std::function<double()> read,
                           const Labels& labels) {
  if (!read) throw std::invalid_argument("metric " + name + ": nothing to read");
  const std::lock_guard lock(mutex_);
  add_sample(name, help, Kind::counter, labels).read = std::move(read);
}

std::string Metrics::render() const {
  auto requests = make_family("license_requests_total", "Requests answered.", MetricType::Counter);
  auto latencies = make_family("license_request_latency_seconds",
                               "Time from a request's arrival to its answer, in seconds.", MetricType::Histogram);
  auto failures = make_family("license_activation_failures_total", "Activations refused.", MetricType::Counter);

  std::map<std::pair<std::string, std::string>, std::uint64_t> by_label;
  std::map<std::string, RouteCounts> by_endpoint;
  for (std::size_t route = 0; route < routes_.size(); ++route) {
    const RouteCounts counts = route_counts(route);
    by_label[{routes_[route].method, routes_[route].endpoint}] += counts.requests();
    by_endpoint[routes_[route].endpoint].add(counts);
  }
  for (const auto& [label, count] : by_label) {
    requests.metric.push_back(with_labels({{"method", label.first}, {"endpoint", label.second}}));
    requests.metric.back().counter.value = static_cast<double>(count);
  }
  const std::vector<double> bounds = latency_bounds_seconds();
  for (const auto& [endpoint, counts] : by_endpoint) {
    latencies.metric.push_back(with_labels({{"endpoint", endpoint}}));
    latencies.metric.back().histogram = cumulate(bounds, counts.buckets, counts.sum_seconds);
  }
  for (std::size_t reason = 0; reason < failure_reasons_.size(); ++reason) {
    failures.metric.push_back(with_labels({{"reason", failure_reasons_[reason]}}));
    failures.metric.back().counter.value = static_cast<double>(total(routes_.size() * kCellsPerRoute + reason));
  }

  std::vector<MetricFamily> all{std::move(requests), std::move(latencies), std::move(failures)};
  const std::lock_guard lock(mutex_);
  for (const auto& family : families_) {
    all.push_back(make_family(family->name, family->help, family->type));
    for (const Sample& sample : family->samples) all.back().metric.push_back(sample.collect(family->type));
  }
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, all);
  return std::move(out).str();
}

}  // namespace lictor::base
