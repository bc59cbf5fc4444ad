// Reads what a filter judges, and the label, from a model's output tensors. Used by JointInference and calibration.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sedna/algo/hard_example.hpp"
#include "sedna/tensor/tensor.hpp"

namespace sedna::inference {

/// From a model's outputs (or, mining first, from its inputs) to what the filter judges. False: cannot be read.
using ResultReader = std::function<bool(std::span<const tensor::Tensor> tensors, std::vector<double>& values)>;

/// Probabilities and logits: the output called `output`, else the first floating-point one; [n] or [1, n]. Boxes:
/// column 4 of a floating-point [m, >= 5] or [1, m, >= 5], else an output called "scores".
ResultReader default_reader(algo::EdgeResult::Form form, std::string output = {});

/// The values of a numeric tensor as doubles, appended; false for BYTES, FP16 and BF16 and for data shorter than its
/// shape.
bool append_doubles(const tensor::Tensor& tensor, std::vector<double>& values);

/// The class that a classifier's outputs name: an integer output of one element (scikit-learn's "label"), else the
/// index of the largest value of the first floating-point output. Nothing for other models.
std::optional<std::int64_t> label_of(std::span<const tensor::Tensor> outputs);

/// Sample `index` of tensors that carry `count` samples in their first dimension (of size one afterwards); tensors
/// without that dimension are taken whole. Shares the bytes (copies only where the row would not be aligned for its
/// dtype).
std::vector<tensor::Tensor> take_sample(std::span<const tensor::Tensor> batch, std::int64_t index, std::int64_t count);

}  // namespace sedna::inference
