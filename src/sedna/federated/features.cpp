#include "sedna/federated/features.hpp"

#include <cmath>

#include "sedna/federated/local_privacy.hpp"

namespace sedna::federated {

using tensor::DType;
using tensor::Tensor;

namespace {

constexpr std::size_t kTargets = 2;  ///< the first tensor of targets
constexpr std::size_t kMaxTensors = 64;

Error wrong(std::string why, std::string subject) {
  return {ErrorCode::kInvalidArgument, std::move(why), std::move(subject)};
}

std::string target_name(std::size_t i) {
  return "targets[" + std::to_string(i) + "]";
}

bool is_number(DType dtype) {
  return dtype != DType::kBytes && dtype != DType::kBf16 && dtype != DType::kFp16;
}

template <class T>
bool finite(const Tensor& tensor) {
  bool all = true;
  for (const T value : tensor.as<T>()) all &= std::isfinite(value);
  return all;
}

}  // namespace

Result<FeatureForm> FeatureForm::of(const Update& update) {
  if (update.weights.size() < kTargets || update.weights.size() > kMaxTensors || !update.extra.empty()) {
    return wrong("must be features, their layout and targets: this job trains on features, not on weights", "update");
  }
  const auto layout = FeatureLayout::from_tensor(update.weights[1]);
  if (!layout) return layout.error();
  FeatureForm form;
  form.set = true;
  form.sample = layout->shape;
  for (std::size_t i = kTargets; i < update.weights.size(); ++i) {
    const Tensor& target = update.weights[i];
    if (target.shape.empty()) return wrong("has no rows", target_name(i - kTargets));
    form.targets.push_back({{}, target.dtype, {target.shape.begin() + 1, target.shape.end()}});
  }
  return form;
}

Result<void> FeatureForm::same_as(const FeatureForm& other) const {
  if (sample != other.sample) return wrong("have another shape than other clients': another cut?", "features");
  if (targets.size() != other.targets.size()) {
    return wrong(
        "are " + std::to_string(targets.size()) + ", other clients' are " + std::to_string(other.targets.size()),
        "targets");
  }
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (targets[i].dtype != other.targets[i].dtype || targets[i].shape != other.targets[i].shape) {
      return wrong("has another type or shape than other clients'", target_name(i));
    }
  }
  return {};
}

Result<void> check_features_header(const tensor::SafetensorsHeader& header) {
  const auto& tensors = header.tensors;
  if (tensors.size() < kTargets || tensors.size() > kMaxTensors) {
    return wrong("must be features, their layout and targets: this job trains on features, not on weights", "update");
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::string label = "'" + tensors[i].name + "'";
    if (!is_number(tensors[i].dtype)) {
      return wrong("is " + std::string(tensor::dtype_name(tensors[i].dtype)) + ", which is not taken here", label);
    }
    if (tensors[i].shape.empty()) return wrong("has no rows", label);
    if (i != 1 && tensors[i].shape[0] != tensors[0].shape[0]) return wrong("has not a row for each sample", label);
  }
  return {};
}

Result<void> check_features(const Update& update, const FeatureForm& known) {
  const auto form = FeatureForm::of(update);
  if (!form) return form.error();
  if (known.set) {
    if (const auto fits = form->same_as(known); !fits) return fits;
  }
  const auto layout = FeatureLayout::from_tensor(update.weights[1]);
  const auto samples = check_sent(update.weights[0], *layout);
  if (!samples) return samples.error();
  if (update.weight != static_cast<double>(*samples)) {
    return wrong("must be the number of the features' rows, " + std::to_string(*samples), "num_samples");
  }
  for (std::size_t i = kTargets; i < update.weights.size(); ++i) {
    const Tensor& target = update.weights[i];
    const std::string label = target_name(i - kTargets);
    if (!is_number(target.dtype)) return wrong("is of no type that is taken here", label);
    if (const auto valid = target.validate(); !valid) return valid.error().within(label);
    if (target.shape[0] != *samples) return wrong("has not a row for each sample", label);
    const bool sound = target.dtype == DType::kFp32   ? finite<float>(target)
                       : target.dtype == DType::kFp64 ? finite<double>(target)
                                                      : true;
    if (!sound) return wrong("holds NaN or infinities", label);
  }
  return {};
}

}  // namespace sedna::federated
