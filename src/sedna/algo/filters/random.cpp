// Random (upstream's): a share of the samples, whatever they are; the line every other filter has to beat.
//   hard iff uniform(0, 1) < random_ratio      score = 1 − that number
// Rule and parameter from KubeEdge Sedna's hard-example mining; `seed` is ours and repeats what Python's
// random.seed(seed); random.uniform(0, 1) draws.
#include <mutex>
#include <random>

#include "sedna/algo/filters/filter_base.hpp"
#include "sedna/algo/python_random.hpp"

namespace sedna::algo {
namespace {

class Random final : public FilterBase {
 public:
  explicit Random(const Parameters& parameters) : FilterBase("Random", EdgeResult::Form::kProbabilities) {
    ParameterReader reader("Random", parameters);
    ratio_ = reader.number("random_ratio", 0.3);
    const auto seed = reader.integer("seed");
    generator_ = PythonRandom(seed ? *seed : std::random_device()());
    set_ignored(reader.unknown());
  }

  Verdict judge(const EdgeResult&) const override {
    double draw = 0;
    {
      const std::lock_guard lock(mutex_);
      draw = generator_.uniform();
    }
    return verdict(draw < ratio_, 1 - draw);
  }
  std::optional<double> threshold() const override { return 1 - ratio_; }
  std::optional<Parameter> threshold_as_parameter(double score_threshold) const override {
    return Parameter{"random_ratio", number_text(1 - score_threshold)};
  }

 private:
  double ratio_;
  mutable std::mutex mutex_;
  mutable PythonRandom generator_;
};

}  // namespace

FilterPtr make_random(const Parameters& parameters) {
  return std::make_unique<Random>(parameters);
}

}  // namespace sedna::algo
