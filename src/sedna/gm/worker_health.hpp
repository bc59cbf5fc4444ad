// How the workers of one Deployment do, read off the Deployment and its Pods, in words for the person who applied the
// YAML: which worker, on which node, what happened, what to do. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sedna/control/object_cache.hpp"

namespace sedna::gm {

/// What is wrong with one Pod.
struct PodProblem {
  bool failing = false;  ///< it will not get better by waiting (crash loop, bad image); else it only takes long
  std::string reason;    ///< "CrashLoopBackOff", "Unschedulable", …
  std::string message;   ///< "edge worker p on edge0: container c: … Hint: …"
  bool vague = false;    ///< the Pod itself does not say why; its events may
};
std::optional<PodProblem> problem_of(const api::Object& pod, std::string_view role);

/// True when the Pod's Ready condition is True and it is not going away.
bool is_ready(const api::Object& pod);

struct WorkerHealth {
  std::string role;  ///< "cloud", "edge"
  std::int64_t desired = 1;
  std::int64_t ready = 0;  ///< Pods that are available
  bool exists = false;     ///< there is a Deployment
  bool current = false;    ///< every Pod is of the newest template and nothing old is left
  std::optional<PodProblem> problem;
  std::string problem_pod;  ///< its name, for looking up events
  /// At least one worker serves.
  bool serves() const { return exists && ready > 0; }
};

/// `deployment` may be null.
WorkerHealth assess_workers(std::string_view role, const control::ObjectPtr& deployment,
                            const std::vector<control::ObjectPtr>& pods);

/// What a service's conditions say of its workers.
struct ServiceHealth {
  enum class State { kPending, kRunning, kFailed } state = State::kPending;
  std::string reason, message;
  int active = 0, failed = 0;  ///< Deployments that serve; that have failed
};
ServiceHealth assess_service(const std::vector<WorkerHealth>& workers);

}  // namespace sedna::gm
