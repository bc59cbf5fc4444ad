// MaxLogit: the largest logit, negated; keeps the magnitude that softmax divides away.
//   score = −max z
// Hendrycks, Basart, Mazeika and others, "Scaling Out-of-Distribution Detection for Real-World Settings", ICML 2022.
// Its scale is the model's own: calibrate the threshold (default 0).
#include "sedna/algo/filters/score_filter.hpp"
#include "sedna/algo/filters/softmax.hpp"

namespace sedna::algo {
namespace {

Score max_logit(const EdgeResult& result, double) {
  if (!result.valid || result.form != EdgeResult::Form::kLogits || result.values.empty()) return {};
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  double max = -kInfinity;
  for (const double z : result.values) {
    if (!(z < kInfinity)) return {};
    max = std::max(max, z);
  }
  return {max > -kInfinity, -max};
}

}  // namespace

FilterPtr make_max_logit(const Parameters& parameters) {
  return make_score_filter(
      {.name = "MaxLogit", .score = max_logit, .form = EdgeResult::Form::kLogits, .threshold = 0, .logits_only = true},
      parameters);
}

}  // namespace sedna::algo
