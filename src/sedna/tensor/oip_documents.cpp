#include "sedna/tensor/oip_documents.hpp"

#include <utility>

#include "sedna/json/json.hpp"

namespace sedna::tensor::oip {
namespace {

json::array dims_of(const Shape& shape, std::size_t from) {
  json::array dims;
  for (std::size_t i = from; i < shape.size(); ++i) dims.push_back(shape[i]);
  return dims;
}

json::array metadata_tensors(const std::vector<TensorMetadata>& tensors) {
  json::array list;
  for (const TensorMetadata& tensor : tensors) {
    json::object o;
    o["name"] = tensor.name;
    o["datatype"] = dtype_name(tensor.dtype);
    o["shape"] = dims_of(tensor.shape, 0);
    list.push_back(std::move(o));
  }
  return list;
}

json::array config_tensors(const std::vector<TensorMetadata>& tensors, bool batched) {
  json::array list;
  for (const TensorMetadata& tensor : tensors) {
    json::object o;
    o["name"] = tensor.name;
    o["data_type"] =
        tensor.dtype == DType::kBytes ? std::string("TYPE_STRING") : "TYPE_" + std::string(dtype_name(tensor.dtype));
    o["dims"] = dims_of(tensor.shape, batched && !tensor.shape.empty() ? 1 : 0);
    list.push_back(std::move(o));
  }
  return list;
}

json::object duration_json(const Duration& d) {
  json::object o;
  o["count"] = d.count;
  o["ns"] = d.ns;
  return o;
}

json::object statistics_of(const ModelStatistics& model) {
  json::object durations;
  durations["success"] = duration_json(model.success);
  durations["fail"] = duration_json(model.fail);
  durations["queue"] = duration_json(model.queue);
  durations["compute_input"] = duration_json(model.compute_input);
  durations["compute_infer"] = duration_json(model.compute_infer);
  durations["compute_output"] = duration_json(model.compute_output);
  durations["cache_hit"] = duration_json(model.cache_hit);
  durations["cache_miss"] = duration_json(model.cache_miss);
  json::array batches;
  for (const BatchStatistics& batch : model.batches) {
    json::object o;
    o["batch_size"] = batch.batch_size;
    o["compute_input"] = duration_json(batch.compute_input);
    o["compute_infer"] = duration_json(batch.compute_infer);
    o["compute_output"] = duration_json(batch.compute_output);
    batches.push_back(std::move(o));
  }
  json::object o;
  o["name"] = model.name;
  o["version"] = model.version;
  o["last_inference"] = model.last_inference_ms;
  o["inference_count"] = model.inference_count;
  o["execution_count"] = model.execution_count;
  o["inference_stats"] = std::move(durations);
  o["batch_stats"] = std::move(batches);
  return o;
}

Result<std::vector<TensorMetadata>> parse_tensors(const json::object& model, std::string_view list) {
  const auto found = json::require_array(model, list);
  if (!found) return found.error();
  std::vector<TensorMetadata> tensors;
  for (const json::value& element : **found) {
    const std::string where = std::string(list) + "[" + std::to_string(tensors.size()) + "]";
    const auto fields = json::as_object(element, where);
    if (!fields) return fields.error();
    const auto name = json::require_string(**fields, "name", where);
    if (!name) return name.error();
    const auto datatype = json::require_string(**fields, "datatype", where);
    if (!datatype) return datatype.error();
    const auto dtype = dtype_from_name(*datatype);
    if (!dtype) {
      return Error(ErrorCode::kInvalidArgument, "\"" + *datatype + "\" is not a datatype", where + ".datatype");
    }
    const auto dims = json::require_array(**fields, "shape", where);
    if (!dims) return dims.error();
    TensorMetadata tensor{*name, *dtype, {}};
    for (const json::value& dim : **dims) {
      const std::int64_t* size = dim.if_int64();
      if (size == nullptr || *size < -1) {
        return Error(ErrorCode::kInvalidArgument, "must be a list of integers of -1 or more", where + ".shape");
      }
      tensor.shape.push_back(*size);
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

}  // namespace

std::string server_metadata_json(std::string_view name, std::string_view version,
                                 std::span<const std::string_view> extensions) {
  json::object o;
  o["name"] = name;
  o["version"] = version;
  json::array list;
  for (const std::string_view extension : extensions) list.push_back(json::value(extension));
  o["extensions"] = std::move(list);
  return json::write(o);
}

std::string model_metadata_json(const ModelDocument& model) {
  json::object o;
  o["name"] = model.name;
  json::array versions;
  for (const std::string& version : model.versions) versions.push_back(json::value(version));
  o["versions"] = std::move(versions);
  o["platform"] = model.platform;
  o["inputs"] = metadata_tensors(model.inputs);
  o["outputs"] = metadata_tensors(model.outputs);
  return json::write(o);
}

std::string model_config_json(const ModelDocument& model) {
  const bool batched = model.max_batch_size > 0;
  json::object o;
  o["name"] = model.name;
  o["platform"] = model.platform;
  o["backend"] = model.backend;
  o["max_batch_size"] = model.max_batch_size;
  o["input"] = config_tensors(model.inputs, batched);
  o["output"] = config_tensors(model.outputs, batched);
  return json::write(o);
}

std::string repository_index_json(std::span<const RepositoryEntry> entries) {
  json::array list;
  for (const RepositoryEntry& entry : entries) {
    json::object o;
    o["name"] = entry.name;
    o["version"] = entry.version;
    o["state"] = entry.state;
    o["reason"] = entry.reason;
    list.push_back(std::move(o));
  }
  return json::write(list);
}

std::string statistics_json(std::span<const ModelStatistics> models) {
  json::array list;
  for (const ModelStatistics& model : models) list.push_back(statistics_of(model));
  json::object o;
  o["model_stats"] = std::move(list);
  return json::write(o);
}

Result<ModelDocument> parse_model_metadata(std::string_view text) {
  const auto tree = json::parse(text);
  if (!tree) return tree.error();
  const auto o = json::as_object(*tree);
  if (!o) return o.error();
  ModelDocument model;
  auto name = json::require_string(**o, "name");
  if (!name) return name.error();
  model.name = std::move(*name);
  const auto platform = json::optional_string(**o, "platform");
  if (!platform) return platform.error();
  model.platform = platform->value_or("");
  if (const json::value* versions = (*o)->if_contains("versions"); versions != nullptr && versions->is_array()) {
    model.versions.clear();
    for (const json::value& version : versions->get_array()) {
      if (!version.is_string()) return Error(ErrorCode::kInvalidArgument, "must be a list of strings", "versions");
      model.versions.emplace_back(version.get_string().data(), version.get_string().size());
    }
  }
  auto inputs = parse_tensors(**o, "inputs");
  if (!inputs) return inputs.error();
  model.inputs = std::move(*inputs);
  auto outputs = parse_tensors(**o, "outputs");
  if (!outputs) return outputs.error();
  model.outputs = std::move(*outputs);
  return model;
}

}  // namespace sedna::tensor::oip
