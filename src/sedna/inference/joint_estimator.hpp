// Joint inference as a model: what `sedna-worker edge` serves on its port. Answers with the cloud's outputs for the
// samples that went there and with the edge model's for the others, under the edge model's output names.
#pragma once

#include <memory>

#include "sedna/inference/estimator.hpp"
#include "sedna/inference/joint_inference.hpp"

namespace sedna::inference {

/// Thread-safe; as concurrent as the edge model and the client's threads together (a sample that waits for the cloud
/// occupies a run, not the edge model).
class JointEstimator final : public Estimator {
 public:
  explicit JointEstimator(std::shared_ptr<JointInference> joint);
  /// The edge model's, and three outputs more: sedna_hard BOOL, sedna_from_cloud BOOL, sedna_reason BYTES, one a
  /// sample.
  const ModelMetadata& metadata() const override { return metadata_; }
  /// A batch is judged sample by sample. Outputs of samples are joined where dtype and shape agree; a cloud model that
  /// answers in another form makes this kInternal for batches (send one sample a request).
  std::vector<tensor::Tensor> infer(std::span<const tensor::Tensor> inputs, Deadline deadline) override;
  int concurrency() const override;

 private:
  std::vector<tensor::Tensor> answer(std::span<const tensor::Tensor> sample, Deadline deadline) const;

  std::shared_ptr<JointInference> joint_;
  ModelMetadata metadata_;
};

}  // namespace sedna::inference
