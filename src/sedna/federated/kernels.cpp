#include "sedna/federated/kernels.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "sedna/federated/kernel_levels.hpp"

namespace sedna::federated::kernels {

Level best_level() {
#if defined(__x86_64__)
  static const Level level = [] {
    if (__builtin_cpu_supports("avx2") == 0 || __builtin_cpu_supports("fma") == 0) return Level::kPlain;
    const bool wide = __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
                      __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512bw") != 0;
    return wide ? Level::kAvx512 : Level::kAvx2;
  }();
  return level;
#else
  return Level::kPlain;
#endif
}

namespace {

/// A vector register of T, loaded and stored wherever it lies.
template <class T, int Bytes>
struct Vector;
#define SEDNA_VECTOR(T, bytes)                                                                       \
  template <>                                                                                        \
  struct Vector<T, bytes> {                                                                          \
    typedef T Type __attribute__((vector_size(bytes), aligned(alignof(T)), may_alias)); /* NOLINT */ \
  };
SEDNA_VECTOR(float, 16)
SEDNA_VECTOR(float, 32)
SEDNA_VECTOR(float, 64)
SEDNA_VECTOR(double, 16)
SEDNA_VECTOR(double, 32)
SEDNA_VECTOR(double, 64)
#undef SEDNA_VECTOR

template <class V, class T>
SEDNA_BODY const V* as_vectors(const T* p) {
  return reinterpret_cast<const V*>(p);
}
template <class V, class T>
SEDNA_BODY V* as_vectors(T* p) {
  return reinterpret_cast<V*>(p);
}

template <int Bytes, class T>
SEDNA_BODY void set_weighted_body(double* sum, const T* values, std::size_t n, double weight) {
  for (std::size_t k = 0; k < n; ++k) sum[k] = weight * static_cast<double>(values[k]);
}

template <int Bytes, class T>
SEDNA_BODY void add_weighted_body(double* sum, const T* values, std::size_t n, double weight) {
  for (std::size_t k = 0; k < n; ++k) {
    const double product = weight * static_cast<double>(values[k]);
    sum[k] += product;
  }
}

template <int Bytes>
SEDNA_BODY void divide_body(float* to, const double* sum, std::size_t n, double divisor) {
  for (std::size_t k = 0; k < n; ++k) to[k] = static_cast<float>(sum[k] / divisor);
}

template <int Bytes, class T>
SEDNA_BODY bool within_body(const T* values, std::size_t n, T bound) {
  unsigned bad = 0;
  for (std::size_t k = 0; k < n; ++k) bad |= static_cast<unsigned>(!(std::abs(values[k]) <= bound));  // NaN: false
  return bad == 0;
}

template <int Bytes, class T>
SEDNA_BODY T largest_body(const T* values, std::size_t n) {
  constexpr std::size_t kLanes = 64 / sizeof(T);
  T lanes[kLanes] = {};
  std::size_t k = 0;
  for (; k + kLanes <= n; k += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      const T value = std::abs(values[k + l]);
      lanes[l] = value > lanes[l] ? value : lanes[l];
    }
  }
  for (; k < n; ++k) lanes[0] = std::max(lanes[0], std::abs(values[k]));
  return *std::max_element(lanes, lanes + kLanes);
}

/// In lanes that do not wait for each other and are added at the end: the order of additions is fixed.
template <int Bytes, class T>
SEDNA_BODY double squared_distance_body(const T* a, const T* b, std::size_t n) {
  constexpr std::size_t kLanes = 32;
  double lanes[kLanes] = {};
  std::size_t k = 0;
  if (b == nullptr) {
    for (; k + kLanes <= n; k += kLanes) {
      for (std::size_t l = 0; l < kLanes; ++l) {
        const auto d = static_cast<double>(a[k + l]);
        const double square = d * d;
        lanes[l] += square;
      }
    }
    for (; k < n; ++k) {
      const double square = static_cast<double>(a[k]) * static_cast<double>(a[k]);
      lanes[k % kLanes] += square;
    }
  } else {
    for (; k + kLanes <= n; k += kLanes) {
      for (std::size_t l = 0; l < kLanes; ++l) {
        const double d = static_cast<double>(a[k + l]) - static_cast<double>(b[k + l]);
        const double square = d * d;
        lanes[l] += square;
      }
    }
    for (; k < n; ++k) {
      const double d = static_cast<double>(a[k]) - static_cast<double>(b[k]);
      const double square = d * d;
      lanes[k % kLanes] += square;
    }
  }
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t l = 0; l < half; ++l) lanes[l] += lanes[l + half];
  }
  return lanes[0];
}

