// BoxCount: a crowded image, where a small detector misses most.
//   score = number of boxes with score ≥ threshold_box (default 0)      hard iff score > threshold (default 10)
// and an image without boxes is hard when `empty_is_hard` (default false) says so.
// The number of objects as a sign of difficulty: Cao and others, "Edge-Cloud Collaborated Object Detection via
// Difficult-Case Discriminator", ICDCS 2023.
#include "sedna/algo/filters/filter_base.hpp"

namespace sedna::algo {
namespace {

class BoxCount final : public FilterBase {
 public:
  explicit BoxCount(const Parameters& parameters) : FilterBase("BoxCount", EdgeResult::Form::kBoxScores) {
    ParameterReader reader("BoxCount", parameters);
    threshold_ = reader.number("threshold", 10);
    threshold_box_ = reader.number("threshold_box", 0);
    empty_is_hard_ = reader.flag("empty_is_hard", false);
    set_ignored(reader.unknown());
  }

  Verdict judge(const EdgeResult& result) const override {
    if (!result.valid || result.form != EdgeResult::Form::kBoxScores) return invalid_verdict();
    std::size_t count = 0;
    for (const double score : result.values) {
      if (score != score) return invalid_verdict();
      if (score >= threshold_box_) ++count;
    }
    if (count == 0 && empty_is_hard_) return verdict(true, std::numeric_limits<double>::max());
    const auto score = static_cast<double>(count);
    return verdict(score > threshold_, score);
  }
  std::optional<double> threshold() const override { return threshold_; }
  std::optional<Parameter> threshold_as_parameter(double score_threshold) const override {
    return Parameter{"threshold", number_text(score_threshold)};
  }

 private:
  double threshold_;
  double threshold_box_;
  bool empty_is_hard_;
};

}  // namespace

FilterPtr make_box_count(const Parameters& parameters) {
  return std::make_unique<BoxCount>(parameters);
}

}  // namespace sedna::algo
