#include "sedna/algo/filters/softmax.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sedna::algo {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool valid_probabilities(std::span<const double> values) {
  double sum = 0;
  for (const double p : values) {
    if (!(p >= 0 && p <= 1)) return false;
    sum += p;
  }
  return !values.empty() && std::abs(sum - 1) <= kProbabilitySumTolerance;
}

/// The largest logit, or NaN when the list cannot be normalised. −inf is a masked class: its probability is 0.
double usable_max(std::span<const double> values) {
  double max = -kInfinity;
  for (const double z : values) {
    if (!(z < kInfinity)) return std::numeric_limits<double>::quiet_NaN();
    max = std::max(max, z);
  }
  return max == -kInfinity ? std::numeric_limits<double>::quiet_NaN() : max;
}

bool usable(const EdgeResult& result) {
  return result.valid && result.form != EdgeResult::Form::kBoxScores;
}

}  // namespace

SoftmaxTop softmax_top(const EdgeResult& result, double temperature) {
  if (!usable(result)) return {};
  const auto values = result.values;
  const bool logits = result.form == EdgeResult::Form::kLogits;
  if (logits ? std::isnan(usable_max(values)) : !valid_probabilities(values)) return {};
  double first = -kInfinity;
  double second = -kInfinity;
  for (const double v : values) {
    second = std::max(second, std::min(first, v));
    first = std::max(first, v);
  }
  if (!logits && temperature == 1) return {true, first, second == -kInfinity ? 0 : second};
  double sum = 0;
  double top_two = 0;
  if (logits) {
    for (const double z : values) sum += std::exp((z - first) / temperature);
    top_two = std::exp((second - first) / temperature);
  } else {
    for (const double p : values) sum += std::pow(p / first, 1 / temperature);
    top_two = second == -kInfinity ? 0 : std::pow(second / first, 1 / temperature);
  }
  return {true, 1 / sum, top_two / sum};
}

double normalized_entropy(const EdgeResult& result, double temperature) {
  if (!usable(result)) return -1;
  const auto values = result.values;
  const double ln_n = std::log(static_cast<double>(values.size()));
  double entropy = 0;
  if (result.form == EdgeResult::Form::kProbabilities) {
    if (!valid_probabilities(values)) return -1;
    if (values.size() == 1) return 0;
    if (temperature == 1) {
      for (const double p : values) entropy -= p > 0 ? p * std::log(p) : 0;
    } else {
      double sum = 0;
      double weighted = 0;
      const double max = *std::max_element(values.begin(), values.end());
      for (const double p : values) {
        if (p == 0) continue;
        const double z = std::log(p / max) / temperature;
        const double w = std::exp(z);
        sum += w;
        weighted += w * z;
      }
      entropy = std::log(sum) - weighted / sum;
    }
  } else {
    const double max = usable_max(values);
    if (std::isnan(max)) return -1;
    if (values.size() == 1) return 0;
    double sum = 0;
    double weighted = 0;
    for (const double v : values) {
      const double z = (v - max) / temperature;
      const double w = std::exp(z);
      sum += w;
      weighted += w > 0 ? w * z : 0;  // 0 · −inf
    }
    entropy = std::log(sum) - weighted / sum;
  }
  return std::clamp(entropy / ln_n, 0.0, 1.0);
}

LogSumExp log_sum_exp(const EdgeResult& result, double temperature) {
  if (!result.valid || result.form != EdgeResult::Form::kLogits) return {};
  const double max = usable_max(result.values);
  if (std::isnan(max)) return {};
  double sum = 0;
  for (const double z : result.values) sum += std::exp((z - max) / temperature);
  return {true, max, max + temperature * std::log(sum)};
}

}  // namespace sedna::algo
