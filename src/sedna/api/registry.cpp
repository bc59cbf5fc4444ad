#include <array>
#include <map>

#include "sedna/api/admission.hpp"
#include "sedna/api/core_schemas.hpp"
#include "sedna/api/describe.hpp"
#include "sedna/api/sedna_kinds.hpp"
#include "sedna/base/error.hpp"

namespace sedna::api {

namespace {

struct Entry {
  const Kind* kind;
  const Schema* (*schema)();
};

constexpr std::array<Entry, 11> kSednaKinds{{
    {&kinds::kDataset, dataset_schema},
    {&kinds::kModel, model_schema},
    {&kinds::kJointInferenceService, joint_inference_service_schema},
    {&kinds::kIncrementalLearningJob, incremental_learning_job_schema},
    {&kinds::kFederatedLearningJob, federated_learning_job_schema},
    {&kinds::kLifelongLearningJob, lifelong_learning_job_schema},
    {&kinds::kObjectSearchService, object_search_service_schema},
    {&kinds::kObjectTrackingService, object_tracking_service_schema},
    {&kinds::kFeatureExtractionService, feature_extraction_service_schema},
    {&kinds::kVideoAnalyticsJob, video_analytics_job_schema},
    {&kinds::kReidJob, reid_job_schema},
}};

/// A Sedna kind's own schema with apiVersion, kind and metadata in front.
const Schema* with_metadata(const Schema* own) {
  Schema* root = new_schema(Schema::Type::kObject);
  *root = *own;
  std::vector<Property> properties;
  const Schema* text = detail::plain_schema(Schema::Type::kString, "");
  properties.push_back({"apiVersion", text, "The version of the form in which this object is written."});
  properties.push_back({"kind", text, "The kind of the object."});
  properties.push_back({"metadata", core_structure("ObjectMeta"), "Name, labels and what every object has."});
  properties.insert(properties.end(), own->properties.begin(), own->properties.end());
  root->properties = std::move(properties);
  return root;
}

}  // namespace

const Schema& schema_of(const Kind& kind) {
  static const auto schemas = [] {
    std::map<const Kind*, const Schema*> out;
    for (const auto& entry : kSednaKinds) out[entry.kind] = with_metadata(entry.schema());
    for (const Kind* k : all_kinds()) {
      if (!out.contains(k)) out[k] = core_kind_schema(k->api_version(), k->kind);
    }
    return out;
  }();
  const auto found = schemas.find(&kind);
  SEDNA_CHECK(found != schemas.end() && found->second != nullptr);
  return *found->second;
}

std::vector<PrinterColumn> printer_columns(const Kind& kind) {
  static constexpr std::string_view kNow = R"(.status.conditions[-1:].type)";
  const PrinterColumn age{"Age", "date", ".metadata.creationTimestamp", "When it was made."};
  if (&kind == &kinds::kDataset) {
    return {{"Samples", "integer", ".status.numberOfSamples", "Samples in the index file."},
            {"Node", "string", ".spec.nodeName", "The node that watches it."},
            {"Format", "string", ".spec.format", "txt or csv."},
            {"URL", "string", ".spec.url", "The index file.", 1},
            age};
  }
  if (&kind == &kinds::kModel) {
    return {{"Format", "string", ".spec.format", "The format's name."},
            {"URL", "string", ".spec.url", "Where the model is."},
            age};
  }
  const PrinterColumn status{"Status", "string", kNow, "The current condition."};
  const PrinterColumn reason{"Reason", "string", ".status.conditions[-1:].reason", "Why.", 1};
  if (&kind == &kinds::kIncrementalLearningJob || &kind == &kinds::kLifelongLearningJob) {
    return {{"Stage", "string", ".status.conditions[-1:].stage", "Train, Eval or Deploy."},
            status,
            {"Dataset", "string", ".spec.dataset.name", "What it learns from."},
            reason,
            age};
  }
  if (&kind == &kinds::kFederatedLearningJob) {
    return {{"Phase", "string", ".status.phase", "Pending, Running, Succeeded or Failed."},
            status,
            {"Active", "integer", ".status.active", "Pods that run."},
            reason,
            age};
  }
  if (&kind == &kinds::kVideoAnalyticsJob || &kind == &kinds::kReidJob) {
    return {{"Phase", "string", ".status.phase", "Pending, Running, Succeeded or Failed."}, reason, age};
  }
  if (kind.category == "sedna") {
    return {status, {"Active", "integer", ".status.active", "Workers that run."}, reason, age};
  }
  return {};
}

}  // namespace sedna::api
