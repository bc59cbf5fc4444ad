// IBT, image-box-threshold (upstream's): too large a share of the boxes is unsure.
//   hard iff #(score ≤ threshold_box) / m ≥ 1 − threshold_img      score = that share
// Rule and parameters from KubeEdge Sedna's hard-example mining. Any score outside [0, 1] makes the image not hard.
#include "sedna/algo/filters/filter_base.hpp"

namespace sedna::algo {
namespace {

class Ibt final : public FilterBase {
 public:
  explicit Ibt(const Parameters& parameters) : FilterBase("IBT", EdgeResult::Form::kBoxScores) {
    ParameterReader reader("IBT", parameters);
    threshold_box_ = reader.number("threshold_box", 0.5);
    threshold_img_ = reader.number("threshold_img", 0.5);
    set_ignored(reader.unknown());
  }

  Verdict judge(const EdgeResult& result) const override {
    if (!result.valid || result.form != EdgeResult::Form::kBoxScores || result.values.empty()) return invalid_verdict();
    std::size_t unsure = 0;
    for (const double score : result.values) {
      if (!(score >= 0 && score <= 1)) return invalid_verdict();
      if (score <= threshold_box_) ++unsure;
    }
    const double share = static_cast<double>(unsure) / static_cast<double>(result.values.size());
    return verdict(share >= 1 - threshold_img_, share);
  }
  std::optional<double> threshold() const override { return 1 - threshold_img_; }
  /// Shares are few, and a threshold lies between two of them: "at least" and "more than" cut alike.
  std::optional<Parameter> threshold_as_parameter(double score_threshold) const override {
    return Parameter{"threshold_img", number_text(1 - score_threshold)};
  }

 private:
  double threshold_box_;
  double threshold_img_;
};

}  // namespace

FilterPtr make_ibt(const Parameters& parameters) {
  return std::make_unique<Ibt>(parameters);
}

}  // namespace sedna::algo
