// The coordinate-wise median: half of the clients must lie before it moves. Clients count alike, whatever number of
// samples they claim.
// Yin et al., "Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates", ICML 2018, option I.
#include "sedna/federated/robust/collected.hpp"

namespace sedna::federated {

namespace {

class Median final : public Collected {
 public:
  Median() : Collected("Median", 1) {}

 protected:
  Weights combine(const std::vector<Update>& updates) override {
    const std::size_t n = updates.size();
    const std::size_t low = (n - 1) / 2;
    const std::size_t high = n / 2;
    const auto network = sorting_network(n, low, high + 1);
    return by_panels(updates, [&](auto* panel, auto* out, std::size_t count) {
      using T = std::remove_pointer_t<decltype(out)>;
      kernels::sort_panel(panel, network);
      const T* const a = panel + low * kernels::kPanel<T>;
      const T* const b = panel + high * kernels::kPanel<T>;
      // Halves before the sum: two large values must not overflow.
      for (std::size_t k = 0; k < count; ++k)
        out[k] = low == high ? a[k] : static_cast<T>(a[k] * T(0.5) + b[k] * T(0.5));
    });
  }
};

}  // namespace

std::unique_ptr<Aggregation> make_median(const Base& /*base*/) {
  return std::make_unique<Median>();
}

}  // namespace sedna::federated
