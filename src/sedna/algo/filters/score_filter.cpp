#include "sedna/algo/filters/score_filter.hpp"

#include "sedna/base/error.hpp"

namespace sedna::algo {
namespace {

class ScoreFilter final : public FilterBase {
 public:
  ScoreFilter(const ScoreFilterTraits& traits, ParameterReader& reader)
      : FilterBase(traits.name, reader.form(traits.form)),
        score_(traits.score),
        temperature_(traits.has_temperature ? reader.positive("temperature", 1) : 1),
        threshold_(reader.number("threshold", traits.threshold)) {
    if (traits.logits_only && form() != EdgeResult::Form::kLogits) {
      throw Error(ErrorCode::kInvalidArgument,
                  "is \"probabilities\", but the filter " + std::string(traits.name) +
                      " needs \"logits\": normalised values have lost what it measures",
                  "input");
    }
    set_ignored(reader.unknown());
  }

  Verdict judge(const EdgeResult& result) const override {
    const Score score = score_(result, temperature_);
    return score.valid ? verdict(score.value > threshold_, score.value) : invalid_verdict();
  }
  std::optional<double> threshold() const override { return threshold_; }
  std::optional<Parameter> threshold_as_parameter(double score_threshold) const override {
    return Parameter{"threshold", number_text(score_threshold)};
  }

 private:
  ScoreFunction score_;
  double temperature_;
  double threshold_;
};

}  // namespace

FilterPtr make_score_filter(const ScoreFilterTraits& traits, const Parameters& parameters) {
  ParameterReader reader(traits.name, parameters);
  return std::make_unique<ScoreFilter>(traits, reader);
}

}  // namespace sedna::algo
