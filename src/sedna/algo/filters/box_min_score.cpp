// BoxMinScore: one doubtful box is enough.
//   score = 1 − min(box scores)      hard iff score > threshold (default 0.5)
// and an image without boxes is hard when `empty_is_hard` (default false) says so. The least-confident rule of
// uncertainty sampling (Lewis and Gale, SIGIR 1994), taken over an image's boxes.
#include "sedna/algo/filters/filter_base.hpp"

namespace sedna::algo {
namespace {

class BoxMinScore final : public FilterBase {
 public:
  explicit BoxMinScore(const Parameters& parameters) : FilterBase("BoxMinScore", EdgeResult::Form::kBoxScores) {
    ParameterReader reader("BoxMinScore", parameters);
    threshold_ = reader.number("threshold", 0.5);
    empty_is_hard_ = reader.flag("empty_is_hard", false);
    set_ignored(reader.unknown());
  }

  Verdict judge(const EdgeResult& result) const override {
    if (!result.valid || result.form != EdgeResult::Form::kBoxScores) return invalid_verdict();
    if (result.values.empty()) return empty_is_hard_ ? verdict(true, 1) : verdict(false, 0);
    double least = 1;
    for (const double score : result.values) {
      if (!(score >= 0 && score <= 1)) return invalid_verdict();
      least = std::min(least, score);
    }
    return verdict(1 - least > threshold_, 1 - least);
  }
  std::optional<double> threshold() const override { return threshold_; }
  std::optional<Parameter> threshold_as_parameter(double score_threshold) const override {
    return Parameter{"threshold", number_text(score_threshold)};
  }

 private:
  double threshold_;
  bool empty_is_hard_;
};

}  // namespace

FilterPtr make_box_min_score(const Parameters& parameters) {
  return std::make_unique<BoxMinScore>(parameters);
}

}  // namespace sedna::algo
