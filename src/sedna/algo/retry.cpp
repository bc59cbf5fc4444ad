#include "sedna/algo/retry.hpp"

#include <algorithm>
#include <cmath>

#include "sedna/base/error.hpp"

namespace sedna::algo {

RetryThrottle::RetryThrottle(double max_tokens, double ratio)
    : max_(std::llround(std::clamp(max_tokens, 0.0, 1001.0) * kUnit)),
      ratio_(std::llround(std::clamp(ratio, 0.0, 1000.0) * kUnit)),
      tokens_(max_) {
  if (!(max_tokens > 0 && max_tokens <= 1000)) {
    throw Error(ErrorCode::kInvalidArgument, "must be above 0 and at most 1000", "max_tokens");
  }
  if (ratio_ <= 0) throw Error(ErrorCode::kInvalidArgument, "must be 0.001 or more", "ratio");
}

bool RetryThrottle::failed_may_retry() {
  std::int64_t before = tokens_.load(std::memory_order_relaxed);
  std::int64_t after = 0;
  do {
    after = std::max<std::int64_t>(0, before - kUnit);
  } while (!tokens_.compare_exchange_weak(before, after, std::memory_order_relaxed));
  return 2 * after > max_;
}

void RetryThrottle::succeeded() {
  std::int64_t before = tokens_.load(std::memory_order_relaxed);
  // Full nearly always: then nothing is written, and the cache line stays shared.
  while (before < max_ &&
         !tokens_.compare_exchange_weak(before, std::min(max_, before + ratio_), std::memory_order_relaxed)) {
  }
}

std::chrono::microseconds RetryBackoff::delay(unsigned attempt, double uniform,
                                              std::chrono::microseconds retry_after) const {
  const double longest =
      std::min(static_cast<double>(cap.count()),
               std::ldexp(static_cast<double>(base.count()), static_cast<int>(std::min(attempt, 60u))));
  const auto drawn = std::chrono::microseconds(std::llround(longest * std::clamp(uniform, 0.0, 1.0)));
  return std::max({drawn, floor, retry_after});
}

bool RetryBudget::try_start_retry() {
  const double share = share_ * static_cast<double>(requests_.load(std::memory_order_relaxed));
  const auto limit = std::max(minimum_, static_cast<std::uint32_t>(share));
  std::uint32_t running = retries_.load(std::memory_order_relaxed);
  while (running < limit) {
    if (retries_.compare_exchange_weak(running, running + 1, std::memory_order_relaxed)) return true;
  }
  return false;
}

}  // namespace sedna::algo
