#include "sedna/gm/federated_learning.hpp"

#include <algorithm>
#include <set>

#include "sedna/base/log.hpp"
#include "sedna/gm/children.hpp"
#include "sedna/gm/conditions.hpp"

namespace sedna::gm {

namespace {

using api::kinds::kFederatedLearningJob;
using State = FederatedWorkerHealth::State;

/// What is applied together arrives one after the other: this long a missing Model or Dataset is only waited for.
constexpr std::chrono::seconds kPatience(10);
/// A Pod that should be gone and is not: its node is away. Another one takes its place.
constexpr std::chrono::seconds kTerminationSlack(30);
constexpr std::chrono::seconds kLookAgain(5);
constexpr int kMostAttempts = 64;

/// Thrown by resolve(): something that the job names is not there.
struct Missing {
  ChildObstacle obstacle;
};

std::chrono::seconds backoff_after(std::int64_t rebuilt) {
  constexpr std::int64_t kDoublings = 5;
  constexpr std::chrono::seconds kFirst(10), kMost(360);
  return std::min(kMost, kFirst * (std::int64_t{1} << std::clamp<std::int64_t>(rebuilt, 0, kDoublings)));
}

/// When the last container of the Pod ended, or the Pod was made.
SystemClock::time_point ended_at(const api::Object& pod) {
  auto latest =
      api::parse_time(api::string_at(pod, {"metadata", "creationTimestamp"})).value_or(SystemClock::time_point{});
  if (const auto* list = api::array_at(pod, {"status", "containerStatuses"})) {
    for (const auto& entry : *list) {
      if (!entry.is_object()) continue;
      const auto at = api::parse_time(api::string_at(entry.get_object(), {"state", "terminated", "finishedAt"}));
      if (at && *at > latest) latest = *at;
    }
  }
  return latest;
}

std::string_view phase_of(const api::Object& pod) {
  return api::string_at(pod, {"status", "phase"});
}

std::int64_t restarts_of(const api::Object& pod) {
  std::int64_t out = 0;
  if (const auto* list = api::array_at(pod, {"status", "containerStatuses"})) {
    for (const auto& entry : *list) {
      if (entry.is_object()) out += api::int_at(entry.get_object(), {"restartCount"});
    }
  }
  return out;
}

/// The worker that the Pod is, as it says itself or as upstream's GM made it.
bool is_pod_of(const api::Object& pod, const FederatedWorker& worker) {
  if (const auto key = api::annotation(pod, kWorkerKey)) return *key == worker.key;
  static const std::string kType = worker_type_label(kFederatedLearningJob);
  if (api::label(pod, kType) != role_name(worker.role)) return false;
  return worker.role == FederatedRole::kAggregation || api::string_at(pod, {"spec", "datasetName"}) == worker.dataset;
}

/// The better of two Pods of one worker counts: one that stays before one that goes, ours before upstream's.
int rank_of(const api::Object& pod) {
  if (api::is_deleting(pod)) return 0;
  return api::annotation(pod, kWorkerKey) ? 2 : 1;
}

}  // namespace

std::vector<std::string> index_job_by_model(const api::Object& job) {
  std::vector<std::string> out;
  for (const auto name : {api::string_at(job, {"spec", "aggregationWorker", "model", "name"}),
                          api::string_at(job, {"spec", "pretrainedModel", "name"})}) {
    if (!name.empty()) out.push_back(api::make_key(api::namespace_of(job), name));
  }
  return out;
}

std::vector<std::string> index_job_by_dataset(const api::Object& job) {
  std::set<std::string> names;
  for (const auto& worker : workers_of(job)) {
    if (!worker.dataset.empty()) names.insert(api::make_key(api::namespace_of(job), worker.dataset));
  }
  return {names.begin(), names.end()};
}

void trim_federated_pod(api::Object& pod) {
  json::object spec{{"nodeName", api::string_at(pod, {"spec", "nodeName"})},
                    {"grace", api::int_at(pod, {"spec", "terminationGracePeriodSeconds"}, 30)}};
  if (const auto name = env_value(pod, "WORKER_NAME")) spec["workerName"] = *name;
  if (const auto name = env_value(pod, "DATASET_NAME")) spec["datasetName"] = *name;
  pod["spec"] = std::move(spec);
}

std::set<std::string> nodes_of_job(const api::Object& job, const std::vector<control::ObjectPtr>& pods) {
  std::set<std::string> nodes;
  for (const auto& worker : workers_of(job)) {
    const auto pinned = api::string_at(*worker.spec, {"template", "spec", "nodeName"});
    if (!pinned.empty()) nodes.emplace(pinned);
  }
  for (const auto& pod : pods) {
    const auto node = api::string_at(*pod, {"spec", "nodeName"});
    if (!node.empty()) nodes.emplace(node);
  }
  return nodes;
}

FederatedLearningController::FederatedLearningController(store::ApiServer& server, FederatedInformers informers,
                                                         control::EventRecorder& events, WorkerOptions options,
                                                         metrics::Registry* registry, const Clock& clock)
    : server_(server),
      informers_(informers),
      events_(events),
      options_(std::move(options)),
      registry_(registry),
      clock_(clock) {}

void FederatedLearningController::watch(control::Controller& controller) {
  controller.watch(informers_.jobs);
  controller.watch_owned(informers_.pods, kFederatedLearningJob);
  controller.watch_owned(informers_.k8s_services, kFederatedLearningJob);
  control::Informer& jobs = informers_.jobs;
  const auto jobs_by = [&jobs](const char* index) {
    return [&jobs, index](const api::Object& object) {
      std::vector<std::string> keys;
      for (const auto& job : jobs.cache().by_index(index, api::key_of(object))) keys.push_back(api::key_of(*job));
      return keys;
    };
  };
  controller.watch(informers_.models, jobs_by("model"));
  controller.watch(informers_.datasets, jobs_by("dataset"));
}

void FederatedLearningController::Look::note(std::optional<ChildObstacle> found) {
  if (found && (!obstacle || (found->failing && !obstacle->failing))) obstacle = std::move(found);
}

void FederatedLearningController::Look::look_again(SteadyClock::duration delay) {
  if (!again || delay < *again) again = delay;
}

void FederatedLearningController::begin(Look& look) {
  const auto& job = look.job;
  if (const auto* status = api::object_at(job, {"status"})) look.status = *status;
  look.run = std::max<std::int64_t>(1, api::int_at(look.status, {"run"}, 1));
  const auto* conditions = api::array_at(look.status, {"conditions"});
  if (conditions == nullptr || conditions->empty()) return;
  const std::int64_t seen = api::int_at(look.status, {"observedGeneration"});
  // What upstream's GM gave up stays so: nobody expects it to train again because the GM is another.
  const bool given_up = seen == 0 && is_true(*conditions, "Failed") &&
                        !api::string_at(look.status, {"startTime"}).empty() && !look.status.contains("workers");
  if (!is_true(*conditions, "Complete") && !given_up) return;
  if (seen == 0 || seen == api::generation_of(job)) {
    look.ended = true;
    return;
  }
  ++look.run;
  for (const std::string_view member : {"completionTime", "progress", "model"}) look.status.erase(member);
  auto& list = look.status["conditions"].get_array();
  for (const char* type : {"Complete", "Failed"}) {
    if (find_condition(list, type) == nullptr) continue;
    set_condition(list, {type, false, "Changed", "the job was changed and begins again"},
                  api::format_time(clock_.wall()), false);
  }
}

std::optional<Credential> FederatedLearningController::secret(const api::Object& job, std::string_view name,
                                                              const std::string& whose) {
  if (name.empty()) return std::nullopt;
  auto found = server_.get(api::kinds::kSecret, api::namespace_of(job), name);
  if (!found) {
    if (!found.status().is_not_found()) throw found.status().to_error();
    throw Missing{{"SecretNotFound",
                   whose + " names the Secret \"" + std::string(name) + "\", which is not in namespace " +
                       std::string(api::namespace_of(job)) + ". Hint: apply it; the job goes on by itself",
                   true}};
  }
  try {
    return read_credential(*found);
  } catch (const Error& e) {
    throw Missing{{"InvalidSecret", e.what(), true}};
  }
}

DataAccess FederatedLearningController::access(const api::Object& job, const api::Kind& kind, std::string_view name,
                                               const std::string& field) {
  const bool model = &kind == &api::kinds::kModel;
  const auto& cache = (model ? informers_.models : informers_.datasets).cache();
  const std::string ns(api::namespace_of(job)), what(kind.kind);
  const auto object = cache.get(ns, std::string(name));
  if (object == nullptr) {
    throw Missing{{what + "NotFound",
                   field + ": there is no " + what + " \"" + std::string(name) + "\" in namespace " + ns +
                       ". Hint: apply it; the job goes on by itself",
                   true}};
  }
  DataAccess out;
  out.url = api::string_at(*object, {"spec", "url"});
  if (out.url.starts_with("s3://")) {
    out.credential = secret(job, api::string_at(*object, {"spec", "credentialName"}), what + " " + std::string(name));
  }
  return out;
}

FederatedInputs FederatedLearningController::resolve(const Look& look) {
  const auto& job = look.job;
  FederatedInputs out;
  out.run = look.run;
  out.model = access(job, api::kinds::kModel, api::string_at(job, {"spec", "aggregationWorker", "model", "name"}),
                     "spec.aggregationWorker.model.name");
  if (const auto name = api::string_at(job, {"spec", "pretrainedModel", "name"}); !name.empty()) {
    out.pretrained = access(job, api::kinds::kModel, name, "spec.pretrainedModel.name");
  }
  if (const auto* s3 = api::object_at(job, {"spec", "transmitter", "s3"})) {
    out.transmitter = secret(job, api::string_at(*s3, {"credentialName"}), "spec.transmitter.s3.credentialName");
  }
  for (const auto& worker : workers_of(job)) {
    if (worker.role == FederatedRole::kAggregation) continue;
    out.datasets.push_back(access(job, api::kinds::kDataset, worker.dataset,
                                  "spec.trainingWorkers[" + std::to_string(worker.index) + "].dataset.name"));
  }
  return out;
}

void FederatedLearningController::match_pods(Look& look) {
  auto pods = informers_.pods.cache().by_index("owner", api::uid_of(look.job));
  std::sort(pods.begin(), pods.end(), [](const auto& a, const auto& b) {
    const int ra = rank_of(*a), rb = rank_of(*b);
    return ra != rb ? ra > rb : api::name_of(*a) < api::name_of(*b);
  });
  std::set<std::string> taken;
  const auto* known = api::array_at(look.status, {"workers"});
  std::map<std::string, std::size_t> nth;
  for (auto& worker : workers_of(look.job)) {
    FederatedWorkerHealth health;
    const std::string identity = std::string(role_name(worker.role)) + "/" + worker.dataset;
    std::size_t skip = nth[identity]++;
    health.worker_name = steady_worker_name(look.job, worker);
    if (known != nullptr) {
      for (const auto& entry : *known) {
        if (!entry.is_object()) continue;
        const auto& o = entry.get_object();
        if (std::string(api::string_at(o, {"role"})) + "/" + std::string(api::string_at(o, {"dataset"})) != identity ||
            skip-- > 0) {
          continue;
        }
        health.worker_name = api::string_at(o, {"worker"}, health.worker_name);
        health.rebuilt = api::int_at(o, {"rebuilt"});
        health.had_pod = !api::string_at(o, {"pod"}).empty();
        break;
      }
    }
    for (const auto& pod : pods) {
      const std::string name(api::name_of(*pod));
      if (taken.contains(name) || !is_pod_of(*pod, worker)) continue;
      taken.insert(name);
      health.pod = pod;
      health.worker_name = api::string_at(*pod, {"spec", "workerName"}, health.worker_name);
      break;
    }
    health.worker = std::move(worker);
    look.workers.push_back(std::move(health));
  }
  if (look.ended) return;
  for (const auto& pod : pods) {
    if (taken.contains(std::string(api::name_of(*pod))) || api::is_deleting(*pod)) continue;
    const bool wanted =
        std::any_of(look.workers.begin(), look.workers.end(), [&](const auto& w) { return is_pod_of(*pod, w.worker); });
    remove_pod(look, pod, wanted ? "another Pod of the same worker is there" : "the job has no such worker any more");
  }
}

void FederatedLearningController::remove_pod(Look& look, const control::ObjectPtr& pod, const std::string& why) {
  look.note(remove_child(server_, informers_.pods, *pod));
  log::info("a worker's Pod is taken away", {{"pod", api::key_of(*pod)}, {"reason", why}});
}

void FederatedLearningController::make_pod(Look& look, FederatedWorkerHealth& worker, const FederatedInputs& inputs,
                                           const std::string& why) {
  const std::string ns(api::namespace_of(look.job));
  const std::string hash = worker_hash(look.job, worker.worker, inputs, options_);
  for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
    const std::string name = pod_name(look.job, worker.worker, hash, attempt);
    if (informers_.pods.cache().get(ns, name) != nullptr) continue;  // one that is going or has failed
    const api::Object wanted = plan_pod(look.job, worker.worker, inputs, options_, worker.worker_name, attempt);
    auto outcome = create_child(server_, informers_.pods, look.job, wanted);
    if (!outcome && !why.empty()) {
      events_.normal(look.job, "Rebuilt", "the Pod of " + worker.worker_name + " was made again: " + why);
    }
    look.note(std::move(outcome));
    worker.pod = informers_.pods.cache().get(ns, name);
    return;
  }
  look.note(ChildObstacle{"PodsStuck",
                          "Pods of " + worker.worker_name + " do not go away. Hint: `sedna get pods -n " + ns +
                              "`; remove their finalizers, or delete the node that is gone",
                          true});
}

