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
                               .field("s3", &T::s3, "Through an object store.")
                               .field("http", &T::http,
                                      "As safetensors over HTTP: smaller, resumable; taken by itself where the "
                                      "algorithm or the compression needs it.",
                                      {.additive = true, .schema = empty});
  return info;
}

namespace {

FieldOptions additive_from(double minimum) {
  return {.additive = true, .minimum = minimum};
}

FieldOptions one_of(std::vector<std::string> words) {
  Schema* text = new_schema(Schema::Type::kString);
  text->enumeration = std::move(words);
  return {.additive = true, .schema = text};
}

bool has(const json::object& o, std::string_view name) {
  const json::value* v = o.if_contains(name);
  return v != nullptr && !v->is_null();
}

/// A softer deadline closes a round earlier, or it closes nothing.
bool deadlines_in_order(const json::object& self) {
  const json::value *soft = self.if_contains("softDeadlineSeconds"), *hard = self.if_contains("deadlineSeconds");
  if (soft == nullptr || hard == nullptr || !soft->is_number() || !hard->is_number()) return true;
  return soft->to_number<double>() <= hard->to_number<double>();
}

bool noise_has_a_bound(const json::object& self) {
  if (!has(self, "privacy")) return true;
  const json::value* robust = self.if_contains("robust");
  return robust != nullptr && robust->is_object() && has(robust->get_object(), "clip");
}

/// The name of spec.<member>; empty without.
std::string_view rule_name(const json::object& self, std::string_view member) {
  const json::value* rule = self.if_contains(member);
  if (rule == nullptr || !rule->is_object()) return {};
  const json::value* name = rule->get_object().if_contains("name");
  return name != nullptr && name->is_string() ? std::string_view(name->get_string()) : std::string_view();
}

bool late_is_known(const json::object& self) {
  const auto name = rule_name(self, "late");
  return !has(self, "late") || name == "discard" || name == "carry";
}

bool personal_is_known(const json::object& self) {
  const auto name = rule_name(self, "personal");
  return !has(self, "personal") || name == "FedBN" || name == "FedPer" || name == "Ditto";
}

bool strict_carries_nothing(const json::object& self) {
  const json::value* strict = self.if_contains("strict");
  return rule_name(self, "late") != "carry" || strict == nullptr || !strict->is_bool() || !strict->get_bool();
}

bool stop_names_a_metric(const json::object& self) {
  return (!has(self, "target") && !has(self, "patience")) || has(self, "metric");
}

}  // namespace

template <>
const StructInfo<FederatedRule>& struct_info() {
  using T = FederatedRule;
  static const auto info = StructInfo<T>("FederatedRule", "Something that the aggregator knows by name.")
                               .field("name", &T::name, "Its name.", kRequired)
                               .field("parameters", &T::parameters, "Its parameters; each has a default.");
  return info;
}

template <>
const StructInfo<FederatedStop>& struct_info() {
  using T = FederatedStop;
  static const auto info =
      StructInfo<T>("FederatedStop", "When the job ends before its last round.")
          .field("metric", &T::metric, "What the workers report: accuracy; with a minus before it, smaller is better.")
          .field("target", &T::target, "The value that ends the job.")
          .field("patience", &T::patience, "Rounds without a better value that end the job.", {.minimum = 1})
          .field("seconds", &T::seconds, "A round that closes later than this after the start is the last.",
                 {.minimum = 1})
          .rule({"!(has(self.target) || has(self.patience)) || has(self.metric)",
                 "target and patience need the metric that they look at", stop_names_a_metric});
  return info;
}

template <>
const StructInfo<FederatedRound>& struct_info() {
  using T = FederatedRound;
  static const auto info =
      StructInfo<T>("FederatedRound", "When a round closes.")
          .field("participants", &T::participants,
                 "Updates that close a round: the first ones that arrive; all training workers when nothing is said.",
                 {.minimum = 1})
          .field("quorum", &T::quorum, "Updates that are enough past the soft deadline; 1 when nothing is said.",
                 {.minimum = 1})
          .field("softDeadlineSeconds", &T::soft_deadline_seconds,
                 "Counted from a round's first update; past it a quorum closes the round.", {.minimum = 1})
          .field("deadlineSeconds", &T::deadline_seconds,
                 "Counted from a round's first update; past it the round closes with what there is; 3600 when nothing "
                 "is said.",
                 {.minimum = 1})
          .field("minUpdates", &T::min_updates, "With fewer at the deadline the round begins again.", {.minimum = 1})
          .field("maxStrikes", &T::max_strikes,
                 "Refused updates after which a worker is not heard any more; 0: any number; 10 when nothing is said.",
                 {.minimum = 0})
          .field("idleSeconds", &T::idle_seconds,
                 "Without any event for so long the aggregator gives up and is started again; 86400 when nothing is "
                 "said.",
                 {.minimum = 1})
          .rule({"!has(self.softDeadlineSeconds) || !has(self.deadlineSeconds) || self.softDeadlineSeconds <= "
                 "self.deadlineSeconds",
                 "softDeadlineSeconds must not be later than deadlineSeconds", deadlines_in_order});
  return info;
}

