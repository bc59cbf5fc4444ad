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
#include "sedna/federated/kernels.hpp"
#include "sedna/federated/settings.hpp"
#include "sedna/federated/slices.hpp"

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

/// A stretch of one tensor.
struct Stretch {
  std::size_t tensor;
  std::size_t first;
  std::size_t count;
};
/// The whole model in stretches of at most `columns`, in order.
std::vector<Stretch> stretches_of(const Weights& like, std::size_t columns);

/// For each panel (see kernels.hpp) of updates.size() rows: it is gathered and `reduce(panel, out, count)` called, from
/// several threads. Rows have kPanel columns, those past `count` are 0.
template <class Reduce>
Weights by_panels(const std::vector<Update>& updates, Reduce&& reduce) {
  const Weights& like = updates.front().weights;
  const std::size_t n = updates.size();
  std::vector<AlignedBuffer> buffers;
  std::size_t bytes = 0;
  for (const auto& tensor : like) {
    buffers.emplace_back(tensor.data.size());
    bytes += n * tensor.data.size();
  }
  // Of each update so many columns are read at once: from here and there, memory gives little.
  constexpr std::size_t kPanels = 32;
  const auto stretches = stretches_of(like, kPanels * kernels::kPanel<float>);
  for_slices(kSlices, bytes, [&](std::size_t slice) {
    AlignedBuffer scratch(2 * kPanels * kernels::kPanel<float> * n * sizeof(float));
    const Part part = part_of(stretches.size(), slice, kSlices);
    for (std::size_t s = part.first; s < part.last; ++s) {
      const Stretch& stretch = stretches[s];
      with_float(like[stretch.tensor].dtype, [&](auto zero) {
        using T = decltype(zero);
        constexpr std::size_t kAcross = kernels::kPanel<T>;
        T* const panels = reinterpret_cast<T*>(scratch.data());
        const std::size_t count = (stretch.count + kAcross - 1) / kAcross;
        for (std::size_t i = 0; i < n; ++i) {
          const T* from = updates[i].weights[stretch.tensor].template as<T>().data() + stretch.first;
          T* to = panels + i * kAcross;
          std::size_t left = stretch.count;
          for (; left >= kAcross; left -= kAcross, from += kAcross, to += n * kAcross) std::copy_n(from, kAcross, to);
          if (left > 0) std::fill(std::copy_n(from, left, to), to + kAcross, T());
        }
        T* const out = reinterpret_cast<T*>(buffers[stretch.tensor].data()) + stretch.first;
        for (std::size_t p = 0; p < count; ++p) {
          reduce(panels + p * n * kAcross, out + p * kAcross, std::min(kAcross, stretch.count - p * kAcross));
        }
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

/// A sorting network for n rows, as compare-exchange pairs (Batcher's odd-even merge sort, Knuth 5.2.2 algorithm M);
/// only those that outputs [first, last) depend on.
kernels::Network sorting_network(std::size_t n, std::size_t first, std::size_t last);

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
