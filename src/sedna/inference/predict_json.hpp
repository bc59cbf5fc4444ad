// Upstream's JSON predict route as text: reads {"data": […], "callback": …} and writes the answers that upstream's
// server (FastAPI with pydantic 1) gives, byte for byte where they were recorded. Called by ModelServer's JSON routes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "sedna/base/result.hpp"
#include "sedna/inference/estimator.hpp"
#include "sedna/tensor/tensor.hpp"

namespace sedna::inference {

struct PredictRequest {
  Bytes data;                           ///< the text of the "data" list, as sent, checked to be JSON
  std::optional<std::string> callback;  ///< absent, null and "" are different to upstream; "" counts as absent there
};

/// A body that is not accepted: the status and the JSON text of the answer.
struct PredictRefusal {
  int status = 422;
  std::string body;
};

using PredictParse = std::variant<PredictRequest, PredictRefusal>;

/// NaN and Infinity are accepted, as Python's json does. `content_type`: the header's value, "" when absent (counts as
/// JSON).
PredictParse parse_predict(const Bytes& body, std::string_view content_type, std::size_t max_depth = 64);

/// {"detail":"text"}
std::string detail_body(std::string_view text);

/// Turns the data of a predict request into the model's inputs: one input takes the whole list; a model with n inputs
/// takes a list of n arrays. A missing leading batch dimension is added. Errors name what is wrong ("data[2][0] is a
/// string"); the subject is the path.
Result<std::vector<tensor::Tensor>> predict_inputs(const ModelMetadata& metadata, std::string_view data);
/// {"result": …}: the nested lists of the one output, or a list of them for several. An error when a number is not
/// finite (JSON cannot carry it) or a string is not UTF-8.
Result<std::string> predict_result(std::span<const tensor::Tensor> outputs);

/// Elements of an INT64 or FP64 tensor as another numeric dtype; an error for values that do not fit. Shares the bytes
/// when the dtype is the same.
Result<tensor::Tensor> convert_numeric(tensor::Tensor tensor, tensor::DType dtype);

}  // namespace sedna::inference
