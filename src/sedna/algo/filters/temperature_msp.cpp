// TemperatureMSP: MSP of logits softened or sharpened by a temperature fitted on held-out samples.
//   score = 1 − max softmax(z / T)
// Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
// Reads logits; with `input: probabilities` z = ln p, which gives the same.
#include "sedna/algo/filters/score_filter.hpp"
#include "sedna/algo/filters/softmax.hpp"

namespace sedna::algo {
namespace {

Score temperature_msp(const EdgeResult& result, double temperature) {
  const SoftmaxTop top = softmax_top(result, temperature);
  return {top.valid, 1 - top.first};
}

}  // namespace

FilterPtr make_temperature_msp(const Parameters& parameters) {
  return make_score_filter(
      {.name = "TemperatureMSP", .score = temperature_msp, .form = EdgeResult::Form::kLogits, .has_temperature = true},
      parameters);
}

}  // namespace sedna::algo
