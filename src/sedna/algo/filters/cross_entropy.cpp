// CrossEntropy (upstream's): little certainty in the class probabilities.
//   hard iff 1 + Σ p ln p / ln n < threshold_cross_entropy      score = −Σ p ln p / ln n
// Rule and parameter from KubeEdge Sedna's hard-example mining; the same ranking as Entropy. As upstream it does not
// ask that the probabilities sum to one. p = 0 counts as 0 · ln 0 = 0 (upstream raises). One probability alone is
// decided by the division by ln 1 = 0, as upstream does with arrays: hard below 1, easy at 1.
#include <cmath>

#include "sedna/algo/filters/filter_base.hpp"
#include "sedna/algo/filters/softmax.hpp"

namespace sedna::algo {
namespace {

class CrossEntropy final : public FilterBase {
 public:
  explicit CrossEntropy(ParameterReader& reader)
      : FilterBase("CrossEntropy", reader.form(EdgeResult::Form::kProbabilities)),
        threshold_(reader.number("threshold_cross_entropy", 0.5)) {
    set_ignored(reader.unknown());
  }

  Verdict judge(const EdgeResult& result) const override {
    if (!result.valid || result.values.empty() || result.form == EdgeResult::Form::kBoxScores) return invalid_verdict();
    if (result.form == EdgeResult::Form::kLogits) {
      const double entropy = normalized_entropy(result, 1);
      return entropy < 0 ? invalid_verdict() : verdict(1 - entropy < threshold_, entropy);
    }
    double sum = 0;
    for (const double p : result.values) {
      if (!(p >= 0 && p <= 1)) return invalid_verdict();
      if (p > 0) sum += p * std::log(p);
    }
    const double certainty = 1 + sum / std::log(static_cast<double>(result.values.size()));
    return verdict(certainty < threshold_, 1 - certainty);
  }
  std::optional<double> threshold() const override { return 1 - threshold_; }
  std::optional<Parameter> threshold_as_parameter(double score_threshold) const override {
    return Parameter{"threshold_cross_entropy", number_text(1 - score_threshold)};
  }

 private:
  double threshold_;
};

}  // namespace

FilterPtr make_cross_entropy(const Parameters& parameters) {
  ParameterReader reader("CrossEntropy", parameters);
  return std::make_unique<CrossEntropy>(reader);
}

}  // namespace sedna::algo
