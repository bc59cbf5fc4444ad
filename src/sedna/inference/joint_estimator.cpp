#include "sedna/inference/joint_estimator.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "sedna/base/error.hpp"

namespace sedna::inference {

using tensor::DType;
using tensor::Tensor;

namespace {

Tensor flag(std::string name, bool value) {
  static constexpr std::string_view kBytes("\0\1", 2);
  Tensor tensor;
  tensor.name = std::move(name);
  tensor.dtype = DType::kBool;
  tensor.shape = {1};
  tensor.data = Bytes::unowned(kBytes.substr(value ? 1 : 0, 1));
  return tensor;
}

/// Rows of samples that were answered one by one, as one tensor.
Tensor join(const std::vector<std::vector<Tensor>>& answers, std::size_t output) {
  Tensor joined = answers.front()[output];
  std::size_t size = 0;
  for (const auto& answer : answers) {
    if (answer.size() <= output || answer[output].dtype != joined.dtype || answer[output].shape != joined.shape ||
        joined.shape.empty()) {
      throw Error(ErrorCode::kInternal,
                  "edge and cloud answered in different forms, which cannot be joined; send one sample a request",
                  joined.name);
    }
    size += answer[output].data.size();
  }
  joined.shape.front() *= static_cast<std::int64_t>(answers.size());
  AlignedBuffer buffer(size);
  std::size_t at = 0;
  for (const auto& answer : answers) {
    const Bytes& data = answer[output].data;
    if (!data.empty()) std::memcpy(buffer.data() + at, data.data(), data.size());
    at += data.size();
  }
  joined.data = std::move(buffer).freeze();
  return joined;
}

}  // namespace

JointEstimator::JointEstimator(std::shared_ptr<JointInference> joint)
    : joint_(std::move(joint)), metadata_(joint_->edge()->metadata()) {
  metadata_.outputs.push_back({"sedna_hard", DType::kBool, {-1}});
  metadata_.outputs.push_back({"sedna_from_cloud", DType::kBool, {-1}});
  metadata_.outputs.push_back({"sedna_reason", DType::kBytes, {-1}});
  metadata_.max_batch_size = 0;  // samples are judged one by one
}

int JointEstimator::concurrency() const {
  const int waiting = joint_->cloud() ? joint_->cloud()->options().max_in_flight : 0;
  return joint_->edge()->concurrency() + std::max(0, waiting);
}

std::vector<Tensor> JointEstimator::answer(std::span<const Tensor> sample, Deadline deadline) const {
  // A request's own deadline may be a minute; the edge answer is promised within the joint one.
  JointResult result = joint_->infer(sample, deadline.earlier(Deadline::after(joint_->options().deadline)));
  const bool from_cloud = result.source == Source::kCloud;
  std::vector<Tensor> outputs = from_cloud ? std::move(result.cloud) : std::move(result.edge);
  const std::size_t own = metadata_.outputs.size() - 3;
  for (std::size_t i = 0; from_cloud && i < outputs.size() && i < own; ++i) outputs[i].name = metadata_.outputs[i].name;
  outputs.push_back(flag("sedna_hard", result.is_hard));
  outputs.push_back(flag("sedna_from_cloud", from_cloud));
  const std::string_view reason = algo::reason_name(result.reason);
  outputs.push_back(tensor::make_bytes_tensor("sedna_reason", std::span(&reason, 1)));
  return outputs;
}

std::vector<Tensor> JointEstimator::infer(std::span<const Tensor> inputs, Deadline deadline) {
  const bool batched = !inputs.empty() && !inputs.front().shape.empty() && !metadata_.inputs.empty() &&
                       !metadata_.inputs.front().shape.empty() && metadata_.inputs.front().shape.front() == -1;
  const std::int64_t count = batched ? inputs.front().shape.front() : 1;
  if (count <= 1) return answer(inputs, deadline);
  std::vector<std::vector<Tensor>> answers;
  answers.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) answers.push_back(answer(take_sample(inputs, i, count), deadline));
  std::vector<Tensor> outputs;
  for (std::size_t i = 0; i < answers.front().size(); ++i) outputs.push_back(join(answers, i));
  return outputs;
}

}  // namespace sedna::inference
