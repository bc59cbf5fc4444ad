// FedAdam: adaptive steps at the server with v' = beta2 v + (1 − beta2) d². No bias correction, as in the paper.
// Reddi et al., "Adaptive Federated Optimization", ICLR 2021, algorithm 2; adaptive.hpp has the rest of the formula.
#include "sedna/federated/algorithms/adaptive.hpp"

namespace sedna::federated {

std::unique_ptr<Algorithm> make_fedadam(Settings& settings) {
  const double beta2 = settings.number("beta2", 0.99, 0, 1);
  const auto second = [beta2](double v, double d2) { return beta2 * v + (1 - beta2) * d2; };
  return std::make_unique<Adaptive<decltype(second)>>("FedAdam", settings, 0.03, 0.9, second);
}

}  // namespace sedna::federated
