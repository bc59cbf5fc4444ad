// Entropy: that of the class probabilities, as a share of its maximum.
//   score = −Σ p ln p / ln n      (0 · ln 0 = 0; one class: 0)
// Teerapittayanon, McDanel and Kung, "BranchyNet", ICPR 2016, and "Distributed Deep Neural Networks over the Cloud,
// the Edge and End Devices", ICDCS 2017. Says hard where upstream's CrossEntropy does at threshold 1 − t.
#include "sedna/algo/filters/score_filter.hpp"
#include "sedna/algo/filters/softmax.hpp"

namespace sedna::algo {
namespace {

Score entropy(const EdgeResult& result, double temperature) {
  const double value = normalized_entropy(result, temperature);
  return {value >= 0, value};
}

}  // namespace

FilterPtr make_entropy(const Parameters& parameters) {
  return make_score_filter({.name = "Entropy", .score = entropy}, parameters);
}

}  // namespace sedna::algo
