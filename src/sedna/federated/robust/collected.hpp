// What the robust rules share: they see all updates of a round at its end. Updates that came over HTTP lie in files and
// are read block by block, so that memory stays that of some blocks; those from JSON are kept in memory. Internal.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/base/buffer.hpp"
#include "sedna/federated/aggregation.hpp"
#include "sedna/federated/elementwise.hpp"
#include "sedna/federated/settings.hpp"

// The hot loops are compiled for several x86 levels and chosen at load time; the sanitizers do not stand the resolvers.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && defined(NDEBUG)
#define SEDNA_MULTIVERSION __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define SEDNA_MULTIVERSION
#endif

namespace sedna::federated {

/// Keeps the updates, sorted by client when the round ends: the order of arrival shows nowhere.
class Collected : public Aggregation {
 public:
  Collected(std::string_view rule, std::size_t fewest) : rule_(rule), fewest_(fewest) {}
  void accumulate(Update update) override { updates_.push_back(std::move(update)); }
  std::size_t count() const override { return updates_.size(); }
  double total_weight() const override;
  /// Throws Error(kInvalidArgument) with fewer updates than the rule can work with.
  Aggregate report() final;

 protected:
  virtual Weights combine(const std::vector<Update>& updates) = 0;

 private:
  std::string_view rule_;
  std::size_t fewest_;
  std::vector<Update> updates_;
};

/// The robust rules go through the model in blocks of so many coordinates.
inline constexpr std::size_t kColumns = 1024;

/// Values of one tensor of all updates, `count` from `first`, copied into rows of kColumns.
template <class T>
void gather_rows(const std::vector<Update>& updates, std::size_t tensor, std::size_t first, std::size_t count,
                 std::vector<T>& rows) {
  rows.resize(updates.size() * kColumns);
  for (std::size_t i = 0; i < updates.size(); ++i) {
    const auto values = updates[i].weights[tensor].as<T>().subspan(first, count);
    std::copy(values.begin(), values.end(), rows.data() + i * kColumns);
    std::fill(rows.data() + i * kColumns + count, rows.data() + (i + 1) * kColumns, T());
  }
}

/// For each tensor and each block of columns: rows are gathered and `reduce(rows, updates, out, count)` called.
template <class Reduce>
Weights by_columns(const std::vector<Update>& updates, Reduce&& reduce) {
  Weights out;
  const Weights& like = updates.front().weights;
  for (std::size_t t = 0; t < like.size(); ++t) {
    tensor::Tensor result = like[t];
    AlignedBuffer buffer(like[t].data.size());
    with_float(like[t].dtype, [&](auto zero) {
      using T = decltype(zero);
      std::vector<T> rows;
      T* const to = reinterpret_cast<T*>(buffer.data());
      const std::size_t elements = elements_of(like[t]);
      for (std::size_t first = 0; first < elements; first += kColumns) {
        const std::size_t count = std::min(kColumns, elements - first);
        gather_rows(updates, t, first, count, rows);
        reduce(rows.data(), updates.size(), to + first, count);
      }
    });
    result.data = std::move(buffer).freeze();
    out.push_back(std::move(result));
  }
  return out;
}

/// A sorting network for n rows, as compare-exchange pairs (Batcher's odd-even merge sort, Knuth 5.2.2 algorithm M);
/// only those that outputs [first, last) depend on.
std::vector<std::pair<std::size_t, std::size_t>> sorting_network(std::size_t n, std::size_t first, std::size_t last);
/// Sorts the columns of rows (kColumns apart) by the network: row i holds the i-th smallest of those asked for.
void sort_columns(float* rows, const std::vector<std::pair<std::size_t, std::size_t>>& network);
void sort_columns(double* rows, const std::vector<std::pair<std::size_t, std::size_t>>& network);

// The rules, one file each. `base` is what the round began with, or null.
using Base = std::shared_ptr<const Weights>;
std::unique_ptr<Aggregation> make_median(const Base& base);
std::unique_ptr<Aggregation> make_trimmed_mean(const Base& base, std::size_t trim);
std::unique_ptr<Aggregation> make_krum(const Base& base, std::size_t byzantine);
/// `chosen` 0: all but the byzantine.
std::unique_ptr<Aggregation> make_multi_krum(const Base& base, std::size_t byzantine, std::size_t chosen);
std::unique_ptr<Aggregation> make_bulyan(const Base& base, std::size_t byzantine);
std::unique_ptr<Aggregation> make_geometric_median(const Base& base, std::size_t iterations, double smoothing);
std::unique_ptr<Aggregation> make_fltrust(const Base& base, std::string root);
std::unique_ptr<Aggregation> make_bucketing(std::size_t size, std::uint64_t seed, std::unique_ptr<Aggregation> inner);

}  // namespace sedna::federated
