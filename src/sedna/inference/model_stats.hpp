// What a served model has done: Triton's per-model statistics and the Prometheus figures with the same meaning.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "sedna/base/clock.hpp"
#include "sedna/base/metrics.hpp"
#include "sedna/tensor/oip_documents.hpp"

namespace sedna::inference {

/// Times of one request, for the books.
struct RequestTimes {
  SteadyClock::duration total{};
  SteadyClock::duration queue{};
  SteadyClock::duration input{};  ///< decoding
  SteadyClock::duration infer{};
  SteadyClock::duration output{};  ///< encoding
};

/// Why a request failed, a closed set for labels.
enum class FailureKind { kRejected, kTimeout, kInput, kModel };

/// Thread-safe; updates are a handful of relaxed atomics.
class ModelStats {
 public:
  ModelStats(metrics::Registry& registry, const std::string& model, const std::string& version);
  void succeeded(const RequestTimes& times, std::uint64_t rows);
  void failed(FailureKind kind, SteadyClock::duration total);
  /// One execution of the model on `rows` rows.
  void executed(std::uint64_t rows, SteadyClock::duration took);
  void pending(double change) { pending_.add(change); }
  /// The model_stats[] entry of the Open Inference Protocol.
  tensor::oip::ModelStatistics snapshot(const std::string& model, const std::string& version) const;

 private:
  struct Pair {
    std::atomic<std::uint64_t> count{0};
    std::atomic<std::uint64_t> ns{0};
    void add(SteadyClock::duration d) {
      count.fetch_add(1, std::memory_order_relaxed);
      ns.fetch_add(static_cast<std::uint64_t>(std::chrono::nanoseconds(d).count()), std::memory_order_relaxed);
    }
    tensor::oip::Duration read() const {
      return {count.load(std::memory_order_relaxed), ns.load(std::memory_order_relaxed)};
    }
  };
  Pair success_, fail_, queue_, input_, infer_, output_;
  std::atomic<std::uint64_t> rows_{0};
  std::atomic<std::uint64_t> executions_{0};
  std::atomic<std::uint64_t> last_ms_{0};
  mutable std::mutex batches_mutex_;
  std::map<std::uint64_t, tensor::oip::Duration>
      batches_;  ///< rows of an execution → figures; at most max_batch_size entries

  metrics::Counter &m_success_, &m_rejected_, &m_timeout_, &m_input_, &m_model_, &m_rows_, &m_executions_;
  metrics::Counter &m_request_us_, &m_queue_us_, &m_input_us_, &m_infer_us_, &m_output_us_;
  metrics::Gauge& pending_;
  metrics::Histogram &h_request_, &h_queue_, &h_infer_;
};

}  // namespace sedna::inference