void FederatedLearningController::ensure_pod(Look& look, FederatedWorkerHealth& worker, const FederatedInputs& inputs) {
  const auto now = clock_.wall();
  if (worker.pod == nullptr) {
    make_pod(look, worker, inputs, worker.had_pod ? "it was missing" : "");
    return;
  }
  const api::Object& pod = *worker.pod;
  if (api::is_deleting(pod)) {
    const auto since = api::parse_time(api::string_at(pod, {"metadata", "deletionTimestamp"})).value_or(now);
    const auto slack = kTerminationSlack + std::chrono::seconds(api::int_at(pod, {"spec", "grace"}, 30));
    if (now - since > slack) {
      make_pod(look, worker, inputs, "the old one does not go away, its node may be lost");
    } else {
      look.look_again(kLookAgain);
    }
    return;
  }
  const std::string hash = worker_hash(look.job, worker.worker, inputs, options_);
  const auto known = api::annotation(pod, kSpecHash);
  if (!known) {
    auto whole = server_.get(api::kinds::kPod, api::namespace_of(pod), api::name_of(pod));
    if (!whole) {
      if (whole.status().is_not_found()) return;
      throw whole.status().to_error();
    }
    if (is_upstreams_pod(*whole, look.job, worker.worker, inputs, options_)) {
      json::object metadata;
      metadata["annotations"] = json::object{{kSpecHash, hash}, {kWorkerKey, worker.worker.key}};
      json::object body;
      body["metadata"] = std::move(metadata);
      auto adopted = server_.merge_patch(api::kinds::kPod, api::namespace_of(pod), api::name_of(pod),
                                         store::MergePatch(std::move(body)));
      if (!adopted) throw adopted.status().to_error();
      informers_.pods.remember(std::move(*adopted));
      log::info("adopted a Pod as it is", {{"pod", api::key_of(pod)}, {"job", api::key_of(look.job)}});
      return;
    }
  }
  if (!known || *known != hash) {
    events_.normal(look.job, "RollingOut", "the specification of " + worker.worker_name + " changed");
    remove_pod(look, worker.pod, "its specification changed");
    worker.pod = nullptr;  // it counts for nothing any more; the next one is made when it has gone
    look.look_again(kLookAgain);
    return;
  }
  if (phase_of(pod) == "Failed") {
    const auto due = ended_at(pod) + backoff_after(worker.rebuilt);
    if (now < due) {
      look.look_again(std::chrono::duration_cast<SteadyClock::duration>(due - now) + std::chrono::seconds(1));
      return;
    }
    remove_pod(look, worker.pod, "it has failed");
    ++worker.rebuilt;
    make_pod(look, worker, inputs, "the old one failed");
  }
}

