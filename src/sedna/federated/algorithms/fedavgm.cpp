// FedAvgM: momentum at the server. With d = x − mean_i(x_i):
//   v' = beta v + d,   x' = x − eta v'.
// Hsu, Qi, Brown, "Measuring the Effects of Non-Identical Data Distribution for Federated Visual Classification", 2019.
#include "sedna/federated/algorithm.hpp"
#include "sedna/federated/elementwise.hpp"

namespace sedna::federated {

namespace {

class FedAvgM final : public Algorithm {
 public:
  FedAvgM(double rate, double momentum) : rate_(rate), momentum_(momentum) {}
  std::string_view name() const override { return "FedAvgM"; }
  bool composes() const override { return true; }
  bool needs_base() const override { return true; }

  Model next(RoundEnd end) override {
    if (end.base == nullptr) return Algorithm::next(std::move(end));
    if (velocity_.empty()) velocity_ = zeros_like(end.base->weights);
    Model model;
    for (std::size_t i = 0; i < end.base->weights.size(); ++i) {
      double* const v = velocity_[i].data();
      model.weights.push_back(
          map_tensors(end.base->weights[i], end.combined.weights[i], [&](std::size_t k, double x, double mean) {
            v[k] = momentum_ * v[k] + (x - mean);
            return x - rate_ * v[k];
          }));
    }
    return model;
  }

  Weights state() const override { return moments_to_tensors(velocity_, "velocity"); }
  void restore(const Weights& state) override { velocity_ = moments_from_tensors(state, "velocity"); }

 private:
  double rate_;
  double momentum_;
  Moments velocity_;
};

}  // namespace

std::unique_ptr<Algorithm> make_fedavgm(Settings& settings) {
  const double rate = settings.number("learningRate", 0.3, 0, 1e6);
  return std::make_unique<FedAvgM>(rate, settings.number("momentum", 0.9, 0, 1));
}

}  // namespace sedna::federated
