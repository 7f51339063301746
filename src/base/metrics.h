// Metrics in the Prometheus text format (https://prometheus.io/docs/instrumenting/exposition_formats, version 0.0.4).
//
// Label values come only from the tables given at construction and registration, so the number of series is bounded.
// Built in: license_requests_total{method,endpoint}, license_request_latency_seconds{endpoint} and
// license_activation_failures_total{reason}; everything else is registered by its owner with the prefix lictor_.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lictor::base {

inline constexpr std::string_view kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

// The two labels of a route. Routes with equal labels are summed; routes with one endpoint share its histogram.
struct RouteLabel {
  std::string method;
  std::string endpoint;
};

using Labels = std::vector<std::pair<std::string, std::string>>;  // name, value

// Thread-safe and lock-free.
class Counter {
 public:
  void add(std::uint64_t amount = 1) noexcept { count_.fetch_add(amount, std::memory_order_relaxed); }
  std::uint64_t value() const noexcept { return count_.load(std::memory_order_relaxed); }

 private:
  alignas(64) std::atomic<std::uint64_t> count_{0};
};

// Thread-safe and lock-free. `bounds` are upper ends (inclusive), rising; a last bucket without end is added.
class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds);
  void observe(double value) noexcept;  // NaN is ignored

  const std::vector<double>& bounds() const noexcept { return bounds_; }
  std::vector<std::uint64_t> counts() const;  // of each bucket by itself; one more than bounds
  double sum() const noexcept { return sum_.load(std::memory_order_relaxed); }

 private:
  std::vector<double> bounds_;
  std::vector<std::atomic<std::uint64_t>> counts_;
  std::atomic<double> sum_{0};
};

class Metrics {
 public:
  // Indexes into `routes` and `failure_reasons` are what the counting functions take.
  Metrics(std::vector<RouteLabel> routes, std::vector<std::string> failure_reasons, unsigned io_threads);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // A few nanoseconds each. The cells of an I/O thread have one writer: call these only on the thread of that number
  // (two threads counting under one number would lose counts). An index out of range is ignored.
  void count_request(unsigned io_thread, unsigned route, std::chrono::nanoseconds latency) noexcept;
  void count_activation_failure(unsigned io_thread, unsigned reason) noexcept;

  // Registration, thread-safe. One family may be registered again with other labels, with the same type and help. Throw
  // std::invalid_argument for a name that is malformed or taken. References stay valid as long as Metrics.
  Histogram& histogram(const std::string& name, const std::string& help, std::vector<double> bounds);
  Counter& counter(const std::string& name, const std::string& help, const Labels& labels = {});
  // Values that live elsewhere, read at each scrape, on the scraping thread, under the lock of Metrics: `read` must be
  // quick, must not call back, and must stay callable as long as anyone renders. counter_from: it must never fall.
  void gauge(const std::string& name, const std::string& help, std::function<double()> read, const Labels& labels = {});
  void counter_from(const std::string& name, const std::string& help, std::function<double()> read,
                    const Labels& labels = {});

  // Everything, as kMetricsContentType. Thread-safe.
  std::string render() const;

 private:
  enum class Kind : std::uint8_t;
  struct Family;
  struct Sample;
  struct RouteCounts;
  struct alignas(64) CacheLine {
    std::array<std::atomic<std::uint64_t>, 8> cells{};
  };

  std::atomic<std::uint64_t>& cell(unsigned io_thread, std::size_t index) const noexcept;
  std::uint64_t total(std::size_t index) const noexcept;
  RouteCounts route_counts(std::size_t route) const;
  Sample& add_sample(const std::string& name, const std::string& help, Kind kind, const Labels& labels);

  const std::vector<RouteLabel> routes_;
  const std::vector<std::string> failure_reasons_;
  const unsigned io_threads_;
  const std::size_t lines_per_thread_;
  const std::unique_ptr<CacheLine[]> lines_;  // io_threads_ × lines_per_thread_

  mutable std::mutex mutex_;  // guards families_
  std::vector<std::unique_ptr<Family>> families_;
};

}  // namespace lictor::base