void FederatedLearningController::ensure_service(Look& look) {
  const api::Object wanted = plan_aggregation_service(look.job);
  const auto live = informers_.k8s_services.cache().get(api::key_of(wanted));
  if (live == nullptr) {
    look.note(create_child(server_, informers_.k8s_services, look.job, wanted));
    return;
  }
  if (auto foreign = foreign_child(*live, look.job)) {
    look.note(std::move(foreign));
    return;
  }
  const auto& spec = *api::object_at(wanted, {"spec"});
  const auto* live_spec = api::object_at(*live, {"spec"});
  if (live_spec != nullptr && is_subset(json::value(spec), json::value(*live_spec))) return;
  json::object body;
  body["spec"] = spec;
  look.note(patch_child(server_, informers_.k8s_services, *live, std::move(body)));
}

void FederatedLearningController::ensure_children(Look& look) {
  FederatedInputs inputs;
  try {
    inputs = resolve(look);
  } catch (Missing& missing) {
    const auto created = api::parse_time(api::string_at(look.job, {"metadata", "creationTimestamp"}));
    if (created && clock_.wall() - *created < kPatience) missing.obstacle.failing = false;
    look.note(std::move(missing.obstacle));
    return;
  }
  ensure_pod(look, look.workers.front(), inputs);
  ensure_service(look);
  for (std::size_t i = 1; i < look.workers.size(); ++i) ensure_pod(look, look.workers[i], inputs);
}

