// MSP: one minus the maximum softmax probability.
//   score = 1 − p(1)
// Hendrycks and Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples", ICLR 2017.
#include "sedna/algo/filters/score_filter.hpp"
#include "sedna/algo/filters/softmax.hpp"

namespace sedna::algo {
namespace {

Score msp(const EdgeResult& result, double temperature) {
  const SoftmaxTop top = softmax_top(result, temperature);
  return {top.valid, 1 - top.first};
}

}  // namespace

FilterPtr make_msp(const Parameters& parameters) {
  return make_score_filter({.name = "MSP", .score = msp}, parameters);
}

}  // namespace sedna::algo
