// IncrementalLearningJob: train on what came in, evaluate, deploy when better, again and again.
#pragma once

#include "sedna/api/common.hpp"
#include "sedna/api/typed.hpp"

namespace sedna::api {

/// The dataset of a learning job and the share of new samples that is for training.
struct LearningDataset {
  std::string name;
  double train_prob = 0;
  json::object extra{};
};

struct LearningTrainSpec {
  json::object template_{};
  Trigger trigger{};
  json::object extra{};
};

struct IncrementalEvalSpec {
  std::optional<NameReference> initial_eval_model{};
  json::object template_{};
  json::object extra{};
};

struct DeployModel {
  std::string name;
  bool hot_update_enabled = false;
  std::int64_t poll_period_seconds = 60;
  json::object extra{};
};

struct IncrementalDeploySpec {
  DeployModel model{};
  Trigger trigger{};
  HardExampleMining hard_example_mining{};
  json::object template_{};
  json::object extra{};
};

struct IncrementalLearningJobSpec {
  LearningDataset dataset{};
  NameReference initial_model{};
  LearningTrainSpec train_spec{};
  IncrementalEvalSpec eval_spec{};
  IncrementalDeploySpec deploy_spec{};
  std::string output_dir{};
  std::string credential_name{};
  json::object extra{};
};

struct IncrementalLearningJobStatus {
  std::vector<StageCondition> conditions{};
  std::optional<std::string> start_time{};
  std::optional<std::string> completion_time{};
  std::optional<std::int64_t> observed_generation{};
  json::object extra{};
};

struct IncrementalLearningJob {
  IncrementalLearningJobSpec spec{};
  std::optional<IncrementalLearningJobStatus> status{};
  json::object extra{};
};

extern template Result<IncrementalLearningJob> decode<IncrementalLearningJob>(const json::object&, std::string_view);
extern template json::object encode<IncrementalLearningJob>(const IncrementalLearningJob&);
extern template json::object encode<IncrementalLearningJobStatus>(const IncrementalLearningJobStatus&);

}  // namespace sedna::api