void FederatedLearningController::assess(FederatedWorkerHealth& worker, std::string_view ns) {
  if (worker.pod == nullptr) return;
  const api::Object& pod = *worker.pod;
  worker.restarts = restarts_of(pod);
  if (phase_of(pod) == "Succeeded") {
    worker.state = State::kSucceeded;
    return;
  }
  const char* role = worker.worker.role == FederatedRole::kAggregation ? "aggregation" : "training";
  auto problem = problem_of(pod, role);
  if (!problem) {
    worker.state = api::is_deleting(pod) ? State::kPending : State::kRunning;
    return;
  }
  if (problem->vague) {
    if (const auto warning = newest_warning(server_, ns, api::name_of(pod))) {
      problem->reason = warning->reason;
      problem->message += "; " + warning->reason + ": " + warning->message;
    }
  }
  worker.state = problem->failing ? State::kFailing : State::kPending;
  worker.reason = problem->reason;
  worker.message = problem->message;
  worker.vague = problem->vague;
}

std::optional<std::string> FederatedLearningController::completion(Look& look) {
  constexpr std::chrono::minutes kGrace(5);  // what the aggregator itself waits for clients of its last round
  FederatedWorkerHealth& aggregation = look.workers.front();
  if (look.workers.size() < 2 || aggregation.state != State::kSucceeded) return std::nullopt;
  std::size_t succeeded = 0, alive = 0;
  std::string rest;
  for (std::size_t i = 1; i < look.workers.size(); ++i) {
    const auto& worker = look.workers[i];
    if (worker.state == State::kSucceeded) {
      ++succeeded;
      continue;
    }
    rest += (rest.empty() ? "" : ", ") + worker.worker_name;
    alive += worker.state == State::kFailing ? 0 : 1;
  }
  if (rest.empty()) return std::string();
  const auto since = clock_.wall() - ended_at(*aggregation.pod);
  if (alive > 0 && since < kGrace) {
    look.look_again(std::chrono::duration_cast<SteadyClock::duration>(kGrace - since) + std::chrono::seconds(1));
    return std::nullopt;
  }
  if (succeeded > 0) return "the model is out; these workers were not there at the end: " + rest;
  // Nobody has the last model. The aggregator has: it is started again, goes on at its end, and hands it out.
  const auto wait = backoff_after(aggregation.rebuilt);
  if (since < wait) {
    look.look_again(std::chrono::duration_cast<SteadyClock::duration>(wait - since) + std::chrono::seconds(1));
    return std::nullopt;
  }
  remove_pod(look, aggregation.pod, "no training worker has fetched the last model");
  ++aggregation.rebuilt;
  aggregation.pod = nullptr;
  aggregation.state = State::kMissing;
  look.look_again(kLookAgain);
  return std::nullopt;
}

control::ReconcileResult FederatedLearningController::reconcile(const std::string& key) {
  const auto job = informers_.jobs.cache().get(key);
  if (job == nullptr || api::is_deleting(*job)) {
    inbox_.drop(key);  // children go with their owner
    const std::lock_guard lock(mutex_);
    reported_.erase(key);
    return control::ReconcileResult::done();
  }
  Look look;
  look.job = *job;
  begin(look);
  match_pods(look);
  if (!look.ended) {
    try {
      ensure_children(look);
    } catch (const Error& e) {
      if (e.code() != ErrorCode::kInvalidArgument) throw;
      look.note(ChildObstacle{"InvalidSpec", e.what(), true});
    }
  }
  for (auto& worker : look.workers) assess(worker, api::namespace_of(look.job));
  return write_status(look);
}

}  // namespace sedna::gm
