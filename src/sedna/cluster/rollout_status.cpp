// The status of a Deployment, word for word as Kubernetes' controller writes it: kubectl rollout status, kubectl wait
// and upstream's GM read it.
#include <algorithm>

#include "sedna/cluster/rollout.hpp"

namespace sedna::cluster {

namespace {

/// Deployment conditions carry lastUpdateTime too, and an unchanged status and reason leaves the entry alone, unless
/// `touch` says that there was progress.
void put(json::object& status, std::string_view type, bool holds, std::string_view reason, std::string message,
         TimePoint now, bool touch = false) {
  auto& slot = status["conditions"];
  if (!slot.is_array()) slot = json::array();
  auto& all = slot.get_array();
  const std::string_view wanted = holds ? "True" : "False";
  std::string since = api::format_time(now);
  for (auto* it = all.begin(); it != all.end(); ++it) {
    if (!it->is_object() || api::string_at(it->get_object(), {"type"}) != type) continue;
    const auto& old = it->get_object();
    if (api::string_at(old, {"status"}) == wanted) {
      if (api::string_at(old, {"reason"}) == reason && !touch) return;
      if (const auto at = api::string_at(old, {"lastTransitionTime"}); !at.empty()) since = at;
    }
    all.erase(it);
    break;
  }
  all.push_back(json::object{{"type", type},
                             {"status", wanted},
                             {"lastUpdateTime", api::format_time(now)},
                             {"lastTransitionTime", since},
                             {"reason", reason},
                             {"message", std::move(message)}});
}

void count(json::object& status, std::string_view name, std::int64_t n) {
  if (n != 0) {
    status[name] = n;
  } else {
    status.erase(name);
  }
}

}  // namespace

void render_rollout_status(const Object& deployment, RolloutPlan& plan, const std::string& hash, bool new_revision,
                           std::int64_t desired, std::int64_t max_unavailable, std::int64_t total, std::int64_t updated,
                           std::int64_t ready, std::int64_t available, TimePoint now) {
  static const json::object kNone;
  const auto* before_or_null = api::object_at(deployment, {"status"});
  const json::object& before = before_or_null != nullptr ? *before_or_null : kNone;
  json::object status = before;
  status["observedGeneration"] = api::generation_of(deployment);
  count(status, "replicas", total);
  count(status, "updatedReplicas", updated);
  count(status, "readyReplicas", ready);
  count(status, "availableReplicas", available);
  count(status, "unavailableReplicas", std::max<std::int64_t>(0, desired - available));

  if (available >= desired - max_unavailable) {
    put(status, "Available", true, "MinimumReplicasAvailable", "Deployment has minimum availability.", now);
  } else {
    put(status, "Available", false, "MinimumReplicasUnavailable", "Deployment does not have minimum availability.",
        now);
  }

  const std::string set = std::string(api::name_of(deployment)) + "-" + hash;
  const auto deadline = api::int_at(deployment, {"spec", "progressDeadlineSeconds"}, 600);
  const auto* paused = api::find(deployment, {"spec", "paused"});
  if (paused != nullptr && paused->is_bool() && paused->get_bool()) {
    put(status, "Progressing", true, "DeploymentPaused", "Deployment is paused", now);
  } else if (new_revision) {
    put(status, "Progressing", true, "NewReplicaSetCreated", "Created new replica set \"" + set + "\"", now, true);
  } else {
    const auto was = [&](std::string_view name) { return api::int_at(before, {name}, 0); };
    const auto* current = condition(deployment, "Progressing");
    const auto reason = current == nullptr ? std::string_view() : api::string_at(*current, {"reason"});
    const bool complete = updated == desired && total == desired && available == desired;
    const bool progressing = updated > was("updatedReplicas") ||
                             total - updated < was("replicas") - was("updatedReplicas") ||
                             ready > was("readyReplicas") || available > was("availableReplicas");
    if (complete) {
      put(status, "Progressing", true, "NewReplicaSetAvailable",
          "ReplicaSet \"" + set + "\" has successfully progressed.", now);
    } else if (reason == "NewReplicaSetAvailable" && total == updated) {
      // The update itself is over; a Pod that is lost later does not reopen it.
    } else if (progressing || current == nullptr || reason == "DeploymentPaused") {
      put(status, "Progressing", true, "ReplicaSetUpdated", "ReplicaSet \"" + set + "\" is progressing.", now, true);
    } else if (const auto at = api::parse_time(api::string_at(*current, {"lastUpdateTime"}));
               at && reason != "ProgressDeadlineExceeded") {
      const auto left = std::chrono::ceil<std::chrono::seconds>(*at + std::chrono::seconds(deadline) - now);
      if (left.count() <= 0) {
        put(status, "Progressing", false, "ProgressDeadlineExceeded",
            "ReplicaSet \"" + set + "\" has timed out progressing.", now);
      } else if (!plan.again || left < *plan.again) {
        plan.again = left;
      }
    }
  }
  plan.status_changed = status != before;
  plan.status = std::move(status);
}

}  // namespace sedna::cluster
