#include <algorithm>

#include "sedna/node/pod_state.hpp"

namespace sedna::node {

namespace {

using Phase = ContainerState::Phase;
using std::chrono::seconds;

constexpr auto kFirstBackoff = seconds(10);
constexpr auto kLongestBackoff = seconds(300);
constexpr auto kForgottenAfter = std::chrono::minutes(10);

const json::object* spec_of(const api::Object& pod, const char* list, std::size_t index) {
  const auto* all = api::array_at(pod, {"spec", list});
  if (all == nullptr || index >= all->size() || !(*all)[index].is_object()) return nullptr;
  return &(*all)[index].get_object();
}

void earliest(std::optional<TimePoint>& again, TimePoint at) {
  if (!again || at < *again) again = at;
}

/// Puts the container into the plan when its time has come.
void start_when_due(PodPlan& plan, ContainerRef ref, const ContainerState& container, TimePoint now) {
  if (container.not_before && *container.not_before > now) {
    earliest(plan.again, *container.not_before);
    return;
  }
  plan.start.push_back(ref);
}

bool restarts(std::string_view policy, const ContainerState& container) {
  if (policy == "Always") return true;
  if (policy == "Never") return false;
  return !container.end || container.end->exit_code != 0;
}

}  // namespace

bool is_sidecar(const json::object& init_container) {
  return api::string_at(init_container, {"restartPolicy"}) == "Always";
}

void note_end(ContainerState& container, ContainerEnd end) {
  if (end.finished - end.started >= kForgottenAfter) container.failures = 0;
  container.not_before.reset();
  if (container.failures > 0) {
    const auto wait = std::min<seconds>(kFirstBackoff * (1 << std::min(container.failures - 1, 6)), kLongestBackoff);
    container.not_before = end.finished + wait;
  }
  ++container.failures;
  container.phase = Phase::kEnded;
  container.end = std::move(end);
  container.started = container.ready = container.ending = false;
  container.ending_reason.clear();
}

PodPlan plan_pod(const api::Object& pod, const PodState& state, bool stopping, TimePoint now) {
  PodPlan plan;
  const auto policy = api::string_at(pod, {"spec", "restartPolicy"}, "Always");
  const auto end_all = [&](const std::vector<ContainerState>& list, bool init) {
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (list[i].running() && !list[i].ending) plan.end.push_back({init, i});
    }
  };
  const auto none_runs = [&] {
    const auto runs = [](const ContainerState& c) { return c.running(); };
    return std::ranges::none_of(state.init, runs) && std::ranges::none_of(state.containers, runs);
  };
  if (stopping || !state.failed_reason.empty()) {
    end_all(state.containers, false);
    end_all(state.init, true);
    plan.over = none_runs();
    return plan;
  }

  bool passed = true, failed = false;
  for (std::size_t i = 0; i < state.init.size() && passed; ++i) {
    const auto& container = state.init[i];
    const auto* spec = spec_of(pod, "initContainers", i);
    if (spec != nullptr && is_sidecar(*spec)) {
      if (!container.running()) start_when_due(plan, {true, i}, container, now);
      passed = container.running() && container.started;
      continue;
    }
    if (container.phase == Phase::kEnded && container.end->exit_code == 0) continue;
    passed = false;
    if (container.running()) break;
    if (container.phase == Phase::kEnded && policy == "Never") {
      failed = true;
      break;
    }
    start_when_due(plan, {true, i}, container, now);
  }
  plan.initialized = passed;
  if (failed) {
    end_all(state.init, true);
    plan.over = none_runs();
    return plan;
  }
  if (!passed) return plan;

  bool work_left = false;
  for (std::size_t i = 0; i < state.containers.size(); ++i) {
    const auto& container = state.containers[i];
    if (container.running()) {
      work_left = true;
    } else if (container.phase != Phase::kEnded || restarts(policy, container)) {
      work_left = true;
      start_when_due(plan, {false, i}, container, now);
    }
  }
  if (!work_left) {
    plan.start.clear();
    end_all(state.init, true);
    plan.over = none_runs();
  }
  return plan;
}

}  // namespace sedna::node
