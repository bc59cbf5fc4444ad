#include "sedna/api/incremental_learning_job.hpp"

#include "sedna/api/describe_common.hpp"
#include "sedna/api/sedna_kinds.hpp"

namespace sedna::api {

template <>
const StructInfo<LearningDataset>& struct_info() {
  using T = LearningDataset;
  static const auto info =
      StructInfo<T>("LearningDataset", "The Dataset to learn from.")
          .field("name", &T::name, "Name of the Dataset.", kRequired)
          .field("trainProb", &T::train_prob, "Share of new samples that is for training, 0 to 1; the rest evaluates.",
                 kRequired);
  return info;
}

template <>
const StructInfo<LearningTrainSpec>& struct_info() {
  using T = LearningTrainSpec;
  static const auto info = StructInfo<T>("TrainSpec", "The training worker.")
                               .field("template", &T::template_, "Its pod template.", pod_template_field())
                               .field("trigger", &T::trigger, "When to train.", kRequired);
  return info;
}

template <>
const StructInfo<IncrementalEvalSpec>& struct_info() {
  using T = IncrementalEvalSpec;
  static const auto info =
      StructInfo<T>("EvalSpec", "The evaluation worker.")
          .field("initialEvalModel", &T::initial_eval_model, "The Model that the new one is compared with.")
          .field("template", &T::template_, "Its pod template.", pod_template_field());
  return info;
}

template <>
const StructInfo<DeployModel>& struct_info() {
  using T = DeployModel;
  FieldOptions period;
  period.default_value = json::value(60);
  period.minimum = 1;
  static const auto info =
      StructInfo<T>("DeployModel", "The Model that the inference worker serves; its file is replaced at deployment.")
          .field("name", &T::name, "Name of the Model.", kRequired)
          .field("hotUpdateEnabled", &T::hot_update_enabled, "The worker loads a new model without a restart.")
          .field("pollPeriodSeconds", &T::poll_period_seconds, "Seconds between two looks for a new model.", period);
  return info;
}

template <>
const StructInfo<IncrementalDeploySpec>& struct_info() {
  using T = IncrementalDeploySpec;
  static const auto info =
      StructInfo<T>("DeploySpec", "The inference worker.")
          .field("model", &T::model, "The Model that it serves.", kRequired)
          .field("trigger", &T::trigger, "How much better a new model must be.", kRequired)
          .field("hardExampleMining", &T::hard_example_mining, "Which samples are kept for the next round.", kRequired)
          .field("template", &T::template_, "Its pod template.", pod_template_field());
  return info;
}

template <>
const StructInfo<IncrementalLearningJobSpec>& struct_info() {
  using T = IncrementalLearningJobSpec;
  static const auto info =
      StructInfo<T>("IncrementalLearningJobSpec", "Train, evaluate, deploy.")
          .field("dataset", &T::dataset, "What to learn from.", kRequired)
          .field("initialModel", &T::initial_model, "The Model that the first round starts from.", kRequired)
          .field("trainSpec", &T::train_spec, "The training worker.", kRequired)
          .field("evalSpec", &T::eval_spec, "The evaluation worker.", kRequired)
          .field("deploySpec", &T::deploy_spec, "The inference worker.", kRequired)
          .field("outputDir", &T::output_dir, "Where the rounds' models and samples go: a path or s3://.", kRequired)
          .field("credentialName", &T::credential_name, "A Secret with the credentials of outputDir's store.");
  return info;
}

template <>
const StructInfo<IncrementalLearningJobStatus>& struct_info() {
  using T = IncrementalLearningJobStatus;
  static const auto info =
      StructInfo<T>("IncrementalLearningJobStatus", "What was seen of the job.")
          .field("conditions", &T::conditions, "The log of the stages; the last entry is the current one.")
          .field("startTime", &T::start_time, "When the job was first taken up.", time_field())
          .field("completionTime", &T::completion_time, "When the job ended.", time_field())
          .field("observedGeneration", &T::observed_generation, "The generation of the spec that this status is about.",
                 kAdditive);
  return info;
}

template <>
const StructInfo<IncrementalLearningJob>& struct_info() {
  using T = IncrementalLearningJob;
  static const auto info =
      StructInfo<T>("IncrementalLearningJob",
                    "Trains on new samples, evaluates, and deploys the new model when it is better, again and again.")
          .field("spec", &T::spec, "What is wanted.", kRequired)
          .field("status", &T::status, "What was seen.");
  return info;
}

template Result<IncrementalLearningJob> decode<IncrementalLearningJob>(const json::object&, std::string_view);
template json::object encode<IncrementalLearningJob>(const IncrementalLearningJob&);
template json::object encode<IncrementalLearningJobStatus>(const IncrementalLearningJobStatus&);

const Schema* incremental_learning_job_schema() {
  return struct_info<IncrementalLearningJob>().schema();
}

}  // namespace sedna::api
