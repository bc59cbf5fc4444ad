#include "sedna/api/joint_inference_service.hpp"

#include "sedna/api/describe_common.hpp"
#include "sedna/api/sedna_kinds.hpp"

namespace sedna::api {

template <>
const StructInfo<JointInferenceEdgeWorker>& struct_info() {
  using T = JointInferenceEdgeWorker;
  static const auto info =
      StructInfo<T>("EdgeWorker", "The worker with the small model.")
          .field("model", &T::model, "The small Model.", kRequired)
          .field("hardExampleMining", &T::hard_example_mining, "Which frames go to the cloud.", kRequired)
          .field("template", &T::template_, "Its pod template; spec.nodeName or a nodeSelector says which node.",
                 pod_template_field())
          .field("hpa", &T::hpa, "Autoscaling.");
  return info;
}

template <>
const StructInfo<JointInferenceCloudWorker>& struct_info() {
  using T = JointInferenceCloudWorker;
  static const auto info = StructInfo<T>("CloudWorker", "The worker with the big model.")
                               .field("model", &T::model, "The big Model.", kRequired)
                               .field("template", &T::template_, "Its pod template.", pod_template_field())
                               .field("hpa", &T::hpa, "Autoscaling.");
  return info;
}

template <>
const StructInfo<JointInferenceServiceSpec>& struct_info() {
  using T = JointInferenceServiceSpec;
  static const auto info = StructInfo<T>("JointInferenceServiceSpec", "The two workers.")
                               .field("edgeWorker", &T::edge_worker, "The worker at the edge.", kRequired)
                               .field("cloudWorker", &T::cloud_worker, "The worker in the cloud.", kRequired);
  return info;
}

template <>
const StructInfo<InferenceFigures>& struct_info() {
  using T = InferenceFigures;
  static const auto info =
      StructInfo<T>("InferenceFigures", "Figures of inference.")
          .field("inferences", &T::inferences, "Frames answered.")
          .field("hardExamples", &T::hard_examples, "Frames called hard.")
          .field("uploadRatio", &T::upload_ratio, "Frames sent to the cloud, as a share of all.")
          .field("uploadBytes", &T::upload_bytes, "Bytes sent to the cloud.")
          .field("latencyMilliseconds", &T::latency_milliseconds, "Percentiles: p50, p90, p99.")
          .field("errors", &T::errors, "Errors, by cause.")
          .field("fallbacks", &T::fallbacks, "Hard frames that the edge answered because the cloud did not.")
          .preserve_unknown();
  return info;
}

template <>
const StructInfo<EdgeWorkerStatus>& struct_info() {
  using T = EdgeWorkerStatus;
  static const auto info = StructInfo<T>("EdgeWorkerStatus", "What one edge worker reported.")
                               .field("name", &T::name, "Name of the Pod.", kRequired)
                               .field("uid", &T::uid, "Uid of the Pod.", kRequired)
                               .field("node", &T::node, "Its node.")
                               .field("ready", &T::ready, "The Pod is ready.")
                               .field("sequence", &T::sequence, "Number of the last report that was taken in.")
                               .field("figures", &T::figures, "Its figures.")
                               .field("updateTime", &T::update_time, "When it last reported.", time_field())
                               .preserve_unknown();
  return info;
}

template <>
const StructInfo<WorkerCounts>& struct_info() {
  using T = WorkerCounts;
  static const auto info = StructInfo<T>("WorkerCounts", "Pods of a worker.")
                               .field("ready", &T::ready, "Pods that are ready.", kRequired)
                               .field("wanted", &T::wanted, "Pods that should be.", kRequired);
  return info;
}

template <>
const StructInfo<JointInferenceServiceStatus>& struct_info() {
  using T = JointInferenceServiceStatus;
  static const auto info =
      StructInfo<T>("JointInferenceServiceStatus", "What was seen of the service.")
          .field("conditions", &T::conditions, "One entry a type; the current one is the last.")
          .field("startTime", &T::start_time, "When the service was first taken up.", time_field())
          .field("active", &T::active, "Deployments that are available; 2 are needed.")
          .field("failed", &T::failed, "Deployments that failed.")
          .field("metrics", &T::metrics, "Totals of the edge workers, by upstream's names.")
          .field("edgeWorkers", &T::edge_workers, "What each edge worker reported.", kAdditive)
          .field("total", &T::total, "Figures of all edge workers.", kAdditive)
          .field("ended", &T::ended, "Figures of edge workers that are gone and no longer listed; part of the total.",
                 kAdditive)
          .field("edge", &T::edge, "Pods at the edge.", kAdditive)
          .field("cloud", &T::cloud, "Pods in the cloud.", kAdditive)
          .field("observedGeneration", &T::observed_generation, "The generation of the spec that this status is about.",
                 kAdditive);
  return info;
}

template <>
const StructInfo<JointInferenceService>& struct_info() {
  using T = JointInferenceService;
  static const auto info =
      StructInfo<T>("JointInferenceService",
                    "A small model at the edge answers what is easy; hard frames go to a big model in the cloud.")
          .field("spec", &T::spec, "What is wanted.", kRequired)
          .field("status", &T::status, "What was seen.");
  return info;
}

template Result<JointInferenceService> decode<JointInferenceService>(const json::object&, std::string_view);
template json::object encode<JointInferenceService>(const JointInferenceService&);
template json::object encode<JointInferenceServiceSpec>(const JointInferenceServiceSpec&);
template json::object encode<JointInferenceServiceStatus>(const JointInferenceServiceStatus&);

const Schema* joint_inference_service_schema() {
  return struct_info<JointInferenceService>().schema();
}

}  // namespace sedna::api
