// FederatedLearningJob: training where the data is; an aggregator makes one model of many.
#pragma once

#include "sedna/api/common.hpp"
#include "sedna/api/typed.hpp"

namespace sedna::api {

struct AggregationWorker {
  NameReference model{};
  json::object template_{};
  json::object extra{};
};

struct TrainingWorker {
  NameReference dataset{};
  json::object template_{};
  json::object extra{};
};

struct S3Transmitter {
  std::string agg_data_path;
  std::string credential_name{};
  json::object extra{};
};

struct Transmitter {
  std::optional<json::object> ws{};
  std::optional<S3Transmitter> s3{};
  json::object extra{};
};

struct FederatedLearningJobSpec {
  AggregationWorker aggregation_worker{};
  std::vector<TrainingWorker> training_workers{};
  std::optional<NameReference> pretrained_model{};
  std::optional<Transmitter> transmitter{};
  json::object extra{};
};

struct FederatedCondition {
  std::string type;  ///< Training, Complete, Failed
  std::string status;
  std::optional<std::string> last_probe_time{};
  std::optional<std::string> last_heartbeat_time{};
  std::string reason{};
  std::string message{};
  json::object extra{};
};

struct FederatedLearningJobStatus {
  std::vector<FederatedCondition> conditions{};
  std::optional<std::string> start_time{};
  std::optional<std::string> completion_time{};
  std::int32_t active = 0;
  std::int32_t succeeded = 0;
  std::int32_t failed = 0;
  std::string phase{};
  std::optional<std::int64_t> observed_generation{};
  json::object extra{};
};

struct FederatedLearningJob {
  FederatedLearningJobSpec spec{};
  std::optional<FederatedLearningJobStatus> status{};
  json::object extra{};
};

extern template Result<FederatedLearningJob> decode<FederatedLearningJob>(const json::object&, std::string_view);
extern template json::object encode<FederatedLearningJob>(const FederatedLearningJob&);
extern template json::object encode<FederatedLearningJobStatus>(const FederatedLearningJobStatus&);

}  // namespace sedna::api
