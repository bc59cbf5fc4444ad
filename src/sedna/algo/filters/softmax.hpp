// Sums over softmax(z / T) in one pass over logits or probabilities: what every confidence score is made of. Called by
// the filters and by calibration; allocates nothing.
#pragma once

#include <cstddef>

#include "sedna/algo/hard_example.hpp"

namespace sedna::algo {

/// How far a list of probabilities may be from summing to one (float32 and fp16 softmax stay well within).
inline constexpr double kProbabilitySumTolerance = 1e-3;

struct SoftmaxTop {
  bool valid = false;
  double first = 0;   ///< the largest probability
  double second = 0;  ///< the second largest; 0 with a single class
};

struct LogSumExp {
  bool valid = false;
  double max = 0;    ///< the largest logit
  double value = 0;  ///< T · ln Σ exp(z / T)
};

/// Not valid: empty, box scores, NaN, +inf, all −inf, probabilities outside [0, 1] or whose sum is not 1 ± 1e-3.
/// Probabilities are taken as they are at T = 1; elsewhere as z = ln p.
SoftmaxTop softmax_top(const EdgeResult& result, double temperature);
/// −Σ p ln p / ln n with 0·ln 0 = 0, and 0 for one class; negative when not valid.
double normalized_entropy(const EdgeResult& result, double temperature);
/// Logits only.
LogSumExp log_sum_exp(const EdgeResult& result, double temperature);

}  // namespace sedna::algo
