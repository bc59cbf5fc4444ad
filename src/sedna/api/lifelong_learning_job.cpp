#include "sedna/api/lifelong_learning_job.hpp"

#include "sedna/api/describe_common.hpp"
#include "sedna/api/sedna_kinds.hpp"

namespace sedna::api {

// Described in incremental_learning_job.cpp.
template <>
const StructInfo<LearningDataset>& struct_info();
template <>
const StructInfo<LearningTrainSpec>& struct_info();

template <>
const StructInfo<LifelongLearningJobSpec>& struct_info() {
  using T = LifelongLearningJobSpec;
  static const auto info =
      StructInfo<T>("LifelongLearningJobSpec", "Train, evaluate, deploy.")
          .field("dataset", &T::dataset, "What to learn from.", kRequired)
          .field("trainSpec", &T::train_spec, "The training worker.", kRequired)
          .field("evalSpec", &T::eval_spec, "The evaluation worker.", kRequired)
          .field("deploySpec", &T::deploy_spec, "The inference worker.", kRequired)
          .field("outputDir", &T::output_dir, "Where the rounds' models and samples go: a path or s3://.", kRequired)
          .field("credentialName", &T::credential_name, "A Secret with the credentials of outputDir's store.");
  return info;
}

template <>
const StructInfo<AiModel>& struct_info() {
  using T = AiModel;
  static const auto info =
      StructInfo<T>("AIModel", "The model of a task.")
          .field("modelID", &T::model_id, "Its name.", kRequired)
          .field("averagePrecision", &T::average_precision, "How good it is.", kRequired)
          .field("numberOfTrainSamples", &T::number_of_train_samples, "Samples that it learned from.", kRequired);
  return info;
}

template <>
const StructInfo<AiModels>& struct_info() {
  using T = AiModels;
  static const auto info = StructInfo<T>("AIModels", "Models of the knowledge base.")
                               .field("numberOfAIModels", &T::number, "How many.", kRequired)
                               .field("listOfAIModels", &T::list, "Each of them.");
  return info;
}

template <>
const StructInfo<AiClasses>& struct_info() {
  using T = AiClasses;
  static const auto info = StructInfo<T>("AIClasses", "Classes that the knowledge base knows.")
                               .field("numberOfAIClasses", &T::number, "How many.", kRequired)
                               .field("listOfAIClasses", &T::list, "Each of them.");
  return info;
}

template <>
const StructInfo<KnowledgeBaseSamples>& struct_info() {
  using T = KnowledgeBaseSamples;
  static const auto info =
      StructInfo<T>("Samples", "Samples that no task fits.")
          .field("numberOfLabeledUnseenSample", &T::number_of_labeled_unseen_sample,
                 "Unseen samples that have a label.", kRequired)
          .field("numberOfUnseenSample", &T::number_of_unseen_sample, "Unseen samples.", kRequired);
  return info;
}

template <>
const StructInfo<KnowledgeBase>& struct_info() {
  using T = KnowledgeBase;
  static const auto info = StructInfo<T>("KnowledgeBase", "What the knowledge base holds.")
                               .field("AIModels", &T::ai_models, "Its models.", kRequired)
                               .field("AIClasses", &T::ai_classes, "Its classes.", kRequired)
                               .field("samples", &T::samples, "Samples that no task fits.", kRequired);
  return info;
}

template <>
const StructInfo<LifelongLearningJobStatus>& struct_info() {
  using T = LifelongLearningJobStatus;
  static const auto info =
      StructInfo<T>("LifelongLearningJobStatus", "What was seen of the job.")
          .field("conditions", &T::conditions, "The log of the stages; the last entry is the current one.")
          .field("startTime", &T::start_time, "When the job was first taken up.", time_field())
          .field("completionTime", &T::completion_time, "When the job ended.", time_field())
          .field("knowledgeBase", &T::knowledge_base, "What the knowledge base holds.")
          .field("observedGeneration", &T::observed_generation, "The generation of the spec that this status is about.",
                 kAdditive);
  return info;
}

template <>
const StructInfo<LifelongLearningJob>& struct_info() {
  using T = LifelongLearningJob;
  static const auto info = StructInfo<T>("LifelongLearningJob",
                                         "Learns task after task into a knowledge base, and says what it has not seen.")
                               .field("spec", &T::spec, "What is wanted.", kRequired)
                               .field("status", &T::status, "What was seen.");
  return info;
}

template Result<LifelongLearningJob> decode<LifelongLearningJob>(const json::object&, std::string_view);
template json::object encode<LifelongLearningJob>(const LifelongLearningJob&);
template json::object encode<LifelongLearningJobStatus>(const LifelongLearningJobStatus&);

const Schema* lifelong_learning_job_schema() {
  return struct_info<LifelongLearningJob>().schema();
}

}  // namespace sedna::api
