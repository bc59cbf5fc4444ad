#include "sedna/gm/federated_learning.hpp"

#include <algorithm>
#include <set>

#include "sedna/gm/conditions.hpp"

namespace sedna::gm {

namespace {

using api::kinds::kFederatedLearningJob;

/// What is applied together arrives one after the other: this long a missing Model or Dataset is only waited for.
constexpr std::chrono::seconds kPatience(10);
/// Thrown by resolve(): something that the job names is not there.
struct Missing {
  ChildObstacle obstacle;
};

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
