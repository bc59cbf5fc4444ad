// TemperatureEntropy: the normalised entropy of logits divided by a fitted temperature.
//   score = −Σ p ln p / ln n with p = softmax(z / T)
// Temperature: Guo and others, ICML 2017; entropy as an exit rule: BranchyNet, ICPR 2016.
// Reads logits; with `input: probabilities` z = ln p, which gives the same.
#include "sedna/algo/filters/score_filter.hpp"
#include "sedna/algo/filters/softmax.hpp"

namespace sedna::algo {
namespace {

Score temperature_entropy(const EdgeResult& result, double temperature) {
  const double value = normalized_entropy(result, temperature);
  return {value >= 0, value};
}

}  // namespace

FilterPtr make_temperature_entropy(const Parameters& parameters) {
  return make_score_filter({.name = "TemperatureEntropy",
                            .score = temperature_entropy,
                            .form = EdgeResult::Form::kLogits,
                            .has_temperature = true},
                           parameters);
}

}  // namespace sedna::algo