template <int Bytes, class T>
SEDNA_BODY void subtract_body(T* to, const T* a, const T* b, std::size_t n) {
  for (std::size_t k = 0; k < n; ++k) to[k] = a[k] - b[k];
}

template <int Bytes, class T>
SEDNA_BODY void add_fixed_body(std::int64_t* sum, const T* values, std::size_t n, std::int64_t weight, double scale) {
  // Up to 2^51 a double of this size has no digits behind the point: adding it rounds, and what was added are the
  // lowest bits.
  constexpr double kRounder = 0x1.8p52;
  constexpr auto kBits = std::bit_cast<std::int64_t>(kRounder);
  for (std::size_t k = 0; k < n; ++k) {
    const double scaled = static_cast<double>(values[k]) * scale;
    const double rounded = scaled + kRounder;
    sum[k] += weight * (std::bit_cast<std::int64_t>(rounded) - kBits);
  }
}

template <int Bytes, class T>
SEDNA_BODY void divide_fixed_body(T* to, const std::int64_t* sum, std::size_t n, std::int64_t total, double scale) {
  const auto divisor = static_cast<double>(total);
  constexpr double kWhole = 0x1p52;
  constexpr auto kBits = std::bit_cast<std::int64_t>(kWhole);
  for (std::size_t k = 0; k < n; ++k) {
    const std::int64_t sign = sum[k] >> 63;
    const std::int64_t magnitude = (sum[k] ^ sign) - sign;
    // An estimate that is one off at most, made whole by the digits that a double has up to 2^52; then put right.
    const double estimate = static_cast<double>(magnitude) / divisor;
    const double raised = estimate + kWhole;
    std::int64_t quotient = std::bit_cast<std::int64_t>(raised) - kBits;
    std::int64_t rest = magnitude - quotient * total;
    const std::int64_t over = -static_cast<std::int64_t>(rest < 0);
    quotient += over;
    rest += over & total;
    const std::int64_t under = -static_cast<std::int64_t>(rest >= total);
    quotient -= under;
    rest -= under & total;
    const double part = static_cast<double>(rest) / divisor;
    const double value = static_cast<double>(quotient) + part;
    const double scaled = value * scale;
    to[k] = static_cast<T>(sign < 0 ? -scaled : scaled);
  }
}

/// One tile: Rows × Columns products, each in a register's lanes until the end.
template <int Bytes, class T, int Rows, int Columns>
SEDNA_BODY void tile(const T* rows, std::size_t n, std::size_t stride, std::size_t i, std::size_t j, double* gram) {
  using V = typename Vector<T, Bytes>::Type;
  constexpr std::size_t kLanes = Bytes / sizeof(T);
  const V* a[Rows];
  const V* b[Columns];
  for (int r = 0; r < Rows; ++r) a[r] = as_vectors<V>(rows + std::min(i + static_cast<std::size_t>(r), n - 1) * stride);
  for (int c = 0; c < Columns; ++c) {
    b[c] = as_vectors<V>(rows + std::min(j + static_cast<std::size_t>(c), n - 1) * stride);
  }
  V sums[Rows][Columns] = {};
  for (std::size_t k = 0; k < kColumns / kLanes; ++k) {
    V right[Columns];
    for (int c = 0; c < Columns; ++c) right[c] = b[c][k];
    for (int r = 0; r < Rows; ++r) {
      const V left = a[r][k];
      for (int c = 0; c < Columns; ++c) sums[r][c] += left * right[c];
    }
  }
  for (int r = 0; r < Rows; ++r) {
    for (int c = 0; c < Columns; ++c) {
      const std::size_t row = i + static_cast<std::size_t>(r);
      const std::size_t column = j + static_cast<std::size_t>(c);
      if (row >= n || column > row) continue;
      T lanes[kLanes];
      std::memcpy(lanes, &sums[r][c], sizeof lanes);
      double sum = 0;
      for (std::size_t l = 0; l < kLanes; ++l) sum += static_cast<double>(lanes[l]);
      gram[row * n + column] += sum;
    }
  }
}

