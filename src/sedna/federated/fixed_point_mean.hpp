// The weighted mean in 64-bit integers: every value becomes value · 2^s, rounded once, with one s for each tensor that
// is fixed when the round begins. Integer sums do not round, so the result is the same, bit for bit, for any order of
// arrival, any split into shards or threads and any tree of aggregators, by construction. The rule "determinism:
// strict".
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "sedna/federated/aggregation.hpp"

namespace sedna::federated {

struct FixedPointOptions {
  FixedPointOptions() {}
  double total_weight = 16777216;  ///< the samples of all clients together, at most: with the range it decides s
  double headroom = 16;            ///< a value may be so many times the base's largest of its tensor (and 1 at least)
};

/// Values beyond the range, weights that are no whole numbers and more samples than planned are refused by check().
class FixedPointMean final : public Aggregation {
 public:
  /// `base` may be null: then the range is `headroom` for every tensor.
  FixedPointMean(const Weights* base, FixedPointOptions options);
  Result<void> check(const Update& update) const override;
  void accumulate(Update update) override;
  /// The sum of both; they must have begun with the same base. Throws Error(kInvalidArgument) otherwise.
  void merge_with(FixedPointMean&& other);
  std::size_t count() const override { return count_; }
  double total_weight() const override { return static_cast<double>(total_); }
  Aggregate report() override;
  Result<void> check_sum(const PartialSum& part) const override;
  void merge_sum(const PartialSum& part) override;
  PartialSum take_sum() override;
  double weight_limit() const override { return options_.total_weight; }

 private:
  /// check() reads it while another update is added. It moves with its sum, which nobody else has then.
  struct Total : std::atomic<std::int64_t> {
    Total() noexcept : atomic(0) {}
    Total(const Total& other) noexcept : atomic(other.load()) {}
    Total& operator=(const Total& other) noexcept {
      store(other.load());
      return *this;
    }
    using atomic::operator=;
  };
  double limit_of(std::size_t tensor) const;
  int scale_of(std::size_t tensor) const;
  /// Whether scaled values stay below 2^50, so that the quick ways of rounding and dividing are exact.
  bool small(std::size_t tensor) const;

  FixedPointOptions options_;
  std::vector<double> limits_;  ///< of each tensor, a power of two
  double default_limit_;
  Manifest manifest_;
  std::vector<std::vector<std::int64_t>> sums_;
  Total total_;
  std::size_t count_ = 0;
};

}  // namespace sedna::federated
