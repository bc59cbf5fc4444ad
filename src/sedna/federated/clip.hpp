// Norm clipping: no update moves the model farther than a bound, so that no single client can throw it off. Called by
// RoundSum before an update is combined.
// Sun et al., "Can You Really Backdoor Federated Learning?", 2019 (fixed bound).
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "sedna/federated/aggregation.hpp"

namespace sedna::federated {

/// The bound is a fixed number, or the median length of the updates of past rounds (of the last `window`); in the first
/// round with a base, that of the round itself. Lives as long as the job. Not thread-safe.
class NormClip {
 public:
  /// "10" (fixed), "median" or "median,factor=1.5,window=200". Throws Error(kInvalidArgument).
  explicit NormClip(const std::string& text);

  bool adaptive() const { return !fixed_; }
  /// The bound now; nothing while there is no past to take it from.
  std::optional<double> bound() const;
  /// A bound from these lengths alone: what an adaptive clip uses in its first round.
  double bound_of(std::vector<double> norms) const;
  /// The lengths of a round's updates, before they were clipped.
  void remember(const std::vector<double>& norms);

  const std::deque<double>& history() const { return history_; }
  void restore(std::vector<double> history) { history_.assign(history.begin(), history.end()); }

  /// base + (x − base) · min(1, bound / norm), for every tensor; returned as it is when it is short enough.
  static Weights clipped(const Weights& weights, const Weights& base, double norm, double bound);

 private:
  std::optional<double> fixed_;
  double factor_ = 1;
  std::size_t window_ = 200;
  std::deque<double> history_;
};

}  // namespace sedna::federated
