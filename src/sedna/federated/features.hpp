// Updates that are features instead of weights (MistNet): what they look like, and the checks before a round takes
// them. Called by the aggregation server in jobs of that kind; the rule, user code, trains on what passes.
//
//   tensor 0   features, as randomize() writes them: a row a sample
//   tensor 1   their layout: FeatureLayout::to_tensor()
//   others     the samples' targets: any whole or floating-point numbers, a row a sample
#pragma once

#include "sedna/federated/aggregation.hpp"
#include "sedna/tensor/safetensors.hpp"

namespace sedna::federated {

/// What all clients of a job share: number and kinds of the targets, shapes but for the number of samples.
struct FeatureForm {
  bool set = false;
  tensor::Shape sample;                  ///< of one sample's features
  std::vector<Manifest::Entry> targets;  ///< shapes without the samples
  static Result<FeatureForm> of(const Update& update);
  Result<void> same_as(const FeatureForm& other) const;
};

/// Before the tensors are here: number, dtypes, and that all have as many rows.
Result<void> check_features_header(const tensor::SafetensorsHeader& header);
/// Everything: a row a sample and as many as num_samples says, finite values, the job's form where it is known.
Result<void> check_features(const Update& update, const FeatureForm& known);

}  // namespace sedna::federated
