#include <algorithm>
#include <iterator>

#include "sedna/node/pod_state.hpp"

namespace sedna::node {

namespace {

using Phase = ContainerState::Phase;

json::object ended(const ContainerEnd& end, const std::string& id) {
  json::object out{{"exitCode", end.exit_code},
                   {"reason", end.reason},
                   {"startedAt", api::format_time(end.started)},
                   {"finishedAt", api::format_time(end.finished)},
                   {"containerID", id}};
  if (!end.message.empty()) out["message"] = end.message;
  return out;
}

bool will_restart(const api::Object& pod, const json::object& spec, const ContainerState& container, bool init) {
  if (!container.end) return true;
  const auto policy = api::string_at(pod, {"spec", "restartPolicy"}, "Always");
  if (init) return is_sidecar(spec) || (container.end->exit_code != 0 && policy != "Never");
  return policy == "Always" || (policy == "OnFailure" && container.end->exit_code != 0);
}

std::string backoff_text(const api::Object& pod, const ContainerState& container) {
  const auto wait = std::chrono::duration_cast<std::chrono::seconds>(*container.not_before - container.end->finished);
  std::string time = std::to_string(wait.count()) + "s";
  if (wait.count() >= 60) time = std::to_string(wait.count() / 60) + "m" + std::to_string(wait.count() % 60) + "s";
  return "back-off " + time + " restarting failed container=" + container.name +
         " pod=" + std::string(api::name_of(pod)) + "_" + std::string(api::namespace_of(pod)) + "(" +
         std::string(api::uid_of(pod)) + ")";
}

json::object state_of(const api::Object& pod, const json::object& spec, const ContainerState& container, bool init,
                      bool stopping, bool initialized, TimePoint now, bool& backing_off) {
  backing_off = false;
  switch (container.phase) {
    case Phase::kRunning:
      return {{"running", {{"startedAt", api::format_time(container.started_at)}}}};
    case Phase::kEnded:
      if (!container.waiting_reason.empty()) break;  // could not be started again
      if (!stopping && will_restart(pod, spec, container, init) && container.not_before &&
          *container.not_before > now) {
        backing_off = true;
        return {{"waiting", {{"reason", "CrashLoopBackOff"}, {"message", backoff_text(pod, container)}}}};
      }
      return {{"terminated", ended(*container.end, container_id(pod, container.name, container.end->attempt))}};
    case Phase::kWaiting:
      break;
  }
  backing_off = container.phase == Phase::kEnded;
  json::object waiting;
  if (!container.waiting_reason.empty()) {
    waiting["reason"] = container.waiting_reason;
    if (!container.waiting_message.empty()) waiting["message"] = container.waiting_message;
  } else {
    const bool has_init = api::array_at(pod, {"spec", "initContainers"}) != nullptr;
    waiting["reason"] = has_init && !initialized ? "PodInitializing" : "ContainerCreating";
  }
  return {{"waiting", std::move(waiting)}};
}

json::array container_statuses(const api::Object& pod, const char* list, const std::vector<ContainerState>& states,
                               bool stopping, bool initialized, TimePoint now) {
  json::array out;
  const bool init = std::string_view(list) == "initContainers";
  const auto* specs = api::array_at(pod, {"spec", list});
  for (std::size_t i = 0; i < states.size(); ++i) {
    static const json::object kNone;
    const auto& spec =
        specs != nullptr && i < specs->size() && (*specs)[i].is_object() ? (*specs)[i].get_object() : kNone;
    const auto& container = states[i];
    bool backing_off = false;
    auto state = state_of(pod, spec, container, init, stopping, initialized, now, backing_off);
    json::object last;
    const auto* former = backing_off && container.end ? &container.end : &container.last_end;
    if (*former) last["terminated"] = ended(**former, container_id(pod, container.name, (*former)->attempt));
    const std::string image(api::string_at(spec, {"image"}));
    const bool ended_well =
        init && !is_sidecar(spec) && container.phase == Phase::kEnded && container.end && container.end->exit_code == 0;
    json::object one{{"name", container.name},
                     {"state", std::move(state)},
                     {"lastState", std::move(last)},
                     {"ready", container.running() ? container.ready : ended_well},
                     {"restartCount", std::max(0, container.attempt - 1)},
                     {"image", image},
                     {"imageID", ""},
                     {"started", container.running() && container.started}};
    if (container.attempt > 0) one["containerID"] = container_id(pod, container.name, container.attempt);
    out.push_back(std::move(one));
  }
  return out;
}

std::string phase_of(const api::Object& pod, const PodState& state, bool stopping, bool initialized) {
  if (!state.failed_reason.empty()) return "Failed";
  const auto policy = api::string_at(pod, {"spec", "restartPolicy"}, "Always");
  const auto ended_for_good = [&](const ContainerState& c) {
    if (c.phase != Phase::kEnded) return false;
    if (stopping || policy == "Never") return true;
    return policy == "OnFailure" && c.end->exit_code == 0;
  };
  if (!initialized) {
    const bool init_failed = std::ranges::any_of(state.init, [&](const ContainerState& c) {
      return c.phase == Phase::kEnded && c.end->exit_code != 0 && (policy == "Never" || stopping);
    });
    return init_failed ? "Failed" : "Pending";
  }
  if (!state.containers.empty() && std::ranges::all_of(state.containers, ended_for_good)) {
    const bool well = std::ranges::all_of(state.containers, [](const auto& c) { return c.end->exit_code == 0; });
    return well ? "Succeeded" : "Failed";
  }
  const bool any_waits = std::ranges::any_of(state.containers, [](const auto& c) { return c.attempt == 0; });
  return any_waits ? "Pending" : "Running";
}

/// Replaces the condition of that type; its transition time moves only with its status.
void put(json::array& conditions, json::object one, TimePoint now) {
  const std::string type(api::string_at(one, {"type"}));
  auto* it = std::find_if(conditions.begin(), conditions.end(), [&](const json::value& c) {
    return c.is_object() && api::string_at(c.get_object(), {"type"}) == type;
  });
  json::value since(api::format_time(now));
  if (it != conditions.end()) {
    const auto& old = it->get_object();
    if (api::string_at(old, {"status"}) == api::string_at(one, {"status"}) && old.contains("lastTransitionTime"))
      since = old.at("lastTransitionTime");
  }
  one["lastProbeTime"] = nullptr;
  one["lastTransitionTime"] = std::move(since);
  if (it != conditions.end()) {
    *it = std::move(one);
  } else {
    conditions.push_back(std::move(one));
  }
}

json::object condition(std::string_view type, bool holds, std::string_view reason = {},
                       const std::string& message = {}) {
  json::object out{{"type", type}, {"status", holds ? "True" : "False"}};
  if (!reason.empty()) out["reason"] = reason;
  if (!message.empty()) out["message"] = message;
  return out;
}

template <class Predicate>
std::string names(const std::vector<ContainerState>& list, Predicate&& wanted) {
  std::string out;
  for (const auto& c : list) {
    if (wanted(c)) out += (out.empty() ? "" : " ") + c.name;
  }
  return "[" + out + "]";
}

}  // namespace

std::string container_id(const api::Object& pod, const std::string& container, int attempt) {
  return "sedna://" + std::string(api::uid_of(pod)) + "/" + container + "/" + std::to_string(attempt);
}

std::vector<std::string> asked_and_not_given(const api::Object& pod) {
  std::vector<std::string> out;
  const auto* share = api::find(pod, {"spec", "shareProcessNamespace"});
  if (share != nullptr && share->is_bool() && share->get_bool()) {
    out.emplace_back("shareProcessNamespace: containers see their own processes only");
  }
  for (const char* list : {"initContainers", "containers"}) {
    const auto* containers = api::array_at(pod, {"spec", list});
    if (containers == nullptr) continue;
    for (const json::value& c : *containers) {
      if (!c.is_object()) continue;
      const auto* privileged = api::find(c.get_object(), {"securityContext", "privileged"});
      if (privileged == nullptr || !privileged->is_bool() || !privileged->get_bool()) continue;
      out.push_back("container " + std::string(api::string_at(c.get_object(), {"name"})) +
                    ": privileged containers are sandboxed like the others");
    }
  }
  const auto* volumes = api::array_at(pod, {"spec", "volumes"});
  if (volumes == nullptr) return out;
  for (const json::value& v : *volumes) {
    if (!v.is_object()) continue;
    const auto* empty_dir = api::object_at(v.get_object(), {"emptyDir"});
    if (empty_dir == nullptr) continue;
    const std::string name(api::string_at(v.get_object(), {"name"}));
    if (empty_dir->contains("sizeLimit"))
      out.push_back("volume " + name + ": the sizeLimit of an emptyDir is not enforced");
    if (api::string_at(*empty_dir, {"medium"}) == "Memory") {
      out.push_back("volume " + name + ": an emptyDir of medium Memory lies on the disk");
    }
  }
  return out;
}

json::object pod_status(const api::Object& pod, const PodState& state, bool stopping, TimePoint now) {
  json::object out;
  if (const auto* old = api::object_at(pod, {"status"})) out = *old;
  const auto plan = plan_pod(pod, state, false, now);
  const bool initialized = plan.initialized || state.init.empty() ||
                           std::ranges::any_of(state.containers, [](const auto& c) { return c.attempt > 0; });
  const std::string phase = phase_of(pod, state, stopping, initialized);
  out["phase"] = phase;
  for (const char* name : {"reason", "message"}) out.erase(name);
  if (!state.failed_reason.empty()) {
    out["reason"] = state.failed_reason;
    out["message"] = state.failed_message;
  }
  if (!state.host_ip.empty()) {
    out["hostIP"] = state.host_ip;
    out["hostIPs"] = json::array{json::object{{"ip", state.host_ip}}};
  }
  if (!state.pod_ip.empty()) {
    out["podIP"] = state.pod_ip;
    out["podIPs"] = json::array{json::object{{"ip", state.pod_ip}}};
  }
  if (state.start_time) out["startTime"] = api::format_time(*state.start_time);

  const bool over = phase == "Succeeded" || phase == "Failed";
  const auto not_ready = [](const ContainerState& c) { return !c.ready || !c.running(); };
  const bool ready =
      !over && initialized && !state.containers.empty() && std::ranges::none_of(state.containers, not_ready);
  auto& slot = out["conditions"];
  if (!slot.is_array()) slot = json::array();
  auto& conditions = slot.get_array();
  put(conditions, condition("PodReadyToStartContainers", state.network_ready && !over), now);
  if (initialized || phase == "Succeeded") {
    put(conditions, condition("Initialized", true, phase == "Succeeded" ? "PodCompleted" : ""), now);
  } else {
    put(conditions,
        condition("Initialized", false, "ContainersNotInitialized",
                  "containers with incomplete status: " +
                      names(state.init,
                            [](const ContainerState& c) { return c.phase != Phase::kEnded || c.end->exit_code != 0; })),
        now);
  }
  const std::string why = phase == "Succeeded" ? "PodCompleted"
                          : phase == "Failed"  ? "PodFailed"
                                               : "ContainersNotReady";
  const std::string which =
      over ? std::string() : "containers with unready status: " + names(state.containers, not_ready);
  for (const char* type : {"Ready", "ContainersReady"}) {
    put(conditions, ready ? condition(type, true) : condition(type, false, why, which), now);
  }
  put(conditions, condition("PodScheduled", true), now);
  auto notes = state.notes;
  std::ranges::move(asked_and_not_given(pod), std::back_inserter(notes));
  if (!notes.empty()) {
    std::string message;
    for (const auto& note : notes) message += (message.empty() ? "" : "; ") + note;
    put(conditions, condition("sedna.io/AsAsked", false, "GivenDifferently", message), now);
  }
  if (!state.init.empty())
    out["initContainerStatuses"] = container_statuses(pod, "initContainers", state.init, stopping, initialized, now);
  out["containerStatuses"] = container_statuses(pod, "containers", state.containers, stopping, initialized, now);
  return out;
}

}  // namespace sedna::node
