// How the updates of one round become one model: the face that every rule has, in the shape of Google's
// CheckpointAggregator (create, accumulate, merge, report). Called by the round machine; implemented by the weighted
// mean and, around user code, by CollectedUpdates.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sedna/base/result.hpp"
#include "sedna/tensor/tensor.hpp"

namespace sedna::federated {

/// A model's parameters in their order.
using Weights = std::vector<tensor::Tensor>;

struct PartialSum;

/// What one client brings to a round.
struct Update {
  std::string client;
  double weight = 0;  ///< its number of samples
  Weights weights;
  Weights extra{};   ///< tensors beside the weights, of the same shapes: SCAFFOLD's change of the control variate
  double steps = 0;  ///< local optimiser steps; 0: it does not say
  /// Asynchronous rules: how many rounds before the open one it began, and with which model; null: with the newest.
  std::int64_t staleness = 0;
  std::shared_ptr<const Weights> began_with{};
  /// Of a site: the sum of its clients' updates, in the weights' place (partial_sum.hpp).
  std::shared_ptr<const PartialSum> partial{};
};

/// Names (where tensors have them), dtypes and shapes that all updates of a job share: the first accepted one sets it.
struct Manifest {
  struct Entry {
    std::string name;
    tensor::DType dtype = tensor::DType::kFp64;
    tensor::Shape shape;
  };
  std::vector<Entry> tensors;
  bool set = false;

  static Manifest of(const Weights& weights);
  /// "weights[2] 'bias'": how an error names a tensor.
  static std::string label(std::size_t index, const std::string& name);
};

/// The largest |weight * value| that is accepted: sums of a million such updates stay finite.
inline constexpr double kMaxProduct = 1e300;

/// Checks everything that can be wrong with an update before it touches a sum: tensor count, dtypes (FP32, FP64),
/// shapes against `manifest` where it is set, byte lengths, a weight above 0 and finite, values finite; tensors beside
/// the weights have the weights' shapes. The error names the tensor ("weights[2]") and the reason. One pass over the
/// values.
Result<void> check_update(const Update& update, const Manifest& manifest);
/// The part of it that looks at no value.
Result<void> check_form(const Update& update, const Manifest& manifest);

struct Aggregate {
  Weights weights;
  double total_weight = 0;
  bool none = false;  ///< the rule gave no model (upstream's rules of the second kind do): written as null
};

/// One round's sum. Not thread-safe.
class Aggregation {
 public:
  virtual ~Aggregation() = default;
  /// What this rule asks beyond check_update(); the update is refused with the reason.
  virtual Result<void> check(const Update& /*update*/) const { return {}; }
  /// Adds an update that check_update() has passed.
  virtual void accumulate(Update update) = 0;
  virtual std::size_t count() const = 0;
  virtual double total_weight() const = 0;
  /// The round's model. At least one update has been added. May throw Error (user code).
  virtual Aggregate report() = 0;

  // A sum in parts, for aggregators in a tree. Rules that are no sums refuse, and throw Error(kInvalidArgument).
  /// What this sum asks of a part that check_partial_sum() has passed.
  virtual Result<void> check_sum(const PartialSum& part) const;
  /// Adds a part that has passed, as if its clients' updates had come here.
  virtual void merge_sum(const PartialSum& part);
  /// Gives the sum away instead of report().
  virtual PartialSum take_sum();
  /// The weights that all updates of a round may have together.
  virtual double weight_limit() const;
};

/// Makes the empty sum of a new round.
using AggregationFactory = std::function<std::unique_ptr<Aggregation>()>;
/// The same for rules that look at changes: `base` is the model that the round began with; null when there is none yet.
using CombinationFactory = std::function<std::unique_ptr<Aggregation>(std::shared_ptr<const Weights> base)>;

/// User code as a rule: keeps the round's updates, in order of arrival, and hands them over at its end.
class CollectedUpdates final : public Aggregation {
 public:
  using Rule = std::function<Aggregate(std::vector<Update>)>;
  explicit CollectedUpdates(Rule rule) : rule_(std::move(rule)) {}
  void accumulate(Update update) override;
  std::size_t count() const override { return updates_.size(); }
  double total_weight() const override;
  Aggregate report() override { return rule_(std::move(updates_)); }

 private:
  Rule rule_;
  std::vector<Update> updates_;
};

}  // namespace sedna::federated
