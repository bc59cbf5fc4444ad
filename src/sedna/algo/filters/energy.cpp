// Energy: the free energy of the logits; made for inputs unlike the training set rather than for plain errors.
//   score = −T · ln Σ exp(z / T)
// Liu, Wang, Owens and Li, "Energy-based Out-of-distribution Detection", NeurIPS 2020.
// Its scale is the model's own: calibrate the threshold (default 0).
#include "sedna/algo/filters/score_filter.hpp"
#include "sedna/algo/filters/softmax.hpp"

namespace sedna::algo {
namespace {

Score energy(const EdgeResult& result, double temperature) {
  const LogSumExp sum = log_sum_exp(result, temperature);
  return {sum.valid, -sum.value};
}

}  // namespace

FilterPtr make_energy(const Parameters& parameters) {
  return make_score_filter({.name = "Energy",
                            .score = energy,
                            .form = EdgeResult::Form::kLogits,
                            .threshold = 0,
                            .has_temperature = true,
                            .logits_only = true},
                           parameters);
}

}  // namespace sedna::algo
