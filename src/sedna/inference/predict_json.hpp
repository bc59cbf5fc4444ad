// Upstream's JSON predict route as text: reads {"data": […], "callback": …} and writes the answers that upstream's
// server (FastAPI with pydantic 1) gives, byte for byte where they were recorded. Called by ModelServer's JSON routes.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sedna/base/result.hpp"
#include "sedna/inference/estimator.hpp"
#include "sedna/tensor/predict_body.hpp"
#include "sedna/tensor/tensor.hpp"

namespace sedna::inference {

/// {"detail":"text"}
std::string detail_body(std::string_view text);

/// Turns the data of a predict request into the model's inputs: one input takes the whole list; a model with n inputs
/// takes a list of n arrays. A missing leading batch dimension is added. Errors name what is wrong ("data[2][0] is a
/// string"); the subject is the path.
Result<std::vector<tensor::Tensor>> predict_inputs(const ModelMetadata& metadata, tensor::PredictBody body);
/// {"result": …}: the nested lists of the one output, or a list of them for several. An error when a number is not
/// finite (JSON cannot carry it) or a string is not UTF-8.
Result<std::string> predict_result(std::span<const tensor::Tensor> outputs);

/// Elements of an INT64 or FP64 tensor as another numeric dtype; an error for values that do not fit. Shares the bytes
/// when the dtype is the same.
Result<tensor::Tensor> convert_numeric(tensor::Tensor tensor, tensor::DType dtype);

}  // namespace sedna::inference
