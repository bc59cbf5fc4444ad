// Counters, gauges and histograms in the Prometheus text format. Updates are lock-free; a registry renders them.
// Our own rather than prometheus-cpp: docs/decisions/0003-metrics.md.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sedna::metrics {

using Labels = std::vector<std::pair<std::string, std::string>>;

/// Only rises. Thread-safe, wait-free.
class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// Rises and falls. Thread-safe, lock-free.
class Gauge {
 public:
  void set(double v) { value_.store(v, std::memory_order_relaxed); }
  void add(double v) { value_.fetch_add(v, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

/// Fixed upper bounds (ascending, in the unit of the metric; +Inf is implied). Mergeable. Thread-safe, lock-free.
class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds);
  void observe(double value);
  std::uint64_t count() const;
  double sum() const { return sum_.load(std::memory_order_relaxed); }
  /// Linear interpolation inside the bucket, q in [0, 1]; 0 without observations.
  double quantile(double q) const;
  std::span<const double> bounds() const { return bounds_; }
  std::vector<std::uint64_t> buckets() const;  ///< per bucket, not cumulative; the last is +Inf

 private:
  std::vector<double> bounds_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> counts_;
  std::atomic<double> sum_{0};
};

/// 10 µs … 60 s, about four steps a decade: latencies in seconds.
std::vector<double> latency_bounds();

/// Owns metrics by (name, labels); asking again gives the same one. References live as long as the registry.
/// Thread-safe. A label value must come from a bounded set, never from a request.
class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;
  Counter& counter(std::string_view name, std::string_view help, const Labels& labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, const Labels& labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, const Labels& labels = {},
                       std::vector<double> bounds = latency_bounds());
  /// The exposition text (format 0.0.4), families sorted by name.
  std::string render() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sedna::metrics
