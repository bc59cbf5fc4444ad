// Margin: how close the runner-up is.
//   score = 1 − (p(1) − p(2))
// Scheffer, Decomain and Wrobel, "Active Hidden Markov Models for Information Extraction", IDA 2001.
#include "sedna/algo/filters/score_filter.hpp"
#include "sedna/algo/filters/softmax.hpp"

namespace sedna::algo {
namespace {

Score margin(const EdgeResult& result, double temperature) {
  const SoftmaxTop top = softmax_top(result, temperature);
  return {top.valid, 1 - (top.first - top.second)};
}

}  // namespace

FilterPtr make_margin(const Parameters& parameters) {
  return make_score_filter({.name = "Margin", .score = margin}, parameters);
}

}  // namespace sedna::algo