template <int Bytes, class T>
SEDNA_BODY void add_products_body(const T* rows, std::size_t n, std::size_t stride, double* gram) {
  constexpr int kRows = 4;
  constexpr int kAcross = Bytes == 64 ? 4 : 2;  // 32 registers, or 16
  for (std::size_t i = 0; i < n; i += kRows) {
    const std::size_t last = std::min(i + kRows, n);
    for (std::size_t j = 0; j < last; j += kAcross) tile<Bytes, T, kRows, kAcross>(rows, n, stride, i, j, gram);
  }
}

template <int Bytes, class T>
SEDNA_BODY void sort_panel_body(T* panel, const std::pair<std::uint32_t, std::uint32_t>* pairs, std::size_t count) {
  using V = typename Vector<T, Bytes>::Type;
  constexpr std::size_t kVectors = kPanel<T> * sizeof(T) / Bytes;
  for (std::size_t p = 0; p < count; ++p) {
    V* const low = as_vectors<V>(panel + pairs[p].first * kPanel<T>);
    V* const high = as_vectors<V>(panel + pairs[p].second * kPanel<T>);
    for (std::size_t v = 0; v < kVectors; ++v) {
      const V a = low[v];
      const V b = high[v];
      low[v] = a < b ? a : b;
      high[v] = a < b ? b : a;
    }
  }
}

template <int Bytes, class T>
SEDNA_BODY void insert_extremes_body(T* extremes, double* sum, const T* values, std::size_t count, std::size_t trim,
                                     std::size_t seen) {
  using V = typename Vector<T, Bytes>::Type;
  constexpr std::size_t kVectors = 4;  // side by side: none waits for the one before it
  constexpr std::size_t kAcross = kVectors * Bytes / sizeof(T);
  static_assert(kExtremeColumns % kAcross == 0);
  for (std::size_t column = 0; column < kExtremeColumns; column += kAcross) {
    for (std::size_t u = 0; u < count; ++u) {
      const V* const from = as_vectors<V>(values + u * kExtremeColumns + column);
      V a = from[0];
      V b = from[1];
      V c = from[2];
      V d = from[3];
      const std::size_t filled = std::min(2 * trim, seen + u);
      V* kept = as_vectors<V>(extremes + column);
      constexpr std::size_t kStep = kExtremeColumns * sizeof(T) / Bytes;
      std::size_t row = 0;
      for (; row < std::min(trim, filled); ++row, kept += kStep) {
        const V ka = kept[0];
        const V kb = kept[1];
        const V kc = kept[2];
        const V kd = kept[3];
        kept[0] = ka > a ? ka : a;
        kept[1] = kb > b ? kb : b;
        kept[2] = kc > c ? kc : c;
        kept[3] = kd > d ? kd : d;
        a = ka > a ? a : ka;
        b = kb > b ? b : kb;
        c = kc > c ? c : kc;
        d = kd > d ? d : kd;
      }
      for (; row < filled; ++row, kept += kStep) {
        const V ka = kept[0];
        const V kb = kept[1];
        const V kc = kept[2];
        const V kd = kept[3];
        kept[0] = ka < a ? ka : a;
        kept[1] = kb < b ? kb : b;
        kept[2] = kc < c ? kc : c;
        kept[3] = kd < d ? kd : d;
        a = ka < a ? a : ka;
        b = kb < b ? b : kb;
        c = kc < c ? c : kc;
        d = kd < d ? d : kd;
      }
      if (filled < 2 * trim) {
        kept[0] = a;
        kept[1] = b;
        kept[2] = c;
        kept[3] = d;
        continue;
      }
      T rest[kAcross];
      V* const to = as_vectors<V>(rest);
      to[0] = a;
      to[1] = b;
      to[2] = c;
      to[3] = d;
      for (std::size_t k = 0; k < kAcross; ++k) sum[column + k] += static_cast<double>(rest[k]);
    }
  }
}