template <>
const StructInfo<FederatedSelection>& struct_info() {
  using T = FederatedSelection;
  static const auto info =
      StructInfo<T>("FederatedSelection", "Which of the workers that are there train in a round.")
          .field("name", &T::name, "random, weighted or oort.", kRequired)
          .field("parameters", &T::parameters, "Its parameters; each has a default.")
          .field("overSelect", &T::over_select,
                 "So many times the participants are chosen, so that stragglers hold nothing up; 1 when nothing is "
                 "said.",
                 {.minimum = 1})
          .field("pool", &T::pool, "Workers that must be there before a round chooses.", {.minimum = 0})
          .field("waitSeconds", &T::wait_seconds,
                 "For so long they are waited for, and a chosen worker that has broken off; 60 when nothing is said.",
                 {.minimum = 0});
  return info;
}

template <>
const StructInfo<FederatedRobust>& struct_info() {
  using T = FederatedRobust;
  static const auto info =
      StructInfo<T>("FederatedRobust", "Against hostile and broken workers.")
          .field("rule", &T::rule,
                 "Instead of the mean: Median, TrimmedMean, Krum, MultiKrum, Bulyan, "
                 "GeometricMedian, FLTrust.")
          .field("clip", &T::clip,
                 "How far one update may move the model: a number as text, or median (of past rounds).")
          .field("bucket", &T::bucket, "So many updates are averaged before the rule sees them.", {.minimum = 1});
  return info;
}

template <>
const StructInfo<FederatedPrivacy>& struct_info() {
  using T = FederatedPrivacy;
  static const auto info =
      StructInfo<T>("FederatedPrivacy", "Differential privacy of the workers.")
          .field("noiseMultiplier", &T::noise_multiplier, "Noise as a multiple of robust.clip.",
                 {.required = true, .minimum = 0})
          .field("delta", &T::delta, "Of the guarantee; 1e-5 when nothing is said.", {.minimum = 0});
  return info;
}

