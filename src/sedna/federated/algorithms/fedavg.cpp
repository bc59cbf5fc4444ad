// FedAvg: the next model is the mean of the clients' models by their samples,
//   x' = sum_i n_i x_i / sum_i n_i.
// McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", AISTATS 2017.
#include "sedna/federated/algorithm.hpp"

namespace sedna::federated {

namespace {

class FedAvg final : public Algorithm {
 public:
  std::string_view name() const override { return "FedAvg"; }
  bool composes() const override { return true; }
};

}  // namespace

std::unique_ptr<Algorithm> make_fedavg(Settings& /*settings*/) {
  return std::make_unique<FedAvg>();
}

}  // namespace sedna::federated
