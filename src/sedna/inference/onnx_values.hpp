// Tensors as ONNX Runtime's values and back, without copying elements where their place allows it. Called by
// OnnxEstimator.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sedna/inference/estimator.hpp"
#include "sedna/inference/ort_library.hpp"

namespace sedna::inference {

/// Element type and dimensions (−1: variable), no name; nothing when it is no tensor of a type that travels.
std::optional<TensorSpec> read_spec(const OrtLibrary& lib, const ort::TensorInfo* info, const std::string& subject);
/// A value over the tensor's own bytes, which must outlive it; bytes that lie unaligned for their type are copied into
/// `keep`, strings into the value. Throws Error.
OrtHandle<ort::Value> make_value(const OrtLibrary& lib, const tensor::Tensor& t, std::vector<Bytes>& keep);
/// A tensor over the value's own memory, which it keeps alive (strings are copied). Throws Error.
tensor::Tensor read_value(const OrtLibrary& lib, OrtHandle<ort::Value> value, const std::string& name);

}  // namespace sedna::inference
