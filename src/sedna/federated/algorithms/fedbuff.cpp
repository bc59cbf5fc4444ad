// FedBuff: nobody is waited for. Client i trains from whatever model w_t it was given last; its change d_i = w_i − w_t
// goes into a buffer, and K of them make the next model, from the one that is newest then:
//   w' = w + eta · sum_i n_i s(t_i) d_i / sum_i n_i,      s(t) = 1 / sqrt(1 + t),
// t_i the number of models made since w_t. Fresh updates from all clients (K = N, t_i = 0, eta = 1) are FedAvg, bit for
// bit. The paper counts each client alike; here samples count, as in FedAvg.
// Nguyen et al., "Federated Learning with Buffered Asynchronous Aggregation", AISTATS 2022, algorithm 1.
#include "sedna/federated/algorithm.hpp"
#include "sedna/federated/algorithms/late.hpp"
#include "sedna/federated/algorithms/staleness.hpp"
#include "sedna/federated/elementwise.hpp"

namespace sedna::federated {

namespace {

class FedBuff final : public Algorithm {
 public:
  explicit FedBuff(Settings& settings)
      : scale_(settings),
        rate_(settings.number("learningRate", 1, 0, 1e6)),
        rounds_{static_cast<std::int64_t>(settings.count("maxStaleness", 10, 0, 100'000)),
                settings.count("buffer", 0, 0, 1'000'000)} {}
  std::string_view name() const override { return "FedBuff"; }
  bool needs_base() const override { return true; }
  std::optional<Asynchrony> asynchrony() const override { return rounds_; }

  Weights placed(const Update& update, const Weights& now) const override {
    const double s = scale_(update.staleness);
    if (update.staleness == 0 || !update.began_with) return update.weights;
    return moved_to(update, now, s);
  }

  Model next(RoundEnd end) override {
    if (end.base == nullptr || rate_ == 1) return Algorithm::next(std::move(end));
    Model model;
    for (std::size_t i = 0; i < end.base->weights.size(); ++i) {
      model.weights.push_back(map_tensors(end.base->weights[i], end.combined.weights[i],
                                          [&](std::size_t, double x, double mean) { return x + rate_ * (mean - x); }));
    }
    return model;
  }

 private:
  StalenessWeight scale_;
  double rate_;
  Asynchrony rounds_;
};

}  // namespace

std::unique_ptr<Algorithm> make_fedbuff(Settings& settings) {
  return std::make_unique<FedBuff>(settings);
}

}  // namespace sedna::federated
