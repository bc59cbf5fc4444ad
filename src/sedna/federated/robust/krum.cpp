// Krum: the update whose n − f − 2 nearest others are nearest; Multi-Krum: the plain mean of the m best (m = n − f
// unless said). f is the number of hostile clients among n >= 2f + 3. With uneven data plain Krum lets one client's
// model win: Multi-Krum or clipping are the better defaults. Blanchard et al., "Machine Learning with Adversaries:
// Byzantine Tolerant Gradient Descent", NeurIPS 2017.
#include <numeric>

#include "sedna/federated/robust/gram.hpp"

namespace sedna::federated {

namespace {

class Krum final : public Collected {
 public:
  Krum(std::string_view name, Base base, std::size_t byzantine, std::size_t chosen, bool all_but_byzantine)
      : Collected(name, 2 * byzantine + 3),
        base_(std::move(base)),
        byzantine_(byzantine),
        chosen_(chosen),
        all_but_byzantine_(all_but_byzantine) {}

 protected:
  Weights combine(const std::vector<Update>& updates) override {
    const std::size_t n = updates.size();
    const Gram gram(updates, base_.get());
    const auto scores = krum_scores(gram, std::vector<bool>(n, true), n - byzantine_ - 2);
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, {}, [&](std::size_t i) { return std::pair(scores[i], i); });
    const std::size_t m = all_but_byzantine_ ? n - byzantine_ : std::min(chosen_, n);
    std::vector<double> coefficients(n, 0.0);
    for (std::size_t k = 0; k < m; ++k) coefficients[order[k]] = 1.0 / static_cast<double>(m);
    return linear_combination(updates, coefficients, nullptr);
  }

 private:
  Base base_;
  std::size_t byzantine_;
  std::size_t chosen_;
  bool all_but_byzantine_;
};

}  // namespace

std::unique_ptr<Aggregation> make_krum(const Base& base, std::size_t byzantine) {
  return std::make_unique<Krum>("Krum", base, byzantine, 1, false);
}

std::unique_ptr<Aggregation> make_multi_krum(const Base& base, std::size_t byzantine, std::size_t chosen) {
  return std::make_unique<Krum>("MultiKrum", base, byzantine, chosen, chosen == 0);
}

}  // namespace sedna::federated
