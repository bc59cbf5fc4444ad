// Inner products of all pairs of changes (update − base), in one pass over the updates; distances, angles and the
// weights of rules that end in a linear combination follow from them. Internal to the robust rules.
#pragma once

#include <vector>

#include "sedna/federated/robust/collected.hpp"

namespace sedna::federated {

/// Symmetric, n × n. Without a base, changes are against the first update: distances are the same.
class Gram {
 public:
  Gram(const std::vector<Update>& updates, const Weights* base);
  std::size_t size() const { return n_; }
  double dot(std::size_t i, std::size_t j) const { return values_[i * n_ + j]; }
  /// |x_i − x_j|², not below 0.
  double distance2(std::size_t i, std::size_t j) const;

 private:
  std::size_t n_;
  std::vector<double> values_;
};

/// base · (1 − sum c) + sum_i c_i x_i; a single coefficient of 1 gives that update, bit for bit. `base` may be null
/// when the coefficients add up to 1.
Weights linear_combination(const std::vector<Update>& updates, const std::vector<double>& coefficients,
                           const Weights* base);

/// Krum's scores: for each update the sum of its squared distances to its `closest` nearest others among `alive`.
std::vector<double> krum_scores(const Gram& gram, const std::vector<bool>& alive, std::size_t closest);

}  // namespace sedna::federated
