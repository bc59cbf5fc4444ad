// The Pods and the Service of a FederatedLearningJob: which Pod is which worker, what has to be made or made again, how
// each does, and when all of it is over.
#include <algorithm>
#include <set>

#include "sedna/base/log.hpp"
#include "sedna/gm/children.hpp"
#include "sedna/gm/federated_learning.hpp"

namespace sedna::gm {

namespace {

using api::kinds::kFederatedLearningJob;
using State = FederatedWorkerHealth::State;

/// A Pod that should be gone and is not: its node is away. Another one takes its place.
constexpr std::chrono::seconds kTerminationSlack(30);
constexpr std::chrono::seconds kLookAgain(5);
constexpr int kMostAttempts = 64;

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

}  // namespace sedna::gm
