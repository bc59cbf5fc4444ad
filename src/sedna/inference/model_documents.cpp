#include "sedna/inference/model_documents.hpp"

#include <span>

#include "sedna/json/json.hpp"

namespace sedna::inference {

namespace {

json::array dims(std::span<const std::int64_t> shape) {
  json::array out;
  for (const std::int64_t d : shape) out.emplace_back(d);
  return out;
}

json::array ports(const std::vector<TensorSpec>& specs) {
  json::array out;
  for (const TensorSpec& spec : specs) {
    out.push_back(
        json::object{{"name", spec.name}, {"datatype", tensor::dtype_name(spec.dtype)}, {"shape", dims(spec.shape)}});
  }
  return out;
}

json::array config_ports(const std::vector<TensorSpec>& specs, bool batched) {
  json::array out;
  for (const TensorSpec& spec : specs) {
    const std::string type =
        spec.dtype == tensor::DType::kBytes ? "TYPE_STRING" : "TYPE_" + std::string(tensor::dtype_name(spec.dtype));
    std::span<const std::int64_t> shape(spec.shape);
    if (batched && !shape.empty()) shape = shape.subspan(1);  // the batch dimension is max_batch_size's business
    out.push_back(json::object{{"name", spec.name}, {"data_type", type}, {"dims", dims(shape)}});
  }
  return out;
}

}  // namespace

std::string server_document(bool has_repository) {
  json::array extensions = {"binary_tensor_data", "classification", "model_configuration", "statistics"};
  if (has_repository) {
    extensions.emplace_back("model_repository");
    extensions.emplace_back("model_repository(unload_dependents)");
  }
  return json::write(json::object{{"name", "sedna"}, {"version", "0.1.0"}, {"extensions", std::move(extensions)}});
}

std::string metadata_document(const ModelMetadata& m, const std::vector<std::string>& versions) {
  json::array all;
  for (const std::string& v : versions) all.emplace_back(v);
  return json::write(json::object{{"name", m.name},
                                  {"versions", std::move(all)},
                                  {"platform", m.platform},
                                  {"inputs", ports(m.inputs)},
                                  {"outputs", ports(m.outputs)}});
}

std::string config_document(const ModelMetadata& m, int instances) {
  const bool batched = m.max_batch_size > 0;
  json::object config = {{"name", m.name},
                         {"platform", m.platform},
                         {"backend", m.platform == "onnxruntime_onnx" ? "onnxruntime" : m.platform},
                         {"version_policy", json::object{{"latest", json::object{{"num_versions", 1}}}}},
                         {"max_batch_size", m.max_batch_size},
                         {"input", config_ports(m.inputs, batched)},
                         {"output", config_ports(m.outputs, batched)},
                         {"instance_group", json::array{json::object{
                                                {"name", m.name + "_0"}, {"kind", "KIND_CPU"}, {"count", instances}}}},
                         {"default_model_filename", "model.onnx"},
                         {"parameters", json::object{}}};
  if (batched) {
    config["dynamic_batching"] =
        json::object{{"preferred_batch_size", json::array{m.max_batch_size}}, {"max_queue_delay_microseconds", 0}};
  }
  return json::write(config);
}

}  // namespace sedna::inference
