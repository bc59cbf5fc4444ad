#include "sedna/gm/worker_health.hpp"

#include <algorithm>

namespace sedna::gm {

namespace {

/// Waiting reasons that mean more than "not yet".
bool is_failure(std::string_view reason) {
  static constexpr std::string_view kFailures[] = {
      "CrashLoopBackOff",     "ImagePullBackOff",  "ErrImagePull",       "ErrImageNeverPull",
      "InvalidImageName",     "ImageNeedsCommand", "ImageInspectError",  "CreateContainerConfigError",
      "CreateContainerError", "RunContainerError", "RegistryUnavailable"};
  return std::find(std::begin(kFailures), std::end(kFailures), reason) != std::end(kFailures);
}

struct ContainerView {
  std::string name;
  bool init = false;
  const json::object* status = nullptr;
};

std::string hint_for(std::string_view reason, const api::Object& pod, const ContainerView& container) {
  const std::string where = std::string(api::name_of(pod)) + " -n " + std::string(api::namespace_of(pod));
  if (reason == "ImagePullBackOff" || reason == "ErrImagePull" || reason == "InvalidImageName") {
    return "check the image's name and that the node can pull it";
  }
  if (reason == "CreateContainerConfigError") return "check the Secrets and ConfigMaps that its environment names";
  if (reason == "ImageNeedsCommand") return {};
  return "see `sedna logs " + where + " -c " + container.name + " -p`";
}

std::string sentence(std::string_view role, const api::Object& pod) {
  std::string out = std::string(role) + " worker " + std::string(api::name_of(pod));
  const auto node = api::string_at(pod, {"spec", "nodeName"});
  if (!node.empty()) out += " on " + std::string(node);
  return out;
}

std::string ended(const json::object& terminated) {
  const auto code = api::int_at(terminated, {"exitCode"});
  const auto reason = api::string_at(terminated, {"reason"});
  std::string out =
      reason == "OOMKilled" ? "ran out of memory (OOMKilled)" : "ended with exit code " + std::to_string(code);
  if (!reason.empty() && reason != "Error" && reason != "Completed" && reason != "OOMKilled") {
    out += " (" + std::string(reason) + ")";
  }
  const auto message = api::string_at(terminated, {"message"});
  constexpr std::size_t kLongest = 400;
  if (!message.empty()) out += ": " + std::string(message.substr(0, kLongest));
  return out;
}

std::vector<ContainerView> containers_of(const api::Object& pod) {
  std::vector<ContainerView> out;
  for (const bool init : {true, false}) {
    const auto* list = api::array_at(pod, {"status", init ? "initContainerStatuses" : "containerStatuses"});
    if (list == nullptr) continue;
    for (const auto& entry : *list) {
      if (!entry.is_object()) continue;
      out.push_back({std::string(api::string_at(entry.get_object(), {"name"})), init, &entry.get_object()});
    }
  }
  return out;
}

/// The Pod's condition of a type, or null.
const json::object* condition_of(const api::Object& object, std::string_view type) {
  const auto* list = api::array_at(object, {"status", "conditions"});
  if (list == nullptr) return nullptr;
  for (const auto& entry : *list) {
    if (entry.is_object() && api::string_at(entry.get_object(), {"type"}) == type) return &entry.get_object();
  }
  return nullptr;
}

std::optional<PodProblem> container_problem(const api::Object& pod, std::string_view role, const ContainerView& c) {
  const auto* waiting = api::object_at(*c.status, {"state", "waiting"});
  const auto* last = api::object_at(*c.status, {"lastState", "terminated"});
  const auto* now_terminated = api::object_at(*c.status, {"state", "terminated"});
  PodProblem problem;
  const std::string who = sentence(role, pod) + ": " + (c.init ? "init container " : "container ") + c.name + ": ";
  if (waiting != nullptr) {
    problem.reason = api::string_at(*waiting, {"reason"});
    const auto message = api::string_at(*waiting, {"message"});
    if (is_failure(problem.reason)) {
      problem.failing = true;
      problem.message =
          who + (last != nullptr ? ended(*last) : std::string(message.empty() ? problem.reason : message));
      if (last != nullptr) {
        problem.message += "; started " + std::to_string(api::int_at(*c.status, {"restartCount"}) + 1) + " times";
      }
    } else {
      return std::nullopt;
    }
  } else if (now_terminated != nullptr && api::int_at(*now_terminated, {"exitCode"}) != 0) {
    problem.reason = "Ended";
    problem.failing = api::int_at(*c.status, {"restartCount"}) > 0;
    problem.message = who + ended(*now_terminated);
  } else {
    return std::nullopt;
  }
  if (const auto hint = hint_for(problem.reason, pod, c); !hint.empty()) problem.message += ". Hint: " + hint;
  return problem;
}

}  // namespace

bool is_ready(const api::Object& pod) {
  if (api::is_deleting(pod)) return false;
  const auto* ready = condition_of(pod, "Ready");
  return ready != nullptr && api::string_at(*ready, {"status"}) == "True";
}

std::optional<PodProblem> problem_of(const api::Object& pod, std::string_view role) {
  if (api::is_deleting(pod)) return std::nullopt;
  std::optional<PodProblem> slow;
  for (const auto& container : containers_of(pod)) {
    if (auto problem = container_problem(pod, role, container)) {
      if (problem->failing) return problem;
      slow = std::move(problem);
    }
  }
  if (is_ready(pod)) return std::nullopt;
  PodProblem problem;
  const std::string who = sentence(role, pod) + ": ";
  if (const auto* scheduled = condition_of(pod, "PodScheduled");
      scheduled != nullptr && api::string_at(*scheduled, {"status"}) == "False") {
    problem.reason = "Unschedulable";
    problem.message = who + "found no node: " + std::string(api::string_at(*scheduled, {"message"}));
    return problem;
  }
  if (api::string_at(pod, {"status", "phase"}) == "Failed") {
    problem.failing = true;
    problem.reason = api::string_at(pod, {"status", "reason"}, "PodFailed");
    problem.message = who + std::string(api::string_at(pod, {"status", "message"}, "the Pod failed"));
    return problem;
  }
  if (const auto* ready = condition_of(pod, "Ready"); ready != nullptr) {
    if (api::string_at(*ready, {"status"}) == "Unknown" || api::string_at(*ready, {"reason"}) == "NodeLost") {
      problem.reason = "NodeLost";
      problem.message = who + "its node has not been heard of lately";
      return problem;
    }
  }
  if (slow) return slow;
  for (const auto& container : containers_of(pod)) {
    const auto* waiting = api::object_at(*container.status, {"state", "waiting"});
    if (waiting == nullptr) continue;
    problem.reason = api::string_at(*waiting, {"reason"}, "Starting");
    const auto message = api::string_at(*waiting, {"message"});
    problem.message = who + (container.init ? "init container " : "container ") + container.name + ": " +
                      (message.empty() ? problem.reason : std::string(message));
    problem.vague = message.empty();
    return problem;
  }
  problem.reason = "Starting";
  problem.message =
      who + (api::string_at(pod, {"status", "phase"}) == "Running" ? "runs but is not ready yet" : "starts");
  problem.vague = true;
  return problem;
}

WorkerHealth assess_workers(std::string_view role, const control::ObjectPtr& deployment,
                            const std::vector<control::ObjectPtr>& pods) {
  WorkerHealth out;
  out.role = role;
  if (deployment == nullptr) return out;
  const api::Object& d = *deployment;
  out.exists = true;
  out.desired = api::int_at(d, {"spec", "replicas"}, 1);
  out.ready = api::int_at(d, {"status", "availableReplicas"});
  out.current = api::int_at(d, {"status", "observedGeneration"}) >= api::generation_of(d) &&
                api::int_at(d, {"status", "updatedReplicas"}) >= out.desired &&
                api::int_at(d, {"status", "replicas"}) <= out.desired && out.ready >= out.desired;
  for (const auto& pod : pods) {
    auto problem = problem_of(*pod, role);
    if (!problem || (out.problem && (out.problem->failing || !problem->failing))) continue;
    out.problem = std::move(problem);
    out.problem_pod = api::name_of(*pod);
  }
  if (out.problem && out.problem->failing) return out;
  const auto tell = [&](std::string reason, std::string message) {
    PodProblem problem;
    problem.failing = true;
    problem.reason = std::move(reason);
    problem.message = std::move(message);
    out.problem = std::move(problem);
  };
  const std::string name(api::name_of(d));
  if (const auto* failure = condition_of(d, "ReplicaFailure");
      failure != nullptr && api::string_at(*failure, {"status"}) == "True") {
    tell(std::string(api::string_at(*failure, {"reason"}, "ReplicaFailure")),
         "the Pods of Deployment " + name + " can't be made: " + std::string(api::string_at(*failure, {"message"})));
  } else if (const auto* progress = condition_of(d, "Progressing");
             progress != nullptr && api::string_at(*progress, {"status"}) == "False" &&
             api::string_at(*progress, {"reason"}) == "ProgressDeadlineExceeded") {
    std::string message = "Deployment " + name + " has not become available in time";
    if (out.problem) message += ": " + out.problem->message;
    tell("ProgressDeadlineExceeded", std::move(message));
  }
  return out;
}

ServiceHealth assess_service(const std::vector<WorkerHealth>& workers) {
  ServiceHealth out;
  const WorkerHealth* failing = nullptr;
  const WorkerHealth* waiting = nullptr;
  bool all_serve = true, all_current = true;
  for (const auto& w : workers) {
    const bool failed = !w.serves() && w.problem && w.problem->failing;
    out.active += w.serves() ? 1 : 0;
    out.failed += failed ? 1 : 0;
    all_serve = all_serve && w.serves();
    all_current = all_current && w.current;
    if (failed && failing == nullptr) failing = &w;
    if (!failed && !w.serves() && waiting == nullptr) waiting = &w;
  }
  if (failing != nullptr) {
    out.state = ServiceHealth::State::kFailed;
    out.reason = "workerFailed";
    out.message = failing->problem->reason + ": " + failing->problem->message;
    return out;
  }
  if (!all_serve) {
    out.reason = "WorkersStarting";
    if (waiting->exists && waiting->desired == 0) {
      out.reason = "ScaledToZero";
      out.message = "the Deployment of the " + waiting->role + " worker is scaled to 0";
    } else if (waiting->problem) {
      out.reason = waiting->problem->reason;
      out.message = waiting->problem->message;
    } else {
      out.message = "waiting for the " + waiting->role + " worker";
    }
    return out;
  }
  out.state = ServiceHealth::State::kRunning;
  for (const auto& w : workers) {
    if (w.problem && w.problem->failing) {
      out.reason = "Degraded";
      out.message = w.problem->reason + ": " + w.problem->message;
      return out;
    }
  }
  out.reason = all_current ? "WorkersReady" : "RollingOut";
  return out;
}

}  // namespace sedna::gm
