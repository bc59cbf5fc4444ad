// Bulyan: Krum chooses t = n − 2f updates one after another (on one set of inner products, nothing is computed twice);
// then each coordinate is the mean of the t − 2f chosen values nearest to their median. n >= 4f + 3.
// El Mhamdi, Guerraoui, Rouault, "The Hidden Vulnerability of Distributed Learning in Byzantium", ICML 2018.
#include <algorithm>

#include "sedna/federated/robust/gram.hpp"

namespace sedna::federated {

namespace {

class Bulyan final : public Collected {
 public:
  Bulyan(Base base, std::size_t byzantine)
      : Collected("Bulyan", 4 * byzantine + 3), base_(std::move(base)), byzantine_(byzantine) {}

 protected:
  Weights combine(const std::vector<Update>& updates) override {
    const std::size_t n = updates.size();
    const std::size_t t = n - 2 * byzantine_;
    const Gram gram(updates, base_.get());
    std::vector<bool> alive(n, true);
    std::vector<Update> chosen;
    for (std::size_t left = n; chosen.size() < t; --left) {
      const std::size_t closest = left > byzantine_ + 2 ? left - byzantine_ - 2 : 1;
      const auto scores = krum_scores(gram, alive, closest);
      const auto best = static_cast<std::size_t>(std::ranges::min_element(scores) - scores.begin());
      // With infinite scores everywhere the first one alive is as good as any.
      const std::size_t pick =
          alive[best] ? best : static_cast<std::size_t>(std::ranges::find(alive, true) - alive.begin());
      alive[pick] = false;
      chosen.push_back(updates[pick]);
    }
    const std::size_t keep = t - 2 * byzantine_;
    const auto network = sorting_network(t, 0, t);
    return by_panels(chosen, [&](auto* panel, auto* out, std::size_t count) {
      using T = std::remove_pointer_t<decltype(out)>;
      kernels::sort_panel(panel, network);
      for (std::size_t k = 0; k < count; ++k) out[k] = static_cast<T>(nearest_mean(panel + k, t, keep));
    });
  }

 private:
  /// The mean of the `keep` values nearest to the median: in a sorted column they stand side by side.
  template <class T>
  static double nearest_mean(const T* column, std::size_t n, std::size_t keep) {
    const auto at = [&](std::size_t i) { return static_cast<double>(column[i * kernels::kPanel<T>]); };
    const double median = 0.5 * at((n - 1) / 2) + 0.5 * at(n / 2);
    std::size_t first = 0;
    // The window moves up as long as its lowest value is farther from the median than the next one above it.
    while (first + keep < n && median - at(first) > at(first + keep) - median) ++first;
    double sum = 0;
    for (std::size_t i = first; i < first + keep; ++i) sum += at(i);
    return sum / static_cast<double>(keep);
  }

  Base base_;
  std::size_t byzantine_;
};

}  // namespace

std::unique_ptr<Aggregation> make_bulyan(const Base& base, std::size_t byzantine) {
  return std::make_unique<Bulyan>(base, byzantine);
}

}  // namespace sedna::federated
