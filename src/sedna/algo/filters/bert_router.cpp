// BertRouter (upstream's): a text classifier says whether the small language model will do.
//   s = LABEL_0 / (LABEL_0 + LABEL_1)      hard iff not s ≥ threshold      score = 1 − s
// Ong, Almahairi, Wu and others, "RouteLLM: Learning to Route LLMs with Preference Data", 2024; rule and parameters
// from KubeEdge Sedna. This is the decision; the classifier runs in Python and gives the values [LABEL_0, LABEL_1].
#include "sedna/algo/filters/filter_base.hpp"

namespace sedna::algo {
namespace {

class BertRouter final : public FilterBase {
 public:
  explicit BertRouter(const Parameters& parameters) : FilterBase("BertRouter", EdgeResult::Form::kProbabilities) {
    ParameterReader reader("BertRouter", parameters);
    threshold_ = reader.number("threshold", 0.5);
    // The classifier's own, read here so that a wrong one is refused and none is called unknown.
    reader.text("model", {});
    reader.text("task", {});
    reader.text("device", {});
    reader.integer("max_length");
    set_ignored(reader.unknown());
  }

  Verdict judge(const EdgeResult& result) const override {
    if (!result.valid || result.values.size() != 2 || result.form != EdgeResult::Form::kProbabilities) {
      return invalid_verdict();
    }
    const double total = result.values[0] + result.values[1];
    if (total == 0) return invalid_verdict();
    const double win = result.values[0] / total;
    // Upstream asks whether s reaches the threshold, so a classifier that answers NaN sends the query on.
    return verdict(!(win >= threshold_), win != win ? 1 : 1 - win);
  }
  std::optional<double> threshold() const override { return 1 - threshold_; }
  std::optional<Parameter> threshold_as_parameter(double score_threshold) const override {
    return Parameter{"threshold", number_text(1 - score_threshold)};
  }

 private:
  double threshold_;
};

}  // namespace

FilterPtr make_bert_router(const Parameters& parameters) {
  return std::make_unique<BertRouter>(parameters);
}

}  // namespace sedna::algo
