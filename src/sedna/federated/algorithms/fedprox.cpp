// FedProx: FedAvg whose clients minimise their loss plus (mu/2)·|x − x_global|², so that they do not drift apart. The
// server's part is FedAvg's; mu goes to the clients. mu = 0 is FedAvg.
// Li et al., "Federated Optimization in Heterogeneous Networks", MLSys 2020.
#include "sedna/federated/algorithm.hpp"

namespace sedna::federated {

namespace {

class FedProx final : public Algorithm {
 public:
  explicit FedProx(double mu) : mu_(mu) {}
  std::string_view name() const override { return "FedProx"; }
  bool composes() const override { return true; }
  std::vector<ClientParameter> for_clients() const override { return {{"mu", mu_}}; }

 private:
  double mu_;
};

}  // namespace

std::unique_ptr<Algorithm> make_fedprox(Settings& settings) {
  return std::make_unique<FedProx>(settings.number("mu", 0.1, 0, 1e6));
}

}  // namespace sedna::federated
