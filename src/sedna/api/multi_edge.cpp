#include "sedna/api/multi_edge.hpp"

#include "sedna/api/describe_common.hpp"
#include "sedna/api/sedna_kinds.hpp"

namespace sedna::api {

template <>
const StructInfo<ObjectSearchServiceSpec>& struct_info() {
  using T = ObjectSearchServiceSpec;
  static const auto info =
      StructInfo<T>("ObjectSearchServiceSpec", "The workers of a search.")
          .field("userWorker", &T::user_worker, "The worker that takes the user's queries.", kRequired)
          .field("trackingWorkers", &T::tracking_workers, "Workers that read cameras and track, one Pod each.",
                 kRequired)
          .field("reidWorkers", &T::reid_workers, "The Deployment that re-identifies.", kRequired);
  return info;
}

template <>
const StructInfo<ObjectSearchService>& struct_info() {
  using T = ObjectSearchService;
  static const auto info = StructInfo<T>("ObjectSearchService", "Finds an object across many cameras.")
                               .field("spec", &T::spec, "What is wanted.", kRequired)
                               .field("status", &T::status, "What was seen.");
  return info;
}

template <>
const StructInfo<ObjectTrackingServiceSpec>& struct_info() {
  using T = ObjectTrackingServiceSpec;
  static const auto info = StructInfo<T>("ObjectTrackingServiceSpec", "The workers of tracking.")
                               .field("trackingWorkers", &T::tracking_workers,
                                      "Workers that read cameras and track, one Pod each.", kRequired)
                               .field("reidWorkers", &T::reid_workers, "The Deployment that re-identifies.", kRequired);
  return info;
}

template <>
const StructInfo<ObjectTrackingService>& struct_info() {
  using T = ObjectTrackingService;
  static const auto info = StructInfo<T>("ObjectTrackingService", "Follows objects across many cameras.")
                               .field("spec", &T::spec, "What is wanted.", kRequired)
                               .field("status", &T::status, "What was seen.");
  return info;
}

template <>
const StructInfo<FeatureExtractionServiceSpec>& struct_info() {
  using T = FeatureExtractionServiceSpec;
  static const auto info = StructInfo<T>("FeatureExtractionServiceSpec", "A Deployment that extracts features.")
                               .inlined(&T::deployment)
                               .field("kafkaSupport", &T::kafka_support, "Frames come over Kafka.")
                               .field("model", &T::model, "The Model that extracts.", kRequired);
  return info;
}

template <>
const StructInfo<FeatureExtractionServiceStatus>& struct_info() {
  using T = FeatureExtractionServiceStatus;
  static const auto info = StructInfo<T>("FeatureExtractionServiceStatus", "What was seen of the service.")
                               .inlined(&T::service)
                               .field("metrics", &T::metrics, "Figures that the workers report.");
  return info;
}

template <>
const StructInfo<FeatureExtractionService>& struct_info() {
  using T = FeatureExtractionService;
  static const auto info = StructInfo<T>("FeatureExtractionService", "Turns detections into features for ReidJobs.")
                               .field("spec", &T::spec, "What is wanted.", kRequired)
                               .field("status", &T::status, "What was seen.");
  return info;
}

template <>
const StructInfo<BatchCondition>& struct_info() {
  using T = BatchCondition;
  static const auto info =
      StructInfo<T>("BatchCondition", "What is the case, since when and why.")
          .field("type", &T::type, "Completed or Failed.", kRequired)
          .field("status", &T::status, "True, False or Unknown.", kRequired)
          .field("lastHeartbeatTime", &T::last_heartbeat_time, "When it was last looked at.", time_field())
          .field("lastTransitionTime", &T::last_transition_time, "When the status last changed.", time_field())
          .field("reason", &T::reason, "One word for programs.")
          .field("message", &T::message, "A sentence for people.")
          .field("data", &T::data, "A JSON text.");
  return info;
}

template <>
const StructInfo<BatchStatus>& struct_info() {
  using T = BatchStatus;
  static const auto info = StructInfo<T>("BatchStatus", "What was seen of the job.")
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
const StructInfo<VideoAnalyticsJobSpec>& struct_info() {
  using T = VideoAnalyticsJobSpec;
  static const auto info = StructInfo<T>("VideoAnalyticsJobSpec", "A Job that reads a video.")
                               .inlined(&T::job)
                               .field("kafkaSupport", &T::kafka_support, "Results go over Kafka.")
                               .field("model", &T::model, "The Model that detects.", kRequired);
  return info;
}

template <>
const StructInfo<VideoAnalyticsJob>& struct_info() {
  using T = VideoAnalyticsJob;
  static const auto info = StructInfo<T>("VideoAnalyticsJob", "Reads a video and detects.")
                               .field("spec", &T::spec, "What is wanted.", kRequired)
                               .field("status", &T::status, "What was seen.");
  return info;
}

template <>
const StructInfo<ReidJobSpec>& struct_info() {
  using T = ReidJobSpec;
  static const auto info = StructInfo<T>("ReidJobSpec", "A Job that re-identifies.")
                               .inlined(&T::job)
                               .field("kafkaSupport", &T::kafka_support, "Features come over Kafka.");
  return info;
}

template <>
const StructInfo<ReidJob>& struct_info() {
  using T = ReidJob;
  static const auto info = StructInfo<T>("ReidJob", "Compares features with a query and says who it is.")
                               .field("spec", &T::spec, "What is wanted.", kRequired)
                               .field("status", &T::status, "What was seen.");
  return info;
}

template Result<ObjectSearchService> decode<ObjectSearchService>(const json::object&, std::string_view);
template json::object encode<ObjectSearchService>(const ObjectSearchService&);
template Result<ObjectTrackingService> decode<ObjectTrackingService>(const json::object&, std::string_view);
template json::object encode<ObjectTrackingService>(const ObjectTrackingService&);
template Result<FeatureExtractionService> decode<FeatureExtractionService>(const json::object&, std::string_view);
template json::object encode<FeatureExtractionService>(const FeatureExtractionService&);
template Result<VideoAnalyticsJob> decode<VideoAnalyticsJob>(const json::object&, std::string_view);
template json::object encode<VideoAnalyticsJob>(const VideoAnalyticsJob&);
template Result<ReidJob> decode<ReidJob>(const json::object&, std::string_view);
template json::object encode<ReidJob>(const ReidJob&);
template json::object encode<BatchStatus>(const BatchStatus&);

const Schema* object_search_service_schema() {
  return struct_info<ObjectSearchService>().schema();
}
const Schema* object_tracking_service_schema() {
  return struct_info<ObjectTrackingService>().schema();
}
const Schema* feature_extraction_service_schema() {
  return struct_info<FeatureExtractionService>().schema();
}
const Schema* video_analytics_job_schema() {
  return struct_info<VideoAnalyticsJob>().schema();
}
const Schema* reid_job_schema() {
  return struct_info<ReidJob>().schema();
}

}  // namespace sedna::api
