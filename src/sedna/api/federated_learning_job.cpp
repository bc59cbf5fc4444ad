#include "sedna/api/federated_learning_job.hpp"

#include "sedna/api/describe_common.hpp"
#include "sedna/api/sedna_kinds.hpp"

namespace sedna::api {

template <>
const StructInfo<AggregationWorker>& struct_info() {
  using T = AggregationWorker;
  static const auto info =
      StructInfo<T>("AggregationWorker", "The worker that makes one model of many.")
          .field("model", &T::model, "The Model that is trained; it receives the metrics.", kRequired)
          .field("template", &T::template_, "Its pod template.", pod_template_field());
  return info;
}

template <>
const StructInfo<TrainingWorker>& struct_info() {
  using T = TrainingWorker;
  static const auto info = StructInfo<T>("TrainingWorker", "A worker that trains on one Dataset.")
                               .field("dataset", &T::dataset, "The Dataset that it trains on.", kRequired)
                               .field("template", &T::template_, "Its pod template.", pod_template_field());
  return info;
}

template <>
const StructInfo<S3Transmitter>& struct_info() {
  using T = S3Transmitter;
  static const auto info =
      StructInfo<T>("S3Transmitter", "Through an object store.")
          .field("aggDataPath", &T::agg_data_path, "Where the aggregator puts what it sends, as s3://bucket/path.",
                 kRequired)
          .field("credentialName", &T::credential_name, "A Secret with the credentials of the store.");
  return info;
}

template <>
const StructInfo<Transmitter>& struct_info() {
  using T = Transmitter;
  static const Schema* const empty = new_schema(Schema::Type::kObject);
  static const auto info = StructInfo<T>("Transmitter", "How models travel; WebSocket when nothing is said.")
                               .field("ws", &T::ws, "Over WebSocket.", with_schema(empty, false))
                               .field("s3", &T::s3, "Through an object store.");
  return info;
}

template <>
const StructInfo<FederatedLearningJobSpec>& struct_info() {
  using T = FederatedLearningJobSpec;
  static const auto info =
      StructInfo<T>("FederatedLearningJobSpec", "An aggregator and those who train.")
          .field("aggregationWorker", &T::aggregation_worker, "The worker that makes one model of many.", kRequired)
          .field("trainingWorkers", &T::training_workers, "One entry a participant.", kRequired)
          .field("pretrainedModel", &T::pretrained_model, "The Model that training starts from.")
          .field("transmitter", &T::transmitter, "How models travel.");
  return info;
}

template <>
const StructInfo<FederatedCondition>& struct_info() {
  using T = FederatedCondition;
  static const auto info =
      StructInfo<T>("FederatedCondition", "What is the case, since when and why.")
          .field("type", &T::type, "Training, Complete or Failed.", kRequired)
          .field("status", &T::status, "True, False or Unknown.", kRequired)
          .field("lastProbeTime", &T::last_probe_time, "When it was last looked at.", time_field())
          .field("lastHeartbeatTime", &T::last_heartbeat_time, "When the status last changed.", time_field())
          .field("reason", &T::reason, "One word for programs.")
          .field("message", &T::message, "A sentence for people.");
  return info;
}

template <>
const StructInfo<FederatedLearningJobStatus>& struct_info() {
  using T = FederatedLearningJobStatus;
  static const auto info = StructInfo<T>("FederatedLearningJobStatus", "What was seen of the job.")
                               .field("conditions", &T::conditions, "The last entry is the current one.")
                               .field("startTime", &T::start_time, "When the job was first taken up.", time_field())
                               .field("completionTime", &T::completion_time, "When the job ended.", time_field())
                               .field("active", &T::active, "Pods that run.")
                               .field("succeeded", &T::succeeded, "Pods that have ended well.")
                               .field("failed", &T::failed, "Pods that have failed.")
                               .field("phase", &T::phase, "Pending, Running, Succeeded or Failed.")
                               .field("observedGeneration", &T::observed_generation,
                                      "The generation of the spec that this status is about.", kAdditive);
  return info;
}

template <>
const StructInfo<FederatedLearningJob>& struct_info() {
  using T = FederatedLearningJob;
  static const auto info =
      StructInfo<T>("FederatedLearningJob", "Training where the data is: models travel, samples do not.")
          .field("spec", &T::spec, "What is wanted.", kRequired)
          .field("status", &T::status, "What was seen.");
  return info;
}

template Result<FederatedLearningJob> decode<FederatedLearningJob>(const json::object&, std::string_view);
template json::object encode<FederatedLearningJob>(const FederatedLearningJob&);
template json::object encode<FederatedLearningJobStatus>(const FederatedLearningJobStatus&);

const Schema* federated_learning_job_schema() {
  return struct_info<FederatedLearningJob>().schema();
}

}  // namespace sedna::api
