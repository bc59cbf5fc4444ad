// Drift plus penalty: spends a cost budget where it gains most, without knowing what is to come.
//   offload iff V · gain > Q · cost;  Q ← max(0, Q + cost · 1[offload] − budget)
// Neely, "Stochastic Network Optimization with Application to Communication and Queueing Systems", 2010. The average
// cost stays below `budget` a sample, up to O(V); a larger V follows the gain more closely.
#pragma once

#include <mutex>

namespace sedna::algo {

/// Thread-safe: one short lock.
class DriftPlusPenalty {
 public:
  /// V > 0, budget ≥ 0 per sample; throws Error(kInvalidArgument).
  DriftPlusPenalty(double v, double budget);
  /// `gain`: what the cloud is expected to add (a score in [0, 1]); `cost` in the budget's unit.
  bool judge(double gain, double cost = 1);
  double queue() const;

 private:
  const double v_;
  const double budget_;
  mutable std::mutex mutex_;
  double queue_ = 0;
};

}  // namespace sedna::algo
