#include "sedna/api/describe_common.hpp"

namespace sedna::api {

template <>
const StructInfo<KeyValue>& struct_info() {
  static const auto info = StructInfo<KeyValue>("KeyValue", "A key with its value, both text.")
                               .field("key", &KeyValue::key, "Name of the entry.", kRequired)
                               .field("value", &KeyValue::value, "Its value; numbers are quoted.", kRequired);
  return info;
}

template <>
const StructInfo<NameReference>& struct_info() {
  static const auto info =
      StructInfo<NameReference>("NameReference", "An object in the same namespace.")
          .field("name", &NameReference::name, "Name of the object, in the namespace of this one.", kRequired);
  return info;
}

template <>
const StructInfo<Condition>& struct_info() {
  static const auto info =
      StructInfo<Condition>("Condition", "What is the case, since when and why.")
          .field("type", &Condition::type, "Pending, Running, Failed, or a further one.", kRequired)
          .field("status", &Condition::status, "True, False or Unknown.", kRequired)
          .field("lastHeartbeatTime", &Condition::last_heartbeat_time, "When it was last looked at.", time_field())
          .field("lastTransitionTime", &Condition::last_transition_time, "When the status last changed.", time_field())
          .field("reason", &Condition::reason, "One word for programs.")
          .field("message", &Condition::message, "A sentence for people.");
  return info;
}

template <>
const StructInfo<StageCondition>& struct_info() {
  static const auto info =
      StructInfo<StageCondition>("StageCondition", "A step of a learning job's log; the last one is the current one.")
          .field("type", &StageCondition::type, "Waiting, Ready, Starting, Running, Completed or Failed.", kRequired)
          .field("status", &StageCondition::status, "True, False or Unknown.", kRequired)
          .field("stage", &StageCondition::stage, "Train, Eval or Deploy.", kRequired)
          .field("lastHeartbeatTime", &StageCondition::last_heartbeat_time, "When it was last looked at.", time_field())
          .field("lastTransitionTime", &StageCondition::last_transition_time, "When the status last changed.",
                 time_field())
          .field("reason", &StageCondition::reason, "One word for programs.")
          .field("message", &StageCondition::message, "A sentence for people.")
          .field("data", &StageCondition::data, "A JSON text with the models and samples that this stage hands on.");
  return info;
}

template <>
const StructInfo<HardExampleMining>& struct_info() {
  static const auto info =
      StructInfo<HardExampleMining>("HardExampleMining", "The rule that says which samples are hard.")
          .field("name", &HardExampleMining::name, "Name of the filter, for example IBT, Threshold or CrossEntropy.",
                 kRequired)
          .field("parameters", &HardExampleMining::parameters, "Parameters of the filter.");
  return info;
}

template <>
const StructInfo<Timer>& struct_info() {
  static const auto info =
      StructInfo<Timer>("Timer", "A window of the day, in the node's local time.")
          .field("start", &Timer::start, "Begin, as HH:MM.", kRequired)
          .field("end", &Timer::end, "End, as HH:MM. Earlier than the begin: past midnight.", kRequired);
  return info;
}

template <>
const StructInfo<TriggerCondition>& struct_info() {
  static const auto info =
      StructInfo<TriggerCondition>("TriggerCondition", "A comparison of a metric with a bound.")
          .field("operator", &TriggerCondition::operator_, "One of >, >=, =, ==, <, <=.", kRequired)
          .field("threshold", &TriggerCondition::threshold, "The bound.", kRequired)
          .field("metric", &TriggerCondition::metric,
                 "num_of_samples for training; precision_delta, recall_delta and the like for deployment.", kRequired);
  return info;
}

template <>
const StructInfo<Trigger>& struct_info() {
  static const auto info =
      StructInfo<Trigger>("Trigger", "When a stage begins.")
          .field("checkPeriodSeconds", &Trigger::check_period_seconds, "Seconds between two checks (60 when absent).")
          .field("timer", &Trigger::timer, "Only within this window of the day.")
          .field("condition", &Trigger::condition, "What must hold.", kRequired);
  return info;
}

template <>
const StructInfo<Hpa>& struct_info() {
  static const auto info =
      StructInfo<Hpa>("HorizontalPodAutoscaling", "Autoscaling of a worker, as in autoscaling/v2.")
          .field("minReplicas", &Hpa::min_replicas, "Fewest Pods (1 when absent).")
          .field("maxReplicas", &Hpa::max_replicas, "Most Pods.", kRequired)
          .field("metrics", &Hpa::metrics, "autoscaling/v2 MetricSpecs; kept as they are written.")
          .field("behavior", &Hpa::behavior, "autoscaling/v2 HorizontalPodAutoscalerBehavior; kept as it is written.");
  return info;
}

template <>
const StructInfo<TemplateWorker>& struct_info() {
  static const auto info =
      StructInfo<TemplateWorker>("Worker", "A worker.")
          .field("template", &TemplateWorker::template_, "Its pod template.", pod_template_field());
  return info;
}

namespace {

const Schema* label_selector_schema() {
  static const Schema* const schema = [] {
    Schema* labels = new_schema(Schema::Type::kObject);
    labels->values = detail::plain_schema(Schema::Type::kString, "");
    Schema* words = new_schema(Schema::Type::kArray);
    words->items = detail::plain_schema(Schema::Type::kString, "");
    Schema* expression = new_schema(Schema::Type::kObject);
    expression->name = "LabelSelectorRequirement";
    expression->properties = {
        {"key", detail::plain_schema(Schema::Type::kString, ""), "Key of the label.", true},
        {"operator", detail::plain_schema(Schema::Type::kString, ""), "In, NotIn, Exists or DoesNotExist.", true},
        {"values", words, "Values, for In and NotIn."}};
    Schema* expressions = new_schema(Schema::Type::kArray);
    expressions->items = expression;
    Schema* out = new_schema(Schema::Type::kObject);
    out->name = "LabelSelector";
    out->properties = {{"matchExpressions", expressions, "Requirements on labels."},
                       {"matchLabels", labels, "Labels with the value each must have."}};
    return out;
  }();
  return schema;
}

}  // namespace

template <>
const StructInfo<DeploymentSpec>& struct_info() {
  static const auto info =
      StructInfo<DeploymentSpec>("DeploymentSpec", "A Deployment, as in apps/v1.")
          .field("replicas", &DeploymentSpec::replicas, "Number of Pods (1 when absent).")
          .field("selector", &DeploymentSpec::selector, "The Pods' labels.", with_schema(label_selector_schema(), true))
          .field("template", &DeploymentSpec::template_, "Its pod template.", pod_template_field())
          .field("strategy", &DeploymentSpec::strategy, "How Pods are replaced; kept as it is written.")
          .field("minReadySeconds", &DeploymentSpec::min_ready_seconds, "Seconds that a Pod must have been ready.")
          .field("revisionHistoryLimit", &DeploymentSpec::revision_history_limit, "Old ReplicaSets to keep.")
          .field("paused", &DeploymentSpec::paused, "No roll-out at present.")
          .field("progressDeadlineSeconds", &DeploymentSpec::progress_deadline_seconds,
                 "Seconds until a roll-out without progress has failed.");
  return info;
}

template <>
const StructInfo<JobSpec>& struct_info() {
  static const auto info =
      StructInfo<JobSpec>("JobSpec", "A Job, as in batch/v1.")
          .field("parallelism", &JobSpec::parallelism, "Pods at a time.")
          .field("completions", &JobSpec::completions, "Pods that must succeed.")
          .field("activeDeadlineSeconds", &JobSpec::active_deadline_seconds, "Seconds until the Job is ended.")
          .field("podFailurePolicy", &JobSpec::pod_failure_policy, "What failures mean; kept as it is written.")
          .field("backoffLimit", &JobSpec::backoff_limit, "Retries until the Job has failed.")
          .field("selector", &JobSpec::selector, "The Pods' labels.", with_schema(label_selector_schema(), false))
          .field("manualSelector", &JobSpec::manual_selector, "The selector is the user's.")
          .field("template", &JobSpec::template_, "Its pod template.", pod_template_field())
          .field("ttlSecondsAfterFinished", &JobSpec::ttl_seconds_after_finished,
                 "Seconds that a finished Job is kept.")
          .field("completionMode", &JobSpec::completion_mode, "NonIndexed or Indexed.")
          .field("suspend", &JobSpec::suspend, "No Pods at present.")
          .field("backoffLimitPerIndex", &JobSpec::backoff_limit_per_index, "Retries of an index.")
          .field("maxFailedIndexes", &JobSpec::max_failed_indexes, "Indexes that may fail.")
          .field("podReplacementPolicy", &JobSpec::pod_replacement_policy, "TerminatingOrFailed or Failed.")
          .field("managedBy", &JobSpec::managed_by, "Who runs the Job.")
          .field("successPolicy", &JobSpec::success_policy, "When the Job has succeeded; kept as it is written.");
  return info;
}

template <>
const StructInfo<ServiceStatus>& struct_info() {
  static const auto info =
      StructInfo<ServiceStatus>("ServiceStatus", "What was seen of the service.")
          .field("conditions", &ServiceStatus::conditions, "The last entry is the current one.")
          .field("startTime", &ServiceStatus::start_time, "When the service was first taken up.", time_field())
          .field("active", &ServiceStatus::active, "Workers that run.")
          .field("failed", &ServiceStatus::failed, "Workers that failed.")
          .field("observedGeneration", &ServiceStatus::observed_generation,
                 "The generation of the spec that this status is about.", kAdditive);
  return info;
}

template json::object encode<ServiceStatus>(const ServiceStatus&);

}  // namespace sedna::api
