// The multi-edge kinds: object search and tracking, feature extraction, video analytics and re-identification.
#pragma once

#include "sedna/api/common.hpp"
#include "sedna/api/typed.hpp"

namespace sedna::api {

struct ObjectSearchServiceSpec {
  TemplateWorker user_worker{};
  std::vector<TemplateWorker> tracking_workers{};
  DeploymentSpec reid_workers{};
  json::object extra{};
};

struct ObjectSearchService {
  ObjectSearchServiceSpec spec{};
  std::optional<ServiceStatus> status{};
  json::object extra{};
};

struct ObjectTrackingServiceSpec {
  std::vector<TemplateWorker> tracking_workers{};
  DeploymentSpec reid_workers{};
  json::object extra{};
};

struct ObjectTrackingService {
  ObjectTrackingServiceSpec spec{};
  std::optional<ServiceStatus> status{};
  json::object extra{};
};

struct FeatureExtractionServiceSpec {
  DeploymentSpec deployment{};  ///< inline
  bool kafka_support = false;
  NameReference model{};
  json::object extra{};
};

struct FeatureExtractionServiceStatus {
  ServiceStatus service{};  ///< inline
  std::vector<KeyValue> metrics{};
  json::object extra{};
};

struct FeatureExtractionService {
  FeatureExtractionServiceSpec spec{};
  std::optional<FeatureExtractionServiceStatus> status{};
  json::object extra{};
};

struct BatchCondition {
  std::string type;  ///< Completed, Failed
  std::string status;
  std::optional<std::string> last_heartbeat_time{};
  std::optional<std::string> last_transition_time{};
  std::string reason{};
  std::string message{};
  std::string data{};
  json::object extra{};
};

struct BatchStatus {
  std::vector<BatchCondition> conditions{};
  std::optional<std::string> start_time{};
  std::optional<std::string> completion_time{};
  std::int32_t active = 0;
  std::int32_t succeeded = 0;
  std::int32_t failed = 0;
  std::string phase{};
  std::optional<std::int64_t> observed_generation{};
  json::object extra{};
};

struct VideoAnalyticsJobSpec {
  JobSpec job{};  ///< inline
  bool kafka_support = false;
  NameReference model{};
  json::object extra{};
};

struct VideoAnalyticsJob {
  VideoAnalyticsJobSpec spec{};
  std::optional<BatchStatus> status{};
  json::object extra{};
};

struct ReidJobSpec {
  JobSpec job{};  ///< inline
  bool kafka_support = false;
  json::object extra{};
};

struct ReidJob {
  ReidJobSpec spec{};
  std::optional<BatchStatus> status{};
  json::object extra{};
};

extern template Result<ObjectSearchService> decode<ObjectSearchService>(const json::object&, std::string_view);
extern template json::object encode<ObjectSearchService>(const ObjectSearchService&);
extern template Result<ObjectTrackingService> decode<ObjectTrackingService>(const json::object&, std::string_view);
extern template json::object encode<ObjectTrackingService>(const ObjectTrackingService&);
extern template Result<FeatureExtractionService> decode<FeatureExtractionService>(const json::object&,
                                                                                  std::string_view);
extern template json::object encode<FeatureExtractionService>(const FeatureExtractionService&);
extern template Result<VideoAnalyticsJob> decode<VideoAnalyticsJob>(const json::object&, std::string_view);
extern template json::object encode<VideoAnalyticsJob>(const VideoAnalyticsJob&);
extern template Result<ReidJob> decode<ReidJob>(const json::object&, std::string_view);
extern template json::object encode<ReidJob>(const ReidJob&);
extern template json::object encode<ServiceStatus>(const ServiceStatus&);
extern template json::object encode<BatchStatus>(const BatchStatus&);

}  // namespace sedna::api
