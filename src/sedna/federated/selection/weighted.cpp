// Selection by number of samples: the next client is i with probability n_i / sum(n) of those that are left. A client
// of which no update is known counts as the mean of the others.
// Li et al., "On the Convergence of FedAvg on Non-IID Data", ICLR 2020 (scheme I draws by p_k = n_k / n; this one
// without replacement, since a client trains once in a round).
#include "sedna/federated/selection.hpp"

namespace sedna::federated {

namespace {

class WeightedSelector final : public Selector {
 public:
  std::vector<std::string> choose(const std::vector<Candidate>& candidates, std::size_t count, std::int64_t /*round*/,
                                  Draw& draw) const override {
    double sum = 0;
    double known = 0;
    for (const Candidate& candidate : candidates) {
      if (candidate.history.updates == 0) continue;
      sum += candidate.history.samples;
      known += 1;
    }
    const double other = known > 0 ? sum / known : 1;
    std::vector<double> weights;
    weights.reserve(candidates.size());
    for (const Candidate& candidate : candidates) {
      weights.push_back(candidate.history.updates > 0 ? candidate.history.samples : other);
    }
    return draw_by_weight(candidates, weights, count, draw);
  }
};

}  // namespace

std::unique_ptr<Selector> make_weighted_selector(Settings& /*settings*/) {
  return std::make_unique<WeightedSelector>();
}

}  // namespace sedna::federated
