#include "sedna/federated/aggregation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "sedna/federated/kernels.hpp"
#include "sedna/federated/partial_sum.hpp"

namespace sedna::federated {

using tensor::DType;
using tensor::Tensor;

namespace {

std::string shape_text(const tensor::Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? "," : "") + std::to_string(shape[i]);
  return text + "]";
}

/// Whether any value is NaN, infinite or larger than `limit`.
template <class T>
bool any_out_of_range(const Tensor& tensor, double limit) {
  const auto bound = static_cast<T>(std::min(limit, static_cast<double>(std::numeric_limits<T>::max())));
  const auto values = tensor.as<T>();
  return !kernels::within(values.data(), values.size(), bound);
}

template <class T>
Error out_of_range(const Tensor& tensor, double limit, const std::string& label) {
  const auto values = tensor.as<T>();
  std::size_t i = 0;
  while (i + 1 < values.size() && std::abs(static_cast<double>(values[i])) <= limit) ++i;
  const auto value = static_cast<double>(values[i]);
  const std::string what = std::isnan(value)   ? "NaN"
                           : std::isinf(value) ? (value > 0 ? "Infinity" : "-Infinity")
                                               : "too large for a sum";
  return {ErrorCode::kInvalidArgument, "element " + std::to_string(i) + " is " + what, label};
}

Result<void> check_values(const Tensor& tensor, double limit, const std::string& label) {
  const bool wide = tensor.dtype == DType::kFp64;
  const bool bad = wide ? any_out_of_range<double>(tensor, limit) : any_out_of_range<float>(tensor, limit);
  if (!bad) return {};
  return wide ? out_of_range<double>(tensor, limit, label) : out_of_range<float>(tensor, limit, label);
}

Result<void> check_against(const Tensor& tensor, const Manifest::Entry& entry, const std::string& label) {
  if (tensor.dtype != entry.dtype) {
    return Error(ErrorCode::kInvalidArgument,
                 "is " + std::string(tensor::dtype_name(tensor.dtype)) + ", the model's is " +
                     std::string(tensor::dtype_name(entry.dtype)),
                 label);
  }
  if (tensor.shape != entry.shape) {
    return Error(ErrorCode::kInvalidArgument,
                 "has shape " + shape_text(tensor.shape) + ", the model's has " + shape_text(entry.shape), label);
  }
  if (tensor.name != entry.name) {
    return Error(ErrorCode::kInvalidArgument, "is called '" + tensor.name + "', the model's '" + entry.name + "'",
                 label);
  }
  return {};
}

}  // namespace

Manifest Manifest::of(const Weights& weights) {
  Manifest manifest;
  manifest.set = true;
  manifest.tensors.reserve(weights.size());
  for (const Tensor& tensor : weights) manifest.tensors.push_back({tensor.name, tensor.dtype, tensor.shape});
  return manifest;
}

std::string Manifest::label(std::size_t index, const std::string& name) {
  return "weights[" + std::to_string(index) + "]" + (name.empty() ? "" : " '" + name + "'");
}

namespace {

Result<void> check_tensors(const Weights& tensors, const Manifest& manifest, bool extra) {
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& tensor = tensors[i];
    const std::string label = extra ? "extra[" + std::to_string(i) + "]" : Manifest::label(i, tensor.name);
    if (tensor.dtype != DType::kFp32 && tensor.dtype != DType::kFp64) {
      return Error(ErrorCode::kInvalidArgument,
                   "is " + std::string(tensor::dtype_name(tensor.dtype)) + "; only FP32 and FP64 can be averaged",
                   label);
    }
    if (const auto valid = tensor.validate(); !valid) return valid.error().within(label);
    if (!manifest.set) continue;
    Manifest::Entry entry = manifest.tensors[i];
    if (extra) entry.name = tensor.name;
    if (const auto fits = check_against(tensor, entry, label); !fits) return fits;
  }
  return {};
}

}  // namespace

Result<void> check_form(const Update& update, const Manifest& manifest) {
  if (!(update.weight > 0) || !std::isfinite(update.weight)) {
    return Error(ErrorCode::kInvalidArgument, "must be above 0 and finite", "num_samples");
  }
  if (!(update.steps >= 0) || !std::isfinite(update.steps)) {
    return Error(ErrorCode::kInvalidArgument, "must be 0 or more and finite", "steps");
  }
  if (manifest.set && update.weights.size() != manifest.tensors.size()) {
    return Error(ErrorCode::kInvalidArgument,
                 "has " + std::to_string(update.weights.size()) + " tensors, the model has " +
                     std::to_string(manifest.tensors.size()),
                 "weights");
  }
  if (!update.extra.empty() && update.extra.size() != update.weights.size()) {
    return Error(ErrorCode::kInvalidArgument,
                 "has " + std::to_string(update.extra.size()) + " tensors for " +
                     std::to_string(update.weights.size()) + " weights",
                 "extra");
  }
  if (const auto fits = check_tensors(update.weights, manifest, false); !fits) return fits;
  return check_tensors(update.extra, manifest.set ? manifest : Manifest::of(update.weights), true);
}

Result<void> check_update(const Update& update, const Manifest& manifest) {
  if (const auto fits = check_form(update, manifest); !fits) return fits;
  const double limit = kMaxProduct / std::max(1.0, update.weight);
  for (std::size_t i = 0; i < update.weights.size(); ++i) {
    const std::string label = Manifest::label(i, update.weights[i].name);
    if (const auto finite = check_values(update.weights[i], limit, label); !finite) return finite;
  }
  for (std::size_t i = 0; i < update.extra.size(); ++i) {
    if (const auto finite = check_values(update.extra[i], limit, "extra[" + std::to_string(i) + "]"); !finite) {
      return finite;
    }
  }
  return {};
}

Result<void> Aggregation::check_sum(const PartialSum& /*part*/) const {
  return Error(ErrorCode::kInvalidArgument, "is a sum of a site, and this rule looks at every client's update", "sum");
}
void Aggregation::merge_sum(const PartialSum& part) {
  throw Error(check_sum(part).error());
}
PartialSum Aggregation::take_sum() {
  throw Error(ErrorCode::kInvalidArgument, "is not a sum that could be merged elsewhere", "rule");
}
double Aggregation::weight_limit() const {
  return std::numeric_limits<double>::infinity();
}

void CollectedUpdates::accumulate(Update update) {
  updates_.push_back(std::move(update));
}

double CollectedUpdates::total_weight() const {
  double total = 0;
  for (const Update& update : updates_) total += update.weight;
  return total;
}

}  // namespace sedna::federated
