// The inner loops over whole models, compiled for several levels of x86 and chosen when the program runs: sums,
// distances, range checks, the products behind Krum, the sorting behind the medians. Called by the combining rules;
// knows nothing of updates or tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace sedna::federated::kernels {

/// What the processor has. Tests ask for the lower ones, too.
enum class Level { kPlain, kAvx2, kAvx512 };
Level best_level();

/// sum[k] = weight · values[k], and sum[k] += weight · values[k]. The product is rounded to float64 before it is added:
/// for float32 and whole weights below 2^26 it is exact.
void set_weighted(double* sum, const float* values, std::size_t n, double weight, Level level = best_level());
void add_weighted(double* sum, const float* values, std::size_t n, double weight, Level level = best_level());
void add_weighted(double* sum, const double* values, std::size_t n, double weight, Level level = best_level());
/// to[k] = sum[k] / divisor.
void divide(float* to, const double* sum, std::size_t n, double divisor, Level level = best_level());

/// Whether no value is NaN or beyond ±bound.
bool within(const float* values, std::size_t n, float bound, Level level = best_level());
bool within(const double* values, std::size_t n, double bound, Level level = best_level());
/// The largest magnitude; 0 of nothing. No NaN among them.
float largest(const float* values, std::size_t n, Level level = best_level());
double largest(const double* values, std::size_t n, Level level = best_level());

/// sum_k (a[k] − b[k])² in float64; of a alone when b is null.
double squared_distance(const float* a, const float* b, std::size_t n, Level level = best_level());
double squared_distance(const double* a, const double* b, std::size_t n, Level level = best_level());
/// to[k] = a[k] − b[k].
void subtract(float* to, const float* a, const float* b, std::size_t n, Level level = best_level());
void subtract(double* to, const double* a, const double* b, std::size_t n, Level level = best_level());

/// sum[k] += weight · (values[k] · scale, rounded to nearest, ties to even). |values[k] · scale| <= 2^50 and scale is a
/// power of two.
void add_fixed(std::int64_t* sum, const float* values, std::size_t n, std::int64_t weight, double scale,
               Level level = best_level());
void add_fixed(std::int64_t* sum, const double* values, std::size_t n, std::int64_t weight, double scale,
               Level level = best_level());
/// to[k] = (q + r / total) · scale with q, r the quotient and rest (towards zero) of sum[k] by total; |q| <= 2^50,
/// |sum[k]| < 2^62, total >= 1.
void divide_fixed(float* to, const std::int64_t* sum, std::size_t n, std::int64_t total, double scale,
                  Level level = best_level());
void divide_fixed(double* to, const std::int64_t* sum, std::size_t n, std::int64_t total, double scale,
                  Level level = best_level());

/// Inner products go over so many columns at once.
inline constexpr std::size_t kColumns = 1024;
/// gram[i · n + j] += sum over kColumns of rows[i] · rows[j] for j <= i; rows lie `stride` apart. Equal rows give equal
/// products, wherever they stand.
void add_products(const float* rows, std::size_t n, std::size_t stride, double* gram, Level level = best_level());
void add_products(const double* rows, std::size_t n, std::size_t stride, double* gram, Level level = best_level());

/// A panel is n rows of so many columns, side by side in memory: what fits into the first-level cache while its columns
/// are sorted, each in a lane of its own.
template <class T>
inline constexpr std::size_t kPanel = 128 / sizeof(T);
/// Compare-exchange pairs, the first of each gets the smaller value.
using Network = std::vector<std::pair<std::uint32_t, std::uint32_t>>;
void sort_panel(float* panel, const Network& network, Level level = best_level());
void sort_panel(double* panel, const Network& network, Level level = best_level());

/// The streaming extremes go over so many columns at once.
inline constexpr std::size_t kExtremeColumns = 256;
/// `count` rows of values, kExtremeColumns each, go one after another through the extremes: 2 · trim rows, of which the
/// first `trim` keep the largest values of each column and the others the smallest. What falls out is added to `sum`.
/// `seen` rows went through before; the extremes fill up first.
void insert_extremes(float* extremes, double* sum, const float* values, std::size_t count, std::size_t trim,
                     std::size_t seen, Level level = best_level());
void insert_extremes(double* extremes, double* sum, const double* values, std::size_t count, std::size_t trim,
                     std::size_t seen, Level level = best_level());

}  // namespace sedna::federated::kernels
