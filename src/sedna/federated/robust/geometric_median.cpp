// The geometric median of the updates, weighted by samples: the point z with the least sum_i a_i |z − x_i|, by the
// smoothed Weiszfeld algorithm z = sum_i b_i x_i / sum_i b_i with b_i = a_i / max(nu, |z − x_i|). z is always a
// combination of the updates, so all iterations work on their inner products and the updates are read twice in all.
// Pillutla, Kakade, Harchaoui, "Robust Aggregation for Federated Learning", IEEE Trans. Signal Processing 2022.
#include <algorithm>
#include <cmath>
#include <limits>

#include "sedna/federated/robust/gram.hpp"

namespace sedna::federated {

namespace {

class GeometricMedian final : public Collected {
 public:
  GeometricMedian(Base base, std::size_t iterations, double smoothing)
      : Collected("GeometricMedian", 1), base_(std::move(base)), iterations_(iterations), smoothing_(smoothing) {}

 protected:
  Weights combine(const std::vector<Update>& updates) override {
    const std::size_t n = updates.size();
    const Gram gram(updates, base_.get());
    std::vector<double> share(n);
    double total = 0;
    for (std::size_t i = 0; i < n; ++i) total += share[i] = updates[i].weight;
    for (double& a : share) a /= total;
    std::vector<double> z = beginning(gram, share);
    for (std::size_t round = 0; round < iterations_; ++round) {
      const auto distances = distances_from(gram, z);
      double sum = 0;
      std::vector<double> next(n);
      for (std::size_t i = 0; i < n; ++i) sum += next[i] = share[i] / std::max(smoothing_, distances[i]);
      double moved = 0;
      for (std::size_t i = 0; i < n; ++i) {
        next[i] /= sum;
        moved = std::max(moved, std::abs(next[i] - z[i]));
      }
      z = std::move(next);
      if (moved < 1e-9) break;
    }
    return linear_combination(updates, z, nullptr);
  }

 private:
  /// Where the iterations begin: each update weighted by its median distance to the others. From the mean, one update
  /// far enough out leaves no digits for the distances between the rest.
  static std::vector<double> beginning(const Gram& gram, const std::vector<double>& share) {
    std::vector<double> z(gram.size());
    std::vector<double> distances(gram.size());
    double sum = 0;
    for (std::size_t i = 0; i < z.size(); ++i) {
      for (std::size_t j = 0; j < z.size(); ++j) distances[j] = std::sqrt(gram.distance2(i, j));
      std::ranges::sort(distances);
      const double middle = distances[distances.size() / 2];
      sum += z[i] = share[i] / std::max(middle, std::numeric_limits<double>::min() * 1e20);
    }
    for (double& c : z) c /= sum;
    return z;
  }
  /// |z − x_j| for z = sum_i c_i x_i with sum c = 1.
  static std::vector<double> distances_from(const Gram& gram, const std::vector<double>& c) {
    const std::size_t n = gram.size();
    std::vector<double> products(n, 0.0);
    double zz = 0;
    for (std::size_t j = 0; j < n; ++j) {
      for (std::size_t i = 0; i < n; ++i) products[j] += c[i] * gram.dot(i, j);
      zz += c[j] * products[j];
    }
    std::vector<double> out(n);
    for (std::size_t j = 0; j < n; ++j) {
      const double d2 = zz - 2 * products[j] + gram.dot(j, j);
      out[j] = std::isfinite(d2) ? std::sqrt(std::max(0.0, d2)) : std::numeric_limits<double>::max();
    }
    return out;
  }

  Base base_;
  std::size_t iterations_;
  double smoothing_;
};

}  // namespace

std::unique_ptr<Aggregation> make_geometric_median(const Base& base, std::size_t iterations, double smoothing) {
  return std::make_unique<GeometricMedian>(base, iterations, smoothing);
}

}  // namespace sedna::federated
