// LifelongLearningJob: a knowledge base of models, one a task, that grows with unseen samples.
#pragma once

#include "sedna/api/incremental_learning_job.hpp"

namespace sedna::api {

struct LifelongLearningJobSpec {
  LearningDataset dataset{};
  LearningTrainSpec train_spec{};
  TemplateWorker eval_spec{};
  TemplateWorker deploy_spec{};
  std::string output_dir{};
  std::string credential_name{};
  json::object extra{};
};

struct AiModel {
  std::string model_id;
  double average_precision = 0;
  std::int64_t number_of_train_samples = 0;
  json::object extra{};
};

struct AiModels {
  std::int64_t number = 0;
  std::vector<AiModel> list{};
  json::object extra{};
};

struct AiClasses {
  std::int64_t number = 0;
  std::vector<std::string> list{};
  json::object extra{};
};

struct KnowledgeBaseSamples {
  std::int64_t number_of_labeled_unseen_sample = 0;
  std::int64_t number_of_unseen_sample = 0;
  json::object extra{};
};

struct KnowledgeBase {
  AiModels ai_models{};
  AiClasses ai_classes{};
  KnowledgeBaseSamples samples{};
  json::object extra{};
};

struct LifelongLearningJobStatus {
  std::vector<StageCondition> conditions{};
  std::optional<std::string> start_time{};
  std::optional<std::string> completion_time{};
  std::optional<KnowledgeBase> knowledge_base{};
  std::optional<std::int64_t> observed_generation{};
  json::object extra{};
};

struct LifelongLearningJob {
  LifelongLearningJobSpec spec{};
  std::optional<LifelongLearningJobStatus> status{};
  json::object extra{};
};

extern template Result<LifelongLearningJob> decode<LifelongLearningJob>(const json::object&, std::string_view);
extern template json::object encode<LifelongLearningJob>(const LifelongLearningJob&);
extern template json::object encode<LifelongLearningJobStatus>(const LifelongLearningJobStatus&);

}  // namespace sedna::api
