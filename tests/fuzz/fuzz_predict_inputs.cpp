// A predict body on its way into a model of typed tensors: the first byte chooses the model. What is accepted fits the
// model's declaration and has exactly the bytes that its shape says.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sedna/inference/onnx_estimator.hpp"
#include "sedna/inference/predict_json.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sedna;
  using tensor::DType;
  if (size == 0) return 0;
  const inference::TensorSpec ports[] = {{"f", DType::kFp32, {-1, 2}},  {"u", DType::kUint8, {-1}},
                                         {"i", DType::kInt64, {2, -1}}, {"s", DType::kBytes, {-1}},
                                         {"b", DType::kBool, {-1, 2}},  {"h", DType::kFp16, {-1}}};
  inference::ModelMetadata model;
  model.name = "m";
  const std::size_t choice = data[0];
  model.inputs.push_back(ports[choice % 6]);
  if (choice >= 128) model.inputs.push_back(ports[(choice / 6) % 6]);
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto parsed = tensor::parse_predict_body(Bytes::copy_of(text), "", {});
  auto* body = std::get_if<tensor::PredictBody>(&parsed);
  if (body == nullptr) return 0;
  const auto inputs = inference::predict_inputs(model, std::move(*body));
  if (!inputs) return 0;
  if (inputs->size() != model.inputs.size()) std::abort();
  for (std::size_t i = 0; i < inputs->size(); ++i) {
    const auto& t = (*inputs)[i];
    if (t.dtype != model.inputs[i].dtype || !t.validate()) std::abort();
    if (!inference::shape_fits(model.inputs[i].shape, t.shape)) std::abort();
  }
  // And back: finite numbers and UTF-8 can always be written.
  const auto answer = inference::predict_result(*inputs);
  if (answer && answer->find("{\"result\":") != 0) std::abort();
  return 0;
}
