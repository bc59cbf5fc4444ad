#include "sedna/cluster/deployments.hpp"

#include "sedna/cluster/rollout.hpp"

namespace sedna::cluster {

using control::ReconcileResult;

DeploymentLoop::DeploymentLoop(store::ApiServer& server, Caches& caches, control::EventRecorder& events,
                               const Clock& clock)
    : server_(server), caches_(caches), events_(events), clock_(clock) {}

void DeploymentLoop::watch(control::Controller& controller) {
  controller.watch(caches_.of(api::kinds::kDeployment));
  controller.watch_owned(caches_.pods(), api::kinds::kDeployment);
}

/// Makes and removes Pods; the first failure, or nothing.
std::string DeploymentLoop::carry_out(const api::Object& deployment, const RolloutPlan& plan) {
  std::string failure;
  for (const auto& pod : plan.create) {
    auto created = server_.create(api::kinds::kPod, pod);
    if (!created) {
      failure = created.status().message;
      events_.warning(deployment, "FailedCreate", "Error creating: " + failure);
      break;
    }
    events_.normal(deployment, "SuccessfulCreate", "Created pod: " + std::string(api::name_of(*created)));
    caches_.pods().remember(std::move(*created));
  }
  for (const auto& name : plan.remove) {
    const auto pod = caches_.pods().cache().get(api::namespace_of(deployment), name);
    if (pod == nullptr) continue;
    std::string why;
    if (!remove_object(server_, caches_.pods(), *pod, why)) {
      if (failure.empty()) failure = why;
      events_.warning(deployment, "FailedDelete", "Error deleting pod " + name + ": " + why);
      continue;
    }
    events_.normal(deployment, "SuccessfulDelete", "Deleted pod: " + name);
  }
  return failure;
}

ReconcileResult DeploymentLoop::reconcile(const std::string& key) {
  const auto cached = caches_.of(api::kinds::kDeployment).cache().get(key);
  if (cached == nullptr || api::is_deleting(*cached)) return ReconcileResult::done();
  const auto uid = std::string(api::uid_of(*cached));
  const auto pods = [&] { return caches_.pods().cache().by_index(kByController, uid); };
  auto plan = plan_rollout(*cached, pods(), clock_.wall());
  const std::string failure = carry_out(*cached, plan);

  auto deployment = *cached;
  if (!plan.annotations.empty()) {
    auto patched =
        server_.merge_patch(api::kinds::kDeployment, api::namespace_of(*cached), api::name_of(*cached),
                            store::MergePatch(json::object{{"metadata", {{"annotations", plan.annotations}}}}));
    if (!patched) {
      if (patched.status().is_not_found()) return ReconcileResult::done();
      return ReconcileResult::failed(patched.status().message);
    }
    caches_.of(api::kinds::kDeployment).remember(*patched);
    // Annotations raise the generation; when nothing else did, the plan is that of the new one.
    if (api::generation_of(*patched) == api::generation_of(*cached) + 1) {
      plan.status["observedGeneration"] = api::generation_of(*patched);
    }
    deployment = std::move(*patched);
  }
  // The status tells of the Pods as they are now, after our own steps.
  const auto again = plan.again;
  if (!plan.create.empty() || !plan.remove.empty()) {
    auto after = plan_rollout(*cached, pods(), clock_.wall());
    // Only what was counted matters; the conditions of the plan that made the revision stay.
    for (const char* name :
         {"replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas"}) {
      if (const auto* n = after.status.if_contains(name)) {
        plan.status[name] = *n;
      } else {
        plan.status.erase(name);
      }
    }
    plan.status_changed = true;
  }
  const auto* failing = condition(deployment, "ReplicaFailure");
  if (!failure.empty()) {
    plan.status_changed |= set_condition(plan.status,
                                         json::object{{"type", "ReplicaFailure"},
                                                      {"status", "True"},
                                                      {"reason", "FailedCreate"},
                                                      {"lastUpdateTime", api::format_time(clock_.wall())},
                                                      {"message", failure}},
                                         clock_.wall());
  } else if (failing != nullptr && plan.status.contains("conditions")) {
    auto& all = plan.status["conditions"].as_array();
    for (auto* it = all.begin(); it != all.end(); ++it) {
      if (it->is_object() && api::string_at(it->get_object(), {"type"}) == "ReplicaFailure") {
        all.erase(it);
        plan.status_changed = true;
        break;
      }
    }
  }
  if (plan.status_changed) {
    deployment["status"] = plan.status;
    auto written = server_.update_status(api::kinds::kDeployment, deployment);
    if (written) {
      caches_.of(api::kinds::kDeployment).remember(std::move(*written));
    } else if (written.status().is_not_found()) {
      return ReconcileResult::done();
    } else {
      return ReconcileResult::failed(written.status().message);
    }
  }
  if (!failure.empty()) return ReconcileResult::failed(failure);
  return again ? ReconcileResult::after(*again) : ReconcileResult::done();
}

}  // namespace sedna::cluster
