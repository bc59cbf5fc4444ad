// SCAFFOLD: control variates take the clients' drift out of their steps. Client i, with the server's variate c and its
// own c_i, steps along g − c_i + c; after K steps of rate lr (option II)
//   c_i' = c_i − c + (x − y_i) / (K lr),   and sends y_i and c_i' − c_i.
// The server, with S of N clients in the round:
//   x' = x + eta (mean_S(y_i) − x),   c' = c + |S|/N · mean_S(c_i' − c_i).
// The means of models are by samples, as FedAvg's: with c = c_i = 0 the first round is FedAvg's, bit for bit.
// Karimireddy et al., "SCAFFOLD: Stochastic Controlled Averaging for Federated Learning", ICML 2020, algorithm 1.
#include <algorithm>

#include "sedna/federated/algorithm.hpp"
#include "sedna/federated/elementwise.hpp"

namespace sedna::federated {

namespace {

class Scaffold final : public Algorithm {
 public:
  Scaffold(double rate, std::size_t clients) : rate_(rate), clients_(clients) {}
  std::string_view name() const override { return "SCAFFOLD"; }
  bool needs_base() const override { return true; }
  bool needs_extra() const override { return true; }

  Model next(RoundEnd end) override {
    const auto all = static_cast<double>(std::max({clients_, end.clients, end.contributions.size()}));
    const double share = static_cast<double>(end.contributions.size()) / all;
    Model model;
    if (end.base == nullptr || rate_ == 1) {
      model.weights = end.combined.weights;
    } else {
      for (std::size_t i = 0; i < end.base->weights.size(); ++i) {
        model.weights.push_back(
            map_tensors(end.base->weights[i], end.combined.weights[i],
                        [&](std::size_t, double x, double mean) { return x + rate_ * (mean - x); }));
      }
    }
    for (std::size_t i = 0; i < end.extra_mean.size(); ++i) {
      const bool before = end.base != nullptr && !end.base->extra.empty();
      const auto c = before ? end.base->extra[i] : zero_tensor(end.extra_mean[i]);
      model.extra.push_back(map_tensors(
          c, end.extra_mean[i], [&](std::size_t, double value, double change) { return value + share * change; }));
    }
    return model;
  }

 private:
  double rate_;
  std::size_t clients_;
};

}  // namespace

std::unique_ptr<Algorithm> make_scaffold(Settings& settings) {
  const double rate = settings.number("globalRate", 1, 0, 1e6);
  return std::make_unique<Scaffold>(rate, settings.count("clients", 0, 0, 100'000'000));
}

}  // namespace sedna::federated