SEDNA_LEVELS(set_weighted)
SEDNA_LEVELS(add_weighted)
SEDNA_LEVELS(divide)
SEDNA_LEVELS(within)
SEDNA_LEVELS(largest)
SEDNA_LEVELS(squared_distance)
SEDNA_LEVELS(subtract)
SEDNA_LEVELS(add_fixed)
SEDNA_LEVELS(divide_fixed)
SEDNA_LEVELS(add_products)
SEDNA_LEVELS(sort_panel)
SEDNA_LEVELS(insert_extremes)

}  // namespace

void set_weighted(double* sum, const float* values, std::size_t n, double weight, Level level) {
  set_weighted_at(level, sum, values, n, weight);
}
void add_weighted(double* sum, const float* values, std::size_t n, double weight, Level level) {
  add_weighted_at(level, sum, values, n, weight);
}
void add_weighted(double* sum, const double* values, std::size_t n, double weight, Level level) {
  add_weighted_at(level, sum, values, n, weight);
}
void divide(float* to, const double* sum, std::size_t n, double divisor, Level level) {
  divide_at(level, to, sum, n, divisor);
}

bool within(const float* values, std::size_t n, float bound, Level level) {
  return within_at(level, values, n, bound);
}
bool within(const double* values, std::size_t n, double bound, Level level) {
  return within_at(level, values, n, bound);
}
float largest(const float* values, std::size_t n, Level level) {
  return largest_at(level, values, n);
}
double largest(const double* values, std::size_t n, Level level) {
  return largest_at(level, values, n);
}

double squared_distance(const float* a, const float* b, std::size_t n, Level level) {
  return squared_distance_at(level, a, b, n);
}
double squared_distance(const double* a, const double* b, std::size_t n, Level level) {
  return squared_distance_at(level, a, b, n);
}
void subtract(float* to, const float* a, const float* b, std::size_t n, Level level) {
  subtract_at(level, to, a, b, n);
}
void subtract(double* to, const double* a, const double* b, std::size_t n, Level level) {
  subtract_at(level, to, a, b, n);
}

void add_fixed(std::int64_t* sum, const float* values, std::size_t n, std::int64_t weight, double scale, Level level) {
  add_fixed_at(level, sum, values, n, weight, scale);
}
void add_fixed(std::int64_t* sum, const double* values, std::size_t n, std::int64_t weight, double scale, Level level) {
  add_fixed_at(level, sum, values, n, weight, scale);
}
void divide_fixed(float* to, const std::int64_t* sum, std::size_t n, std::int64_t total, double scale, Level level) {
  divide_fixed_at(level, to, sum, n, total, scale);
}
void divide_fixed(double* to, const std::int64_t* sum, std::size_t n, std::int64_t total, double scale, Level level) {
  divide_fixed_at(level, to, sum, n, total, scale);
}

void add_products(const float* rows, std::size_t n, std::size_t stride, double* gram, Level level) {
  add_products_at(level, rows, n, stride, gram);
}
void add_products(const double* rows, std::size_t n, std::size_t stride, double* gram, Level level) {
  add_products_at(level, rows, n, stride, gram);
}

void sort_panel(float* panel, const Network& network, Level level) {
  sort_panel_at(level, panel, network.data(), network.size());
}
void sort_panel(double* panel, const Network& network, Level level) {
  sort_panel_at(level, panel, network.data(), network.size());
}

void insert_extremes(float* extremes, double* sum, const float* values, std::size_t count, std::size_t trim,
                     std::size_t seen, Level level) {
  insert_extremes_at(level, extremes, sum, values, count, trim, seen);
}
void insert_extremes(double* extremes, double* sum, const double* values, std::size_t count, std::size_t trim,
                     std::size_t seen, Level level) {
  insert_extremes_at(level, extremes, sum, values, count, trim, seen);
}

}  // namespace sedna::federated::kernels
