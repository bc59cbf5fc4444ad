// FedAsync: each update makes a model, by mixing:
//   w' = (1 − alpha_t) w + alpha_t w_i,      alpha_t = alpha · s(t),
// t the number of models made since the one that the client began with, s one of the functions of staleness.hpp.
// Xie, Koyejo and Gupta, "Asynchronous Federated Optimization", OPT 2020, algorithm 1.
#include "sedna/federated/algorithm.hpp"
#include "sedna/federated/algorithms/staleness.hpp"
#include "sedna/federated/elementwise.hpp"

namespace sedna::federated {

namespace {

class FedAsync final : public Algorithm {
 public:
  explicit FedAsync(Settings& settings)
      : scale_(settings),
        alpha_(settings.number("alpha", 0.6, 0, 1)),
        rounds_{static_cast<std::int64_t>(settings.count("maxStaleness", 10, 0, 100'000)), 1} {}
  std::string_view name() const override { return "FedAsync"; }
  bool needs_base() const override { return true; }
  std::optional<Asynchrony> asynchrony() const override { return rounds_; }

  Weights placed(const Update& update, const Weights& now) const override {
    const double alpha = alpha_ * scale_(update.staleness);
    Weights out;
    for (std::size_t i = 0; i < now.size(); ++i) {
      out.push_back(map_tensors(now[i], update.weights[i],
                                [alpha](std::size_t, double x, double w) { return x + alpha * (w - x); }));
    }
    return out;
  }

 private:
  StalenessWeight scale_;
  double alpha_;
  Asynchrony rounds_;
};

}  // namespace

std::unique_ptr<Algorithm> make_fedasync(Settings& settings) {
  return std::make_unique<FedAsync>(settings);
}

}  // namespace sedna::federated
