// A filter that is one score compared with one threshold: hard iff score > threshold. Our presets are made of it.
#pragma once

#include "sedna/algo/filters/filter_base.hpp"

namespace sedna::algo {

struct Score {
  bool valid = false;
  double value = 0;
};
using ScoreFunction = Score (*)(const EdgeResult& result, double temperature);

struct ScoreFilterTraits {
  std::string_view name;
  ScoreFunction score;
  EdgeResult::Form form = EdgeResult::Form::kProbabilities;  ///< when the parameter `input` is absent
  double threshold = 0.5;                                    ///< when the parameter `threshold` is absent
  bool has_temperature = false;                              ///< reads the parameter `temperature` (default 1)
  bool logits_only = false;
};

/// Reads `threshold`, `input` and, where the traits say so, `temperature`. Throws Error(kInvalidArgument).
FilterPtr make_score_filter(const ScoreFilterTraits& traits, const Parameters& parameters);

}  // namespace sedna::algo
