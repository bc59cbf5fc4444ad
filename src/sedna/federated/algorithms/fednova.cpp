// FedNova: clients may take different numbers of local steps t_i without the busy ones deciding where the model goes.
// With shares p_i = n_i / n and d_i = (x − x_i) / t_i:
//   x' = x − t_eff · sum_i p_i d_i,   t_eff = sum_i p_i t_i.
// The combination's weights are n_i / t_i, so its mean m gives x' = x + g (m − x) with g = t_eff · sum_i p_i / t_i;
// equal steps give g = 1: FedAvg.
// Wang et al., "Tackling the Objective Inconsistency Problem in Heterogeneous Federated Optimization", NeurIPS 2020.
#include <algorithm>

#include "sedna/federated/algorithm.hpp"
#include "sedna/federated/elementwise.hpp"

namespace sedna::federated {

namespace {

class FedNova final : public Algorithm {
 public:
  std::string_view name() const override { return "FedNova"; }
  bool needs_base() const override { return true; }
  bool needs_steps() const override { return true; }
  double weight(const Update& update) const override { return update.weight / update.steps; }

  Model next(RoundEnd end) override {
    const auto& all = end.contributions;
    const bool equal = std::ranges::all_of(all, [&](const Contribution& c) { return c.steps == all.front().steps; });
    if (end.base == nullptr || equal) return Algorithm::next(std::move(end));
    double samples = 0, steps = 0, rates = 0;
    for (const Contribution& c : all) {
      samples += c.samples;
      steps += c.samples * c.steps;
      rates += c.samples / c.steps;
    }
    const double gain = (steps / samples) * (rates / samples);
    Model model;
    for (std::size_t i = 0; i < end.base->weights.size(); ++i) {
      model.weights.push_back(map_tensors(end.base->weights[i], end.combined.weights[i],
                                          [&](std::size_t, double x, double mean) { return x + gain * (mean - x); }));
    }
    return model;
  }
};

}  // namespace

std::unique_ptr<Algorithm> make_fednova(Settings& /*settings*/) {
  return std::make_unique<FedNova>();
}

}  // namespace sedna::federated
