#include "sedna/federated/robust/gram.hpp"

#include <algorithm>
#include <limits>

namespace sedna::federated {

namespace {

constexpr std::size_t kLanes = 16;

/// Products of one row with four others, in lanes that are added at the end: the order is fixed.
template <class T>
void dot4(const T* a, const T* const (&b)[4], double (&out)[4]) {
  T lanes[4][kLanes] = {};
  for (std::size_t k = 0; k < kColumns; k += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      const T x = a[k + l];
      lanes[0][l] += x * b[0][k + l];
      lanes[1][l] += x * b[1][k + l];
      lanes[2][l] += x * b[2][k + l];
      lanes[3][l] += x * b[3][k + l];
    }
  }
  for (std::size_t j = 0; j < 4; ++j) {
    double sum = 0;
    for (std::size_t l = 0; l < kLanes; ++l) sum += static_cast<double>(lanes[j][l]);
    out[j] = sum;
  }
}

template <class T>
void add_block(const T* rows, std::size_t n, double* gram) {
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j <= i; j += 4) {
      const T* b[4];
      for (std::size_t l = 0; l < 4; ++l) b[l] = rows + std::min(j + l, i) * kColumns;
      double out[4];
      dot4<T>(rows + i * kColumns, {b[0], b[1], b[2], b[3]}, out);
      for (std::size_t l = 0; l < 4 && j + l <= i; ++l) gram[i * n + j + l] += out[l];
    }
  }
}

SEDNA_MULTIVERSION void add_rows(const float* rows, std::size_t n, double* gram) {
  add_block(rows, n, gram);
}
SEDNA_MULTIVERSION void add_rows(const double* rows, std::size_t n, double* gram) {
  add_block(rows, n, gram);
}

}  // namespace

Gram::Gram(const std::vector<Update>& updates, const Weights* base) : n_(updates.size()), values_(n_ * n_, 0.0) {
  const Weights& zero_point = base != nullptr ? *base : updates.front().weights;
  for (std::size_t t = 0; t < zero_point.size(); ++t) {
    with_float(zero_point[t].dtype, [&](auto zero) {
      using T = decltype(zero);
      std::vector<T> rows;
      const auto origin = zero_point[t].template as<T>();
      for (std::size_t first = 0; first < origin.size(); first += kColumns) {
        const std::size_t count = std::min(kColumns, origin.size() - first);
        gather_rows(updates, t, first, count, rows);
        for (std::size_t i = 0; i < n_; ++i) {
          for (std::size_t k = 0; k < count; ++k) rows[i * kColumns + k] -= origin[first + k];
        }
        add_rows(rows.data(), n_, values_.data());
      }
    });
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
  Weights out;
  std::vector<double> row(kColumns);
  for (std::size_t t = 0; t < like.size(); ++t) {
    tensor::Tensor result = like[t];
    AlignedBuffer buffer(like[t].data.size());
    with_float(like[t].dtype, [&](auto zero) {
      using T = decltype(zero);
      T* const to = reinterpret_cast<T*>(buffer.data());
      const std::size_t elements = elements_of(like[t]);
      for (std::size_t first = 0; first < elements; first += kColumns) {
        const std::size_t count = std::min(kColumns, elements - first);
        for (std::size_t k = 0; k < count; ++k) {
          row[k] = base == nullptr ? 0.0 : (1 - sum) * static_cast<double>((*base)[t].template as<T>()[first + k]);
        }
        for (std::size_t i = 0; i < updates.size(); ++i) {
          const double c = coefficients[i];
          if (c == 0) continue;
          const T* const x = updates[i].weights[t].template as<T>().data() + first;
          for (std::size_t k = 0; k < count; ++k) row[k] += c * static_cast<double>(x[k]);
        }
        for (std::size_t k = 0; k < count; ++k) to[first + k] = static_cast<T>(row[k]);
      }
    });
    result.data = std::move(buffer).freeze();
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
