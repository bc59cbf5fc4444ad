#include "sedna/api/model.hpp"

#include "sedna/api/describe_common.hpp"
#include "sedna/api/sedna_kinds.hpp"

namespace sedna::api {

template <>
const StructInfo<ModelSpec>& struct_info() {
  static const auto info =
      StructInfo<ModelSpec>("ModelSpec", "Where the model is.")
          .field("url", &ModelSpec::url, "A path on the node that uses it, or s3://, http:// or https://.", kRequired)
          .field("format", &ModelSpec::format, "The format's name, for example onnx, pb, ckpt, h5 or pth.", kRequired)
          .field("device_soc_versions", &ModelSpec::device_soc_versions,
                 "Accelerators that the model was built for (incremental learning picks by them).")
          .field("credentialName", &ModelSpec::credential_name,
                 "A Secret in the same namespace with the credentials of the store.");
  return info;
}

template <>
const StructInfo<ModelOnNode>& struct_info() {
  static const auto info = StructInfo<ModelOnNode>("ModelOnNode", "What a node that uses the model sees at its URL.")
                               .field("node", &ModelOnNode::node, "Name of the node.", kRequired)
                               .field("exists", &ModelOnNode::exists, "The file or folder is there.", kRequired)
                               .field("bytes", &ModelOnNode::bytes, "Its size.")
                               .field("digest", &ModelOnNode::digest, "sha256:… of a file.")
                               .field("updateTime", &ModelOnNode::update_time, "When it was looked at.", time_field())
                               .field("message", &ModelOnNode::message, "What is wrong, when something is.");
  return info;
}

template <>
const StructInfo<ModelStatus>& struct_info() {
  static const auto info =
      StructInfo<ModelStatus>("ModelStatus", "What was seen of the model.")
          .field("updateTime", &ModelStatus::update_time, "When the metrics were last written.", time_field())
          .field("metrics", &ModelStatus::metrics, "Figures that the job which trains the model reports.")
          .field("nodes", &ModelStatus::nodes, "What each node that uses the model sees.", kAdditive)
          .field("conditions", &ModelStatus::conditions, "What is wrong, when something is.", kAdditive)
          .field("observedGeneration", &ModelStatus::observed_generation,
                 "The generation of the spec that this status is about.", kAdditive);
  return info;
}

template <>
const StructInfo<Model>& struct_info() {
  static const auto info = StructInfo<Model>("Model", "A file or folder that workers load.")
                               .field("spec", &Model::spec, "What is wanted.", kRequired)
                               .field("status", &Model::status, "What was seen.");
  return info;
}

template Result<Model> decode<Model>(const json::object&, std::string_view);
template json::object encode<Model>(const Model&);
template json::object encode<ModelSpec>(const ModelSpec&);
template json::object encode<ModelStatus>(const ModelStatus&);

const Schema* model_schema() {
  return struct_info<Model>().schema();
}

}  // namespace sedna::api
