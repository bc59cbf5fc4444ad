// FedAvg's sum, streaming: sum of weight * value over sum of weight (McMahan et al., "Communication-Efficient Learning
// of Deep Networks from Decentralized Data", AISTATS 2017). Memory is that of one model, whatever the number of
// clients.
#pragma once

#include <vector>

#include "sedna/base/buffer.hpp"
#include "sedna/federated/aggregation.hpp"

namespace sedna::federated {

/// The accumulator is always twice as wide as what goes in: float64 for FP32, a pair of float64 for FP64. So products
/// with whole-number weights (below 2^26) are exact, the one division at the end decides the rounding, and neither the
/// order of arrival nor merging shows in the result. Results have the dtype of the updates.
class WeightedMean final : public Aggregation {
 public:
  void accumulate(Update update) override;
  /// The sum of both, as if this one had seen the other's updates too. Throws Error(kInvalidArgument) when the two do
  /// not have the same tensors.
  void merge_with(WeightedMean&& other);
  std::size_t count() const override { return count_; }
  double total_weight() const override { return total_ + total_low_; }
  Aggregate report() override;
  Result<void> check_sum(const PartialSum& part) const override;
  void merge_sum(const PartialSum& part) override;
  PartialSum take_sum() override;

 private:
  struct Sum {
    AlignedBuffer high;  ///< float64, written whole by the first update: nothing clears it before
    AlignedBuffer low;   ///< what `high` could not hold; only for FP64
    std::size_t size() const { return high.size() / sizeof(double); }
    double* at_high() { return reinterpret_cast<double*>(high.data()); }
    double* at_low() { return reinterpret_cast<double*>(low.data()); }
  };
  void add_weight(double weight);

  Manifest manifest_;
  std::vector<Sum> sums_;
  double total_ = 0;
  double total_low_ = 0;
  std::size_t count_ = 0;
};

}  // namespace sedna::federated