template <>
const StructInfo<FederatedDurability>& struct_info() {
  using T = FederatedDurability;
  static const auto info =
      StructInfo<T>("FederatedDurability", "What survives the end of the aggregator.")
          .field("mode", &T::mode,
                 "round: rounds, workers send the open round's updates again; update: those too; none; round when "
                 "nothing is said.",
                 one_of({"none", "round", "update"}))
          .field("path", &T::path,
                 "A folder of the aggregator's node, best on storage that other nodes see too; "
                 "/var/lib/sedna/federated when nothing is said.");
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
          .field("transmitter", &T::transmitter, "How models travel.")
          .field("rounds", &T::rounds, "Rounds of the job; what the aggregator's script says when nothing is said.",
                 additive_from(1))
          .field("stop", &T::stop, "When the job ends earlier.", kAdditive)
          .field("round", &T::round, "When a round closes.", kAdditive)
          .field("selection", &T::selection, "Which workers train in a round; all when nothing is said.", kAdditive)
          .field("algorithm", &T::algorithm,
                 "FedAvg, FedProx, FedAvgM, FedAdam, FedYogi, FedAdagrad, SCAFFOLD, FedNova, FedDyn; what the "
                 "aggregator's script says when nothing is said.",
                 kAdditive)
          .field("robust", &T::robust, "Against hostile and broken workers.", kAdditive)
          .field("late", &T::late,
                 "What becomes of an update that comes after its round has closed: discard, it counts for nothing; "
                 "carry, it counts in the open round by its age (maxStaleness, staleness, a, b); discard when nothing "
                 "is said. Not with strict.",
                 kAdditive)
          .field("compression", &T::compression, "How updates are coded: bf16, fp16, int8, int4, topk, sign.",
                 kAdditive)
          .field("personal", &T::personal,
                 "What of the model stays with each worker: FedBN (batch normalisation; or tensors: 2+3), FedPer "
                 "(last: the last so many tensors, or tensors), Ditto (lambda: a second model near the shared one); "
                 "nothing when nothing is said.",
                 kAdditive)
          .field("privacy", &T::privacy, "Differential privacy of the workers; needs robust.clip.", kAdditive)
          .field("durability", &T::durability, "What survives the end of the aggregator.", kAdditive)
          .field("strict", &T::strict, "The mean in integers: the same bits for any order of arrival.", kAdditive)
          .field("seed", &T::seed, "Of everything that is drawn.", additive_from(0))
          .rule({"!has(self.privacy) || (has(self.robust) && has(self.robust.clip))",
                 "privacy needs robust.clip, the bound that its noise is a multiple of", noise_has_a_bound})
          .rule({"!has(self.late) || self.late.name in ['discard', 'carry']", "late must be discard or carry",
                 late_is_known})
          .rule({"!has(self.personal) || self.personal.name in ['FedBN', 'FedPer', 'Ditto']",
                 "personal must be FedBN, FedPer or Ditto", personal_is_known})
          .rule({"!has(self.late) || self.late.name != 'carry' || !has(self.strict) || !self.strict",
                 "strict is for rounds of their own updates: it does not go with late updates that are carried",
                 strict_carries_nothing});
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
const StructInfo<FederatedProgress>& struct_info() {
  using T = FederatedProgress;
  static const auto info =
      StructInfo<T>("FederatedProgress", "What was last reported of the rounds.")
          .field("round", &T::round, "The last round whose model is out.", kRequired)
          .field("rounds", &T::rounds, "Rounds that are planned.")
          .field("arrived", &T::arrived, "Updates of the open round that are in.")
          .field("selected", &T::selected, "Updates that close it.")
          .field("stragglers", &T::stragglers, "Workers whose update is not in yet, once another's is.")
          .field("bytesReceived", &T::bytes_received, "Updates that arrived, in bytes.")
          .field("bytesSent", &T::bytes_sent, "Models that were sent, in bytes.")
          .field("metrics", &T::metrics, "Of the last round, as the workers reported them: means by samples.")
          .field("metricsFrom", &T::metrics_from, "Who reported the metrics: aggregator or workers.")
          .field("epsilon", &T::epsilon, "Of differential privacy, spent so far.")
          .field("stopped", &T::stopped, "Why the job ended before its last round.")
          .field("stalled", &T::stalled, "Why the aggregator cannot get on although it runs: its disk is full.",
                 kAdditive)
          .field("updateTime", &T::update_time, "When this was reported.", time_field());
  return info;
}

template <>
const StructInfo<FederatedWorkerStatus>& struct_info() {
  using T = FederatedWorkerStatus;
  static const auto info =
      StructInfo<T>("FederatedWorkerStatus", "How one worker does.")
          .field("worker", &T::worker, "WORKER_NAME: it stays when the Pod is made again.", kRequired)
          .field("role", &T::role, "aggregation or train.")
          .field("dataset", &T::dataset, "What it trains on.")
          .field("pod", &T::pod, "Its Pod.")
          .field("node", &T::node, "Its node.")
          .field("state", &T::state, "Pending, Running, Succeeded or Failing.")
          .field("message", &T::message, "What is wrong.")
          .field("restarts", &T::restarts, "How often its containers were started again.")
          .field("rebuilt", &T::rebuilt, "How often its Pod was made again because it failed.")
          .field("round", &T::round, "The last round that it reported.")
          .field("updateTime", &T::update_time, "When it reported last.", time_field());
  return info;
}

template <>
const StructInfo<FederatedModel>& struct_info() {
  using T = FederatedModel;
  static const auto info = StructInfo<T>("FederatedModel", "The model that was trained.")
                               .field("name", &T::name, "Of the Model.", kRequired)
                               .field("url", &T::url, "Where a worker saved it.");
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
                                      "The generation of the spec that this status is about.", kAdditive)
                               .field("run", &T::run, "Rises when a job that had ended is changed.", kAdditive)
                               .field("model", &T::model, "The model that was trained.", kAdditive)
                               .field("progress", &T::progress, "The rounds.", kAdditive)
                               .field("workers", &T::workers, "How each worker does.", kAdditive);
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
