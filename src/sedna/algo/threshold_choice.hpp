// Where to cut a score, so that nobody has to guess 0.5: by the share to send, by the accuracy wanted, by a bound on
// the risk kept, by the cost of asking. Pure functions over scores of held-out samples (higher = harder; hard iff score
// > τ).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace sedna::algo {

/// Type 7 (linear), as numpy's default: `sorted` ascending and not empty, q in [0, 1].
double quantile(std::span<const double> sorted, double q);

/// τ = the (1 − ratio) quantile of the scores. Ratio 0 gives the largest score, ratio 1 sends everything (−∞).
double threshold_for_ratio(std::span<const double> scores, double ratio);

struct AccuracyChoice {
  double threshold = 0;
  bool reached = false;  ///< false: no cut reaches the target; the threshold is the best there is
  double joint = 0;      ///< accuracy of edge and cloud together on these samples
  double ratio = 0;      ///< share sent
};
/// The smallest share sent whose joint accuracy is at least `target`: one sweep over the sorted scores, O(N log N).
/// Equal scores are never parted; τ lies half way between neighbours.
AccuracyChoice threshold_for_accuracy(std::span<const double> scores, std::span<const std::uint8_t> edge_right,
                                      std::span<const std::uint8_t> cloud_right, double target);

/// Conformal risk control (Angelopoulos, Bates, Fisch, Lei and Schuster, 2022): keep a sample on the edge iff its
/// confidence ≥ λ̂ = min λ with n/(n+1) · R̂(λ) + 1/(n+1) ≤ α, R̂ the share of all samples that are kept and wrong. Then
/// at most α of future samples are, in expectation. Absent: no λ will do, send everything.
std::optional<double> conformal_confidence(std::span<const double> confidence, std::span<const std::uint8_t> right,
                                           double alpha);

/// Chow's rule ("On Optimum Recognition Error and Reject Tradeoff", 1970): ask iff P(edge right) < 1 − cost.
inline bool chow_offloads(double edge_right, double cost) {
  return edge_right < 1 - cost;
}
/// With estimates for both models: ask iff the cloud is right more often by more than the cost.
inline bool chow_offloads(double edge_right, double cloud_right, double cost) {
  return cloud_right - edge_right > cost;
}

}  // namespace sedna::algo
