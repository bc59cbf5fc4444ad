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
  std::optional<json::object> http{};
  json::object extra{};
};

/// A rule by its name: spec.algorithm, spec.robust.rule, spec.compression, spec.late, spec.personal.
struct FederatedRule {
  std::string name;
  std::vector<KeyValue> parameters{};
  json::object extra{};
};

struct FederatedStop {
  std::string metric{};
  std::optional<double> target{};
  std::optional<std::int64_t> patience{};
  std::optional<std::int64_t> seconds{};
  json::object extra{};
};

struct FederatedRound {
  std::optional<std::int64_t> participants{};
  std::optional<std::int64_t> quorum{};
  std::optional<std::int64_t> soft_deadline_seconds{};
  std::optional<std::int64_t> deadline_seconds{};
  std::optional<std::int64_t> min_updates{};
  std::optional<std::int64_t> max_strikes{};
  std::optional<std::int64_t> idle_seconds{};
  json::object extra{};
};

struct FederatedSelection {
  std::string name;
  std::vector<KeyValue> parameters{};
  std::optional<double> over_select{};
  std::optional<std::int64_t> pool{};
  std::optional<std::int64_t> wait_seconds{};
  json::object extra{};
};

struct FederatedRobust {
  std::optional<FederatedRule> rule{};
  std::string clip{};  ///< a number, or "median"
  std::optional<std::int64_t> bucket{};
  json::object extra{};
};

struct FederatedPrivacy {
  double noise_multiplier = 0;
  std::optional<double> delta{};
  json::object extra{};
};

struct FederatedDurability {
  std::string mode{};
  std::string path{};
  json::object extra{};
};

struct FederatedLearningJobSpec {
  AggregationWorker aggregation_worker{};
  std::vector<TrainingWorker> training_workers{};
  std::optional<NameReference> pretrained_model{};
  std::optional<Transmitter> transmitter{};
  std::optional<std::int64_t> rounds{};
  std::optional<FederatedStop> stop{};
  std::optional<FederatedRound> round{};
  std::optional<FederatedSelection> selection{};
  std::optional<FederatedRule> algorithm{};
  std::optional<FederatedRobust> robust{};
  std::optional<FederatedRule> late{};
  std::optional<FederatedRule> compression{};
  std::optional<FederatedRule> personal{};
  std::optional<FederatedPrivacy> privacy{};
  std::optional<FederatedDurability> durability{};
  bool strict = false;
  std::optional<std::int64_t> seed{};
  json::object extra{};
};

/// What the aggregator, or else the workers, reported last.
struct FederatedProgress {
  std::int64_t round = 0;
  std::optional<std::int64_t> rounds{};
  std::optional<std::int64_t> arrived{};
  std::optional<std::int64_t> selected{};
  std::vector<std::string> stragglers{};
  std::optional<std::int64_t> bytes_received{};
  std::optional<std::int64_t> bytes_sent{};
  std::map<std::string, double> metrics{};
  std::string metrics_from{};
  std::optional<double> epsilon{};
  std::string stopped{};
  std::string stalled{};
  std::optional<std::string> update_time{};
  json::object extra{};
};

struct FederatedWorkerStatus {
  std::string worker;
  std::string role{};
  std::string dataset{};
  std::string pod{};
  std::string node{};
  std::string state{};
  std::string message{};
  std::int64_t restarts = 0;
  std::int64_t rebuilt = 0;
  std::optional<std::int64_t> round{};
  std::optional<std::string> update_time{};
  json::object extra{};
};

struct FederatedModel {
  std::string name;
  std::string url{};
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
  std::optional<std::int64_t> run{};
  std::optional<FederatedModel> model{};
  std::optional<FederatedProgress> progress{};
  std::vector<FederatedWorkerStatus> workers{};
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
