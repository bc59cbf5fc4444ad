// FedDyn: each client's loss carries a linear and a quadratic term that move its optimum onto the federation's,
//   min_y f_i(y) − <g_i, y> + (alpha/2) |y − x|²,   g_i' = g_i − alpha (y_i − x),
// and the server keeps their sum h over all N clients:
//   h' = h − (alpha/N) sum_S (y_i − x),   x' = mean_S(y_i) − h' / alpha    (plain means).
// Acar et al., "Federated Learning Based on Dynamic Regularization", ICLR 2021, algorithm 1.
#include <algorithm>

#include "sedna/federated/algorithm.hpp"
#include "sedna/federated/elementwise.hpp"

namespace sedna::federated {

namespace {

class FedDyn final : public Algorithm {
 public:
  FedDyn(double alpha, std::size_t clients) : alpha_(alpha), clients_(clients) {}
  std::string_view name() const override { return "FedDyn"; }
  bool needs_base() const override { return true; }
  std::vector<ClientParameter> for_clients() const override { return {{"alpha", alpha_}}; }
  double weight(const Update& /*update*/) const override { return 1; }

  Model next(RoundEnd end) override {
    if (end.base == nullptr) return Algorithm::next(std::move(end));
    if (h_.empty()) h_ = zeros_like(end.base->weights);
    const auto all = static_cast<double>(std::max({clients_, end.clients, end.contributions.size()}));
    const double share = static_cast<double>(end.contributions.size()) / all;
    Model model;
    for (std::size_t i = 0; i < end.base->weights.size(); ++i) {
      double* const h = h_[i].data();
      model.weights.push_back(
          map_tensors(end.base->weights[i], end.combined.weights[i], [&](std::size_t k, double x, double mean) {
            h[k] -= alpha_ * share * (mean - x);
            return mean - h[k] / alpha_;
          }));
    }
    return model;
  }

  Weights state() const override { return moments_to_tensors(h_, "h"); }
  void restore(const Weights& state) override { h_ = moments_from_tensors(state, "h"); }

 private:
  double alpha_;
  std::size_t clients_;
  Moments h_;
};

}  // namespace

std::unique_ptr<Algorithm> make_feddyn(Settings& settings) {
  const double alpha = settings.number("alpha", 0.1, 1e-12, 1e6);
  return std::make_unique<FedDyn>(alpha, settings.count("clients", 0, 0, 100'000'000));
}

}  // namespace sedna::federated
