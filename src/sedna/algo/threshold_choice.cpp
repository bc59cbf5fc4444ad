#include "sedna/algo/threshold_choice.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "sedna/base/error.hpp"

namespace sedna::algo {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Indices by falling score. Ties stay in no particular order: they are never parted.
std::vector<std::size_t> hardest_first(std::span<const double> scores) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [scores](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  return order;
}

/// Half way between two neighbours, but never on the higher one (scores equal to τ stay).
double between(double low, double high) {
  const double middle = low + (high - low) / 2;
  return middle < high ? middle : low;
}

void require(bool good, const char* right, const char* what) {
  if (!good) throw Error(ErrorCode::kInvalidArgument, right, what);
}

void require_numbers(std::span<const double> values, const char* what) {
  require(!values.empty(), "has no samples; a few hundred are needed", what);
  for (const double v : values) require(!std::isnan(v), "holds NaN", what);
}

}  // namespace

double quantile(std::span<const double> sorted, double q) {
  require(!sorted.empty(), "must not be empty", "sorted");
  const double position = std::clamp(q, 0.0, 1.0) * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<std::size_t>(position);
  if (low + 1 >= sorted.size()) return sorted.back();
  const double part = position - static_cast<double>(low);
  return part == 0 ? sorted[low] : sorted[low] + part * (sorted[low + 1] - sorted[low]);
}

double threshold_for_ratio(std::span<const double> scores, double ratio) {
  require_numbers(scores, "scores");
  require(ratio >= 0 && ratio <= 1, "must be from 0 to 1", "ratio");
  if (ratio == 1) return -kInfinity;
  std::vector<double> sorted(scores.begin(), scores.end());
  std::sort(sorted.begin(), sorted.end());
  return quantile(sorted, 1 - ratio);
}

AccuracyChoice threshold_for_accuracy(std::span<const double> scores, std::span<const std::uint8_t> edge_right,
                                      std::span<const std::uint8_t> cloud_right, double target) {
  require_numbers(scores, "scores");
  require(edge_right.size() == scores.size(), "must have one entry for each score", "edge_right");
  require(cloud_right.size() == scores.size(), "must have one entry for each score", "cloud_right");
  const auto order = hardest_first(scores);
  const std::size_t n = order.size();
  std::int64_t right = 0;
  for (const std::uint8_t each : edge_right) right += each != 0 ? 1 : 0;

  AccuracyChoice best;
  const auto consider = [&](std::size_t sent) {
    const double joint = static_cast<double>(right) / static_cast<double>(n);
    if (sent > 0 && joint <= best.joint) return;
    best.threshold = sent == 0   ? scores[order[0]]
                     : sent == n ? -kInfinity
                                 : between(scores[order[sent]], scores[order[sent - 1]]);
    best.joint = joint;
    best.ratio = static_cast<double>(sent) / static_cast<double>(n);
    // Counted in samples: a target of 0.9 must not fail at nine of ten by rounding.
    best.reached = static_cast<double>(right) >= target * static_cast<double>(n) - 1e-9;
  };
  consider(0);
  for (std::size_t sent = 1; sent <= n && !best.reached; ++sent) {
    const std::size_t i = order[sent - 1];
    right += (cloud_right[i] != 0 ? 1 : 0) - (edge_right[i] != 0 ? 1 : 0);
    if (sent == n || scores[order[sent]] < scores[i]) consider(sent);
  }
  return best;
}

std::optional<double> conformal_confidence(std::span<const double> confidence, std::span<const std::uint8_t> right,
                                           double alpha) {
  require_numbers(confidence, "confidence");
  require(right.size() == confidence.size(), "must have one entry for each confidence", "right");
  require(alpha > 0 && alpha <= 1, "must be above 0 and at most 1", "alpha");
  const auto order = hardest_first(confidence);  // here: most confident first
  const auto n = static_cast<double>(order.size());
  std::optional<double> lambda;
  std::size_t wrong = 0;
  for (std::size_t kept = 0; kept < order.size();) {
    const double value = confidence[order[kept]];
    for (; kept < order.size() && confidence[order[kept]] == value; ++kept) wrong += right[order[kept]] == 0 ? 1 : 0;
    // n/(n+1) · wrong/n + 1/(n+1); it only grows as λ falls.
    if ((static_cast<double>(wrong) + 1) / (n + 1) > alpha + 1e-12) break;
    lambda = value;
  }
  return lambda;
}

}  // namespace sedna::algo
