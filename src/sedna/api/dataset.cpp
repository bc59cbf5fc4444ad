#include "sedna/api/dataset.hpp"

#include "sedna/api/describe_common.hpp"
#include "sedna/api/sedna_kinds.hpp"

namespace sedna::api {

template <>
const StructInfo<DatasetSpec>& struct_info() {
  static const auto info =
      StructInfo<DatasetSpec>("DatasetSpec", "Where the samples are.")
          .field("url", &DatasetSpec::url, "The index file: a path on the node, or s3://bucket/key. One sample a line.",
                 kRequired)
          .field("format", &DatasetSpec::format, "txt (a path a line) or csv.", kRequired)
          .field("nodeName", &DatasetSpec::node_name, "The node whose LocalController watches the file.", kRequired)
          .field("credentialName", &DatasetSpec::credential_name,
                 "A Secret in the same namespace with the credentials of the store.");
  return info;
}

template <>
const StructInfo<DatasetStatus>& struct_info() {
  static const auto info =
      StructInfo<DatasetStatus>("DatasetStatus", "What the node has counted.")
          .field("updateTime", &DatasetStatus::update_time, "When it was last counted.", time_field())
          .field("numberOfSamples", &DatasetStatus::number_of_samples, "Samples in the index file.", kRequired)
          .field("reporter", &DatasetStatus::reporter, "Who counted: the LocalController's id.", kAdditive)
          .field("sequence", &DatasetStatus::sequence, "Number of the last report that was taken in.", kAdditive)
          .field("conditions", &DatasetStatus::conditions, "Why the count is missing or old.", kAdditive)
          .field("observedGeneration", &DatasetStatus::observed_generation,
                 "The generation of the spec that this status is about.", kAdditive);
  return info;
}

template <>
const StructInfo<Dataset>& struct_info() {
  static const auto info =
      StructInfo<Dataset>("Dataset", "An index file on a node; its LocalController counts the samples as they come.")
          .field("spec", &Dataset::spec, "What is wanted.", kRequired)
          .field("status", &Dataset::status, "What was seen.");
  return info;
}

template Result<Dataset> decode<Dataset>(const json::object&, std::string_view);
template json::object encode<Dataset>(const Dataset&);
template json::object encode<DatasetSpec>(const DatasetSpec&);
template json::object encode<DatasetStatus>(const DatasetStatus&);

const Schema* dataset_schema() {
  return struct_info<Dataset>().schema();
}

}  // namespace sedna::api
