// When a request may be sent again and after how long. Called by the inference client; that only requests of which
// nothing was executed are repeated is the client's to know.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace sedna::algo {

/// gRPC's retry throttle (proposal A6): a server that fails often is not asked twice.
///   failure: tokens ← max(0, tokens − 1); success: tokens ← min(M, tokens + ratio); retry only while tokens > M / 2
/// Thread-safe and lock-free; tokens are kept in thousandths, as gRPC does.
class RetryThrottle {
 public:
  /// 0 < max_tokens ≤ 1000, 0 < ratio; throws Error(kInvalidArgument).
  explicit RetryThrottle(double max_tokens = 10, double ratio = 0.1);
  /// Counts the failure and says whether it may be retried.
  bool failed_may_retry();
  void succeeded();
  double tokens() const { return static_cast<double>(tokens_.load(std::memory_order_relaxed)) / kUnit; }

 private:
  static constexpr std::int64_t kUnit = 1000;
  const std::int64_t max_;
  const std::int64_t ratio_;
  std::atomic<std::int64_t> tokens_;
};

/// Full jitter (Brooker, "Exponential Backoff and Jitter", 2015): uniform in [0, min(cap, base · 2^attempt)], and never
/// below `floor`, so that the first retry is not at once.
struct RetryBackoff {
  std::chrono::microseconds floor{0};
  std::chrono::microseconds base{25'000};
  std::chrono::microseconds cap{250'000};

  /// `attempt` 0 = before the first retry; `uniform` drawn from [0, 1). A server's Retry-After, when it is longer,
  /// wins.
  std::chrono::microseconds delay(unsigned attempt, double uniform,
                                  std::chrono::microseconds retry_after = std::chrono::microseconds(0)) const;
};

/// Envoy's retry budget: at most max(3, 20 % of the requests under way) retries at once. Thread-safe and lock-free.
class RetryBudget {
 public:
  explicit RetryBudget(double share = 0.2, std::uint32_t minimum = 3) : share_(share), minimum_(minimum) {}
  /// Brackets each request, retried or not.
  void request_started() { requests_.fetch_add(1, std::memory_order_relaxed); }
  void request_ended() { requests_.fetch_sub(1, std::memory_order_relaxed); }
  /// Takes a place for a retry (give it back with retry_ended), or says no.
  bool try_start_retry();
  void retry_ended() { retries_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  const double share_;
  const std::uint32_t minimum_;
  std::atomic<std::uint32_t> requests_{0};
  std::atomic<std::uint32_t> retries_{0};
};

}  // namespace sedna::algo
