// What a Deployment needs next: which Pods to make, which to remove, and what its status says. Pure; called by the
// Deployment loop. The embedded home has no ReplicaSets: a Deployment owns its Pods, told apart by pod-template-hash.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "sedna/cluster/pods.hpp"
#include "sedna/control/object_cache.hpp"

namespace sedna::cluster {

struct RolloutPlan {
  std::vector<api::Object> create;  ///< with generateName
  std::vector<std::string> remove;  ///< names of Pods
  json::object status;              ///< the whole status as it should be
  bool status_changed = false;
  /// Annotations that the Deployment should carry (its revision); empty when it has them.
  json::object annotations;
  /// Look again then although nothing changes: minReadySeconds, the progress deadline, a back-off.
  std::optional<std::chrono::seconds> again;
};

/// `pods`: those that the Deployment controls, in any state.
RolloutPlan plan_rollout(const api::Object& deployment, const std::vector<control::ObjectPtr>& pods, TimePoint now);

/// The label pod-template-hash: the same for templates that are equal as JSON, whatever the order of their members.
std::string template_hash(const json::value& pod_template);

/// "25%" of `total` or a plain number; `round_up` decides about fractions.
std::int64_t resolve_int_or_percent(const json::value* value, std::int64_t total, bool round_up, std::int64_t fallback);

inline constexpr std::string_view kTemplateHashLabel = "pod-template-hash";
inline constexpr std::string_view kRevisionAnnotation = "deployment.kubernetes.io/revision";
/// Which template the revision belongs to (Kubernetes asks its ReplicaSets).
inline constexpr std::string_view kRevisionHashAnnotation = "sedna.io/revision-template-hash";

}  // namespace sedna::cluster
