// FedYogi: adaptive steps at the server with v' = v − (1 − beta2) d² sign(v − d²): v follows d² at a rate that does not
// depend on how far it has to go.
// Reddi et al., "Adaptive Federated Optimization", ICLR 2021, algorithm 2; adaptive.hpp has the rest of the formula.
#include "sedna/federated/algorithms/adaptive.hpp"

namespace sedna::federated {

std::unique_ptr<Algorithm> make_fedyogi(Settings& settings) {
  const double beta2 = settings.number("beta2", 0.99, 0, 1);
  const auto second = [beta2](double v, double d2) {
    const double sign = v > d2 ? 1.0 : (v < d2 ? -1.0 : 0.0);
    return v - (1 - beta2) * d2 * sign;
  };
  return std::make_unique<Adaptive<decltype(second)>>("FedYogi", settings, 0.03, 0.9, second);
}

}  // namespace sedna::federated
