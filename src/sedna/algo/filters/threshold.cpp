// Threshold (upstream's): the detector is unsure on average.
//   hard iff mean(box scores) < threshold      score = 1 − mean
// Rule and parameter from KubeEdge Sedna's hard-example mining. The sum runs from left to right, as upstream's does, so
// that means equal to the threshold fall on the same side.
#include "sedna/algo/filters/filter_base.hpp"

namespace sedna::algo {
namespace {

class Threshold final : public FilterBase {
 public:
  explicit Threshold(const Parameters& parameters) : FilterBase("Threshold", EdgeResult::Form::kBoxScores) {
    ParameterReader reader("Threshold", parameters);
    threshold_ = reader.number("threshold", 0.5);
    set_ignored(reader.unknown());
  }

  Verdict judge(const EdgeResult& result) const override {
    if (!result.valid || result.form != EdgeResult::Form::kBoxScores || result.values.empty()) return invalid_verdict();
    double sum = 0;
    for (const double score : result.values) sum += score;
    const double mean = sum / static_cast<double>(result.values.size());
    return mean != mean ? invalid_verdict() : verdict(mean < threshold_, 1 - mean);
  }
  std::optional<double> threshold() const override { return 1 - threshold_; }
  std::optional<Parameter> threshold_as_parameter(double score_threshold) const override {
    return Parameter{"threshold", number_text(1 - score_threshold)};
  }

 private:
  double threshold_;
};

}  // namespace

FilterPtr make_threshold(const Parameters& parameters) {
  return std::make_unique<Threshold>(parameters);
}

}  // namespace sedna::algo
