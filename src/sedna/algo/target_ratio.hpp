// Target ratio: holds the share of hard samples at ρ by moving the threshold.
//   hard = score > τ;  τ ← clamp(τ + η · (1[hard] − ρ), low, high)
// Robbins and Monro, "A Stochastic Approximation Method", 1951, on the (1 − ρ) quantile of the scores. For users who
// name a ratio; it adapts within about 1 / η samples and follows drift, so watch the accuracy when the input changes.
#pragma once

#include <atomic>
#include <limits>

namespace sedna::algo {

struct TargetRatioOptions {
  double ratio = 0.2;      ///< ρ in [0, 1]
  double threshold = 0.5;  ///< τ at the start: the calibrated one
  double step = 0.01;      ///< η, in units of the score
  double low = -std::numeric_limits<double>::max();
  double high = std::numeric_limits<double>::max();
};

/// Thread-safe and lock-free.
class TargetRatio {
 public:
  /// Throws Error(kInvalidArgument) naming the option.
  explicit TargetRatio(const TargetRatioOptions& options);
  /// Judges one sample and learns from it. A score that is not a number is not hard and teaches nothing.
  bool judge(double score);
  double threshold() const { return threshold_.load(std::memory_order_relaxed); }

 private:
  const TargetRatioOptions options_;
  std::atomic<double> threshold_;
};

}  // namespace sedna::algo
