#include "sedna/federated/robust/gram.hpp"

#include <algorithm>
#include <limits>

namespace sedna::federated {

namespace {

/// Rows as long as a page would all lie in the same lines of the first-level cache.
constexpr std::size_t kStride = kernels::kColumns + 16;

template <class T>
void add_stretch(const std::vector<Update>& updates, const Weights& zero_point, const Stretch& stretch, T* rows,
                 double* gram) {
  const T* const origin = zero_point[stretch.tensor].template as<T>().data() + stretch.first;
  for (std::size_t i = 0; i < updates.size(); ++i) {
    const T* const from = updates[i].weights[stretch.tensor].template as<T>().data() + stretch.first;
    T* const row = rows + i * kStride;
    kernels::subtract(row, from, origin, stretch.count);
    std::fill(row + stretch.count, row + kernels::kColumns, T());
  }
  kernels::add_products(rows, updates.size(), kStride, gram);
}

}  // namespace

Gram::Gram(const std::vector<Update>& updates, const Weights* base) : n_(updates.size()), values_(n_ * n_, 0.0) {
  const Weights& zero_point = base != nullptr ? *base : updates.front().weights;
  const auto stretches = stretches_of(zero_point, kernels::kColumns);
  std::size_t bytes = 0;
  for (const auto& tensor : zero_point) bytes += n_ * tensor.data.size();
  // Each slice has sums of its own, which are added in order: how many threads there are does not show.
  std::vector<std::vector<double>> sums(kSlices);
  for_slices(kSlices, bytes, [&](std::size_t slice) {
    const Part part = part_of(stretches.size(), slice, kSlices);
    if (part.first == part.last) return;
    std::vector<double>& gram = sums[slice];
    gram.resize(n_ * n_, 0.0);
    AlignedBuffer rows(n_ * kStride * sizeof(double));
    for (std::size_t s = part.first; s < part.last; ++s) {
      with_float(zero_point[stretches[s].tensor].dtype, [&](auto zero) {
        using T = decltype(zero);
        add_stretch(updates, zero_point, stretches[s], reinterpret_cast<T*>(rows.data()), gram.data());
      });
    }
  });
  for (const auto& gram : sums) {
    for (std::size_t k = 0; k < gram.size(); ++k) values_[k] += gram[k];
  }
  for (std::size_t i = 0; i < n_; ++i) {
    for (std::size_t j = 0; j < i; ++j) values_[j * n_ + i] = values_[i * n_ + j];
  }
}

double Gram::distance2(std::size_t i, std::size_t j) const {
  const double d = dot(i, i) + dot(j, j) - 2 * dot(i, j);
  // A hostile update may be so large that products overflow: then it is far from everything.
  return d >= 0 ? d : (d < 0 ? 0.0 : std::numeric_limits<double>::infinity());
}

Weights linear_combination(const std::vector<Update>& updates, const std::vector<double>& coefficients,
                           const Weights* base) {
  double sum = 0;
  std::size_t used = 0;
  std::size_t last = 0;
  for (std::size_t i = 0; i < coefficients.size(); ++i) {
    sum += coefficients[i];
    if (coefficients[i] != 0) {
      ++used;
      last = i;
    }
  }
  if (used == 1 && coefficients[last] == 1) return updates[last].weights;
  const Weights& like = updates.front().weights;
  const auto stretches = stretches_of(like, kernels::kColumns);
  std::vector<AlignedBuffer> buffers;
  std::size_t bytes = 0;
  for (const auto& tensor : like) {
    buffers.emplace_back(tensor.data.size());
    bytes += used * tensor.data.size();
  }
  for_slices(kSlices, bytes, [&](std::size_t slice) {
    std::vector<double> row(kernels::kColumns);
    const Part part = part_of(stretches.size(), slice, kSlices);
    for (std::size_t s = part.first; s < part.last; ++s) {
      const Stretch& at = stretches[s];
      with_float(like[at.tensor].dtype, [&](auto zero) {
        using T = decltype(zero);
        const auto values_of = [&](const Weights& weights) {
          return weights[at.tensor].template as<T>().data() + at.first;
        };
        std::fill(row.begin(), row.end(), 0.0);
        if (base != nullptr) kernels::add_weighted(row.data(), values_of(*base), at.count, 1 - sum);
        for (std::size_t i = 0; i < updates.size(); ++i) {
          if (coefficients[i] == 0) continue;
          kernels::add_weighted(row.data(), values_of(updates[i].weights), at.count, coefficients[i]);
        }
        T* const to = reinterpret_cast<T*>(buffers[at.tensor].data()) + at.first;
        for (std::size_t k = 0; k < at.count; ++k) to[k] = static_cast<T>(row[k]);
      });
    }
  });
  Weights out;
  for (std::size_t t = 0; t < like.size(); ++t) {
    tensor::Tensor result = like[t];
    result.data = std::move(buffers[t]).freeze();
    out.push_back(std::move(result));
  }
  return out;
}

std::vector<double> krum_scores(const Gram& gram, const std::vector<bool>& alive, std::size_t closest) {
  std::vector<double> scores(gram.size(), std::numeric_limits<double>::infinity());
  std::vector<double> distances;
  for (std::size_t i = 0; i < gram.size(); ++i) {
    if (!alive[i]) continue;
    distances.clear();
    for (std::size_t j = 0; j < gram.size(); ++j) {
      if (j != i && alive[j]) distances.push_back(gram.distance2(i, j));
    }
    std::ranges::sort(distances);
    double score = 0;
    for (std::size_t k = 0; k < std::min(closest, distances.size()); ++k) score += distances[k];
    scores[i] = score;
  }
  return scores;
}

}  // namespace sedna::federated
