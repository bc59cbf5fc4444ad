// FedAdagrad: adaptive steps at the server with v' = v + d². The paper's experiments leave momentum out (beta1 = 0).
// Reddi et al., "Adaptive Federated Optimization", ICLR 2021, algorithm 2; adaptive.hpp has the rest of the formula.
#include "sedna/federated/algorithms/adaptive.hpp"

namespace sedna::federated {

std::unique_ptr<Algorithm> make_fedadagrad(Settings& settings) {
  const auto second = [](double v, double d2) { return v + d2; };
  return std::make_unique<Adaptive<decltype(second)>>("FedAdagrad", settings, 0.03, 0.0, second);
}

}  // namespace sedna::federated
